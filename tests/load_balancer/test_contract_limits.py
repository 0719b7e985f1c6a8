"""Limits by the time of day, over midnight and summer time."""

from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.load_balancer.circuits.contract_limits import Schedule, Window
from agents.load_balancer.circuits.hours import Hours

BERLIN = ZoneInfo("Europe/Berlin")
EVENING = Window(Hours(17 * 60, 20 * 60 + 30, frozenset(range(5))), 40.0)
NIGHT = Window(Hours(22 * 60, 6 * 60), 50.0)
SCHEDULE = Schedule(63.0, (EVENING, NIGHT), "Europe/Berlin")


def ms(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=BERLIN).timestamp() * 1000)


def test_hours_days_and_midnight() -> None:
    assert SCHEDULE.at(ms(2026, 11, 20, 16, 59)) == 63  # a Friday
    assert SCHEDULE.at(ms(2026, 11, 20, 17, 0)) == 40
    assert SCHEDULE.at(ms(2026, 11, 20, 20, 30)) == 63
    assert SCHEDULE.at(ms(2026, 11, 21, 17, 0)) == 63  # a Saturday
    assert SCHEDULE.at(ms(2026, 11, 21, 23, 0)) == 50
    assert SCHEDULE.at(ms(2026, 11, 22, 5, 59)) == 50
    assert SCHEDULE.at(ms(2026, 11, 22, 6, 0)) == 63


def test_a_lease_keeps_the_limit_that_comes_while_it_lives() -> None:
    assert SCHEDULE.lowest_until(ms(2026, 11, 20, 16, 58), 100) == 63
    assert SCHEDULE.lowest_until(ms(2026, 11, 20, 16, 58), 121) == 40
    assert SCHEDULE.lowest_until(ms(2026, 11, 20, 20, 29), 3600) == 40


def test_changes_are_told_in_order() -> None:
    changes = SCHEDULE.changes(ms(2026, 11, 20, 16, 0), 16 * 3600)
    assert changes == ((3600.0, 40.0), (16_200.0, 63.0), (21_600.0, 50.0), (50_400.0, 63.0))


def test_summer_time_moves_the_window_with_the_clock_on_the_wall() -> None:
    before, after = ms(2026, 3, 28, 22, 0), ms(2026, 3, 29, 6, 0)
    assert after - before == 7 * 3_600_000
    assert SCHEDULE.at(before) == 50 and SCHEDULE.at(after - 1) == 50 and SCHEDULE.at(after) == 63


@settings(deadline=None)  # The first call reads the time zone from disk.
@given(st.integers(0, 14 * 24 * 3600), st.floats(0, 90_000))
def test_the_lowest_is_the_lowest_of_every_moment(start_s: int, ahead_s: float) -> None:
    begin = ms(2026, 3, 20, 0, 0) + start_s * 1000
    lowest = SCHEDULE.lowest_until(begin, ahead_s)
    step = max(60.0, ahead_s / 200)
    seen = [SCHEDULE.at(begin + int(at * 1000)) for at in [i * step for i in range(int(ahead_s // step) + 1)]]
    assert lowest <= min(seen)
    assert lowest in (63.0, 50.0, 40.0)
