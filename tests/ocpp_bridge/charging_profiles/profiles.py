"""Profiles for tests, with few words; and every profile that hypothesis can think of."""

from typing import Any

from hypothesis import strategies as st

from agents.ocpp_bridge.charging_profiles import (
    ChargingProfile,
    ChargingSchedule,
    Kind,
    Period,
    Purpose,
    RateUnit,
    Recurrence,
    Supply,
)

NOON_MS = 1_800_000_000_000 // 86_400_000 * 86_400_000 + 43_200_000
"""A noon in UTC."""
HOUR_MS = 3_600_000
SUPPLY = Supply(phases=3, voltage_v=230.0)


def profile(
    *steps: tuple[int, float],
    purpose: Purpose = Purpose.TX_DEFAULT,
    kind: Kind = Kind.ABSOLUTE,
    level: int = 0,
    profile_id: int = 1,
    unit: RateUnit = RateUnit.A,
    start_ms: int | None = NOON_MS,
    duration_s: int | None = None,
    number_phases: int | None = None,
    **fields: Any,
) -> ChargingProfile:
    periods = tuple(Period(start_s, limit, number_phases) for start_s, limit in steps)
    schedule = ChargingSchedule(unit, periods, None if kind is Kind.RELATIVE else start_ms, duration_s)
    return ChargingProfile(profile_id, level, purpose, kind, schedule, **fields)


@st.composite
def any_profile(draw: st.DrawFn, profile_id: int = 1) -> ChargingProfile:
    starts = sorted(draw(st.sets(st.integers(1, 7200), max_size=4)))
    limits = st.one_of(st.integers(0, 40), st.floats(0, 22_000, allow_nan=False).map(lambda limit: round(limit, 1)))
    instants = st.one_of(st.none(), st.integers(-7200, 7200).map(lambda s: NOON_MS + s * 1000))
    kind = draw(st.sampled_from(Kind))
    valid = sorted(draw(st.lists(st.integers(-7200, 7200), min_size=2, max_size=2, unique=True)))
    schedule = ChargingSchedule(
        draw(st.sampled_from(RateUnit)),
        tuple(Period(start, draw(limits), draw(st.sampled_from([None, 1, 3]))) for start in (0, *starts)),
        NOON_MS + draw(st.integers(-200_000, 7200)) * 1000 if kind is Kind.RECURRING else draw(instants),
        draw(st.one_of(st.none(), st.integers(1, 9000))),
    )
    purpose = draw(st.sampled_from(Purpose))
    return ChargingProfile(
        profile_id,
        draw(st.integers(0, 3)),
        purpose,
        kind,
        schedule,
        draw(st.sampled_from(Recurrence)) if kind is Kind.RECURRING else None,
        draw(st.sampled_from([None, 7])) if purpose is Purpose.TX else None,
        draw(st.sampled_from([None, NOON_MS + valid[0] * 1000])),
        draw(st.sampled_from([None, NOON_MS + valid[1] * 1000])),
    )
