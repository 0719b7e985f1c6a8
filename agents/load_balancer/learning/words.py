"""An expectation in words: until when a car is expected to stay, and on how many such days it did."""

from bisect import bisect_left, bisect_right
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from agents.load_balancer.learning.expecting import Expectation

EARLIER = 0.1
"""The words name a time that the car stayed to on all days but this share."""

ROUND_MS = 5 * 60_000
"""It is rounded down to this."""


def in_words(expected: Expectation, utc_ms: int, timezone: str) -> str:
    """Return for example "expected until 16:40 (18 of 20 such days)", local time; empty if there is nothing to count.

    Once that time is over, the days count on which the car stayed longer.
    """
    departures, count = expected.departures_ms, len(expected.departures_ms)
    such = f"{count} such days" if expected.of_card else f"{count} stays from this hour on"
    if not departures:
        return ""
    later = departures[bisect_right(departures, utc_ms) :]
    if not later:
        return f"has stayed longer than on any of {such}" if expected.of_card else f"has stayed longer than {such}"
    until_ms = later[int(EARLIER * len(later))]
    rounded_ms = until_ms - until_ms % ROUND_MS
    until_ms = rounded_ms if rounded_ms > utc_ms else until_ms
    stayed = count - bisect_left(departures, until_ms)
    zone = ZoneInfo(timezone)
    until, now = (datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone) for ms in (until_ms, utc_ms))
    day = "" if until.date() == now.date() else f"{until:%A} "
    return f"expected until {day}{until:%H:%M} ({stayed} of {such})"
