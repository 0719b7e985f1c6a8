"""What charging profiles allow: each rule of OCPP 1.6, 3.13, by name; and what must hold for every set of profiles."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.ocpp_bridge.charging_profiles import (
    ChargingProfile,
    Installed,
    Kind,
    Profiles,
    Purpose,
    RateUnit,
    Recurrence,
    Supply,
    Transaction,
    compose,
    resolve,
)
from tests.ocpp_bridge.charging_profiles.profiles import HOUR_MS, NOON_MS, SUPPLY, any_profile, profile

STATION, TX = Purpose.CHARGE_POINT_MAX, Purpose.TX


def kept(*profiles: ChargingProfile, connector_id: int = 1) -> Profiles:
    return tuple(
        Installed(0 if each.purpose is STATION else connector_id, each, NOON_MS - HOUR_MS) for each in profiles
    )


def at(
    profiles: Profiles, after_s: float = 0, transaction: Transaction | None = None, supply: Supply = SUPPLY
) -> float | None:
    allowed = resolve(profiles, 1, NOON_MS + round(after_s * 1000), supply, transaction)
    return None if allowed is None else allowed.current_a


def test_nothing_limits_without_profiles() -> None:
    assert at(()) is None


def test_a_period_lasts_until_the_next_begins() -> None:
    profiles = kept(profile((0, 16), (600, 10), (1200, 0)))
    assert [at(profiles, s) for s in (0, 599.999, 600, 1199, 1200, 90_000)] == [16, 16, 10, 10, 0, 0]
    assert at(profiles, -1) is None, "it has not begun"


def test_the_highest_stack_level_that_says_something_leads() -> None:
    low = profile((0, 20), level=0, profile_id=1)
    high = profile((0, 8), level=4, profile_id=2, start_ms=NOON_MS + 60_000, duration_s=60)
    assert [at(kept(low, high), s) for s in (0, 60, 119, 120)] == [20, 8, 8, 20]
    assert [at(kept(high, low), s) for s in (0, 60, 119, 120)] == [20, 8, 8, 20], "not the order of coming"


def test_a_higher_level_leads_also_with_a_higher_limit() -> None:
    assert at(kept(profile((0, 6), level=1), profile((0, 32), level=2, profile_id=2))) == 32


def test_validity_ends_at_valid_to_and_begins_at_valid_from() -> None:
    profiles = kept(profile((0, 9), valid_from_ms=NOON_MS + 10_000, valid_to_ms=NOON_MS + 20_000))
    assert [at(profiles, s) for s in (9.999, 10, 19.999, 20)] == [None, 9, 9, None]


def test_a_tx_profile_stands_in_for_the_default() -> None:
    default = profile((0, 6), level=9)
    own = profile((0, 20), purpose=TX, profile_id=2, duration_s=100)
    running = Transaction(NOON_MS, 7)
    assert at(kept(default, own), 0, running) == 20
    assert at(kept(default, own), 100, running) == 6, "what has lasted its duration says nothing"
    assert at(kept(default, own), 0) == 6, "there is no transaction"


def test_a_tx_profile_is_for_its_transaction_only() -> None:
    own = kept(profile((0, 20), purpose=TX, transaction_id=7))
    assert at(own, 0, Transaction(NOON_MS, 7)) == 20
    assert at(own, 0, Transaction(NOON_MS, 8)) is None
    assert at(own, 0, Transaction(NOON_MS)) is None


def test_the_smaller_of_the_charge_points_maximum_and_the_transactions_counts() -> None:
    station, own = profile((0, 10), purpose=STATION), profile((0, 16), purpose=TX, profile_id=2)
    assert at(kept(station, own), 0, Transaction(NOON_MS)) == 10
    station, own = profile((0, 20), purpose=STATION), profile((0, 16), purpose=TX, profile_id=2)
    assert at(kept(station, own), 0, Transaction(NOON_MS)) == 16


def test_a_connectors_default_stands_in_for_that_of_connector_0() -> None:
    everywhere = Installed(0, profile((0, 6), level=5), NOON_MS)
    here = Installed(1, profile((0, 13), level=0, profile_id=2, duration_s=60), NOON_MS)
    assert [at((everywhere, here), s) for s in (0, 60)] == [13, 6]
    elsewhere = Installed(2, profile((0, 9), level=9, profile_id=3), NOON_MS)
    assert at((everywhere, elsewhere)) == 6


def test_a_recurring_profile_begins_anew_every_day_from_its_start() -> None:
    daily = kept(
        profile((0, 16), (3600, 8), kind=Kind.RECURRING, recurrence=Recurrence.DAILY, duration_s=7200), connector_id=1
    )
    hours = [-1, 0, 1, 2, 24, 25, 26, 24 * 365 + 1]
    assert [at(daily, 3600 * hour) for hour in hours] == [None, 16, 8, None, 16, 8, None, 8]


def test_a_recurring_profile_falls_to_a_lower_level_after_its_duration() -> None:
    nightly = profile((0, 32), kind=Kind.RECURRING, recurrence=Recurrence.DAILY, duration_s=3600, level=1)
    always = profile((0, 6), profile_id=2)
    assert [at(kept(nightly, always), 3600 * hour) for hour in (0, 1, 24, 25)] == [32, 6, 32, 6]


def test_a_weekly_profile() -> None:
    weekly = kept(profile((0, 16), kind=Kind.RECURRING, recurrence=Recurrence.WEEKLY, duration_s=86_400))
    assert [at(weekly, 86_400 * day) for day in (0, 1, 6, 7, 8)] == [16, None, None, 16, None]


def test_a_relative_profile_counts_from_the_start_of_the_transaction() -> None:
    relative = kept(profile((0, 16), (300, 8), kind=Kind.RELATIVE))
    running = Transaction(NOON_MS - 200_000)
    assert [at(relative, s, running) for s in (0, 99, 100)] == [16, 16, 8]
    assert at(relative, 0) == 16, "a car that comes now begins with the first period"


def test_an_absolute_profile_without_a_start_counts_from_the_start_of_the_transaction() -> None:
    profiles = kept(profile((0, 16), (300, 8), start_ms=None))
    assert [at(profiles, s, Transaction(NOON_MS)) for s in (0, 300)] == [16, 8]


def test_a_relative_maximum_of_the_charge_point_counts_from_when_it_came() -> None:
    profiles = kept(profile((0, 16), (3660, 8), purpose=STATION, kind=Kind.RELATIVE))
    assert [at(profiles, s, Transaction(NOON_MS)) for s in (0, 60)] == [16, 8], "it came an hour before"


def test_watts_are_shared_among_all_phases_of_the_charger_whatever_number_phases_says() -> None:
    for number_phases in (None, 1, 3):
        profiles = kept(profile((0, 11_040), unit=RateUnit.W, number_phases=number_phases))
        assert at(profiles) == 16
        assert at(profiles, supply=Supply(phases=1, voltage_v=230.0)) == 48
    assert at(kept(profile((0, 10_000), unit=RateUnit.W))) == 14.49, "rounded down"


@pytest.mark.parametrize(
    ("watts", "phases", "volts", "amperes"),
    [
        (7200, 1, 240, 30),
        (7200, 1, 208, 34.61),
        (7200, 1, 230, 31.30),
        (11_040, 3, 230, 16),
        (11_520, 3, 240, 16),
        (11_526, 3, 120, 32.01),
    ],
)
def test_watts_become_amperes_at_the_chargers_own_voltage(
    watts: float, phases: int, volts: float, amperes: float
) -> None:
    assert Supply(phases, volts).amperes(watts, RateUnit.W) == amperes


@given(st.floats(0, 1e6), st.integers(1, 3), st.floats(100, 300))
def test_watts_are_never_exceeded_and_hardly_wasted(watts: float, phases: int, volts: float) -> None:
    supply = Supply(phases, volts)
    granted_w = supply.in_unit(supply.amperes(watts, RateUnit.W), RateUnit.W)
    assert watts - 0.011 * volts * phases <= granted_w <= watts + 1e-6 * max(1.0, watts)


def test_amperes_are_never_rescaled() -> None:
    for number_phases in (None, 1, 3):
        assert at(kept(profile((0, 16), number_phases=number_phases)), supply=Supply(phases=1, voltage_v=230.0)) == 16


def test_zero_is_a_limit() -> None:
    assert at(kept(profile((0, 0)))) == 0


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Profiles, Transaction | None]:
    installed: list[Installed] = []
    for number in range(draw(st.integers(0, 5))):
        each = draw(any_profile(number))
        connector_id = {STATION: 0, TX: 1}.get(each.purpose, draw(st.sampled_from([0, 1])))
        installed.append(Installed(connector_id, each, NOON_MS - 100_000))
    started_ms = NOON_MS + draw(st.integers(-7200, 0)) * 1000
    return tuple(installed), draw(st.sampled_from([None, Transaction(started_ms), Transaction(started_ms, 7)]))


@settings(max_examples=150)
@given(worlds(), st.integers(0, 7200), st.floats(0, 1))
def test_what_is_allowed_holds_until_it_says(
    world: tuple[Profiles, Transaction | None], after_s: int, share: float
) -> None:
    profiles, transaction = world
    running = transaction or Transaction(NOON_MS, supposed=True)
    now_ms = NOON_MS + after_s * 1000
    allowed = resolve(profiles, 1, now_ms, SUPPLY, running)
    if allowed is None:
        return
    until_ms = allowed.until_ms if allowed.until_ms is not None else now_ms + 10**9
    assert until_ms > now_ms
    later = resolve(profiles, 1, now_ms + int((until_ms - 1 - now_ms) * share), SUPPLY, running)
    assert later is not None
    assert (later.current_a, later.profile, later.until_ms) == (allowed.current_a, allowed.profile, allowed.until_ms)


@settings(max_examples=150)
@given(worlds(), st.integers(1, 7200))
def test_a_composite_schedule_says_what_will_be_allowed(
    world: tuple[Profiles, Transaction | None], duration_s: int
) -> None:
    profiles, transaction = world
    periods, covered_s = compose(profiles, 1, NOON_MS, duration_s, SUPPLY, 32.0, transaction)
    assert (covered_s, periods[0].start_s) == (duration_s, 0)
    starts = [period.start_s for period in periods]
    assert starts == sorted(set(starts))
    running = transaction or Transaction(NOON_MS, supposed=True)
    for second in {*starts, *(s - 1 for s in starts[1:]), duration_s - 1, *range(0, duration_s, 211)}:
        allowed = resolve(profiles, 1, NOON_MS + second * 1000, SUPPLY, running)
        expected = 32.0 if allowed is None else min(32.0, allowed.current_a)
        assert [period.current_a for period in periods if period.start_s <= second][-1] == expected


def test_a_composite_schedule_is_bounded() -> None:
    busy = kept(profile(*((s, s % 7) for s in range(0, 80_000, 10)), kind=Kind.RELATIVE))
    periods, covered_s = compose(busy, 1, NOON_MS, 10**9, SUPPLY, 32.0)
    assert len(periods) == 1024
    assert covered_s == 10_240
