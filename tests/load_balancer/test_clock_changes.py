"""Hours of a contract or a tariff on the nights on which clocks are changed, against every minute of them."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents.load_balancer.circuits.contract_limits import Schedule, Window
from agents.load_balancer.circuits.hours import MINUTE_MS, WEEK, Hours
from agents.load_balancer.prices import PriceHours, Prices

FORWARD = {"Europe/Berlin": (2026, 3, 29), "America/New_York": (2026, 3, 8), "Australia/Lord_Howe": (2026, 10, 4)}
BACK = {"Europe/Berlin": (2026, 10, 25), "America/New_York": (2026, 11, 1), "Australia/Lord_Howe": (2026, 4, 5)}
NIGHTS = [*FORWARD.items(), *BACK.items()]
NIGHT_S = 24 * 3600.0

hours = st.builds(
    Hours,
    st.integers(0, 5 * 60) | st.integers(0, 1439),
    st.integers(1, 5 * 60) | st.integers(1, 1440),
    st.frozensets(st.sampled_from(WEEK), min_size=1),
)


def noon_before(day: tuple[int, int, int]) -> int:
    return int(datetime(*day, tzinfo=UTC).timestamp() * 1000) - 12 * 60 * MINUTE_MS


def night(zone: str, day: tuple[int, int, int]) -> range:
    """Every minute from noon to noon (UTC) around the change. UTC ms."""
    begin_ms = noon_before(day)
    return range(begin_ms, begin_ms + int(NIGHT_S * 1000), MINUTE_MS)


@given(st.sampled_from(NIGHTS), st.lists(hours, min_size=1, max_size=3), st.integers(0, 20 * 60))
@example(("Europe/Berlin", FORWARD["Europe/Berlin"]), [Hours(150, 300)], 0)
@example(("Europe/Berlin", BACK["Europe/Berlin"]), [Hours(120, 150)], 0)
def test_prices_ahead_change_when_the_clock_on_the_wall_says_so(
    where: tuple[str, tuple[int, int, int]], several: list[Hours], begin_min: int
) -> None:
    zone, day = where
    prices = Prices(0.3, tuple(PriceHours(each, 0.1 * index) for index, each in enumerate(several)), zone)
    begin_ms = noon_before(day) + begin_min * MINUTE_MS
    ahead_s = 12 * 3600.0
    series = prices.ahead(begin_ms, ahead_s)
    steps = [(0.0, series.now), *series.later, (ahead_s, 0.0)]
    for (from_s, value), (until_s, _) in pairwise(steps):
        for minute in range(int(from_s // 60), int(until_s // 60)):
            assert prices.at(begin_ms + minute * MINUTE_MS) == value, minute


@given(st.sampled_from(NIGHTS), st.lists(hours, min_size=1, max_size=3), st.integers(0, 1300), st.integers(1, 90))
@example(("Europe/Berlin", BACK["Europe/Berlin"]), [Hours(120, 150)], 12 * 60 + 50, 50)
def test_a_lease_keeps_every_limit_of_its_time(
    where: tuple[str, tuple[int, int, int]], several: list[Hours], begin_min: int, lease_min: int
) -> None:
    zone, day = where
    schedule = Schedule(63.0, tuple(Window(each, 10.0 + index) for index, each in enumerate(several)), zone)
    begin_ms = noon_before(day) + begin_min * MINUTE_MS
    truly_a = min(schedule.at(begin_ms + minute * MINUTE_MS) for minute in range(lease_min + 1))
    assert schedule.lowest_until(begin_ms, lease_min * 60.0) == truly_a


@pytest.mark.parametrize(("zone", "day"), BACK.items())
def test_hours_in_the_hour_that_comes_twice_hold_twice(zone: str, day: tuple[int, int, int]) -> None:
    schedule = Schedule(63.0, (Window(Hours(105, 110), 10.0),), zone)
    minutes = [at_ms for at_ms in night(zone, day) if schedule.at(at_ms) == 10.0]
    begins = [at_ms for at_ms in minutes if at_ms - MINUTE_MS not in minutes]
    changes = schedule.changes(noon_before(day), NIGHT_S)
    assert [noon_before(day) + int(after_s * 1000) for after_s, limit_a in changes if limit_a == 10.0] == begins
    assert len(begins) == (2 if zone != "Europe/Berlin" else 1)
