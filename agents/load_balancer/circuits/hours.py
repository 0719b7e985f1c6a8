"""Hours of the week, in local time: when a contract's limit or a tariff's price holds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

DAY_MIN = 24 * 60
MINUTE_MS = 60_000
WEEK = range(7)
_LOOK_MS = 6 * 60 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of some days of the week."""

    begin_min: int
    """Minutes after local midnight."""
    end_min: int
    """The same; not after ``begin_min`` for hours over midnight, which belong to the day they begin on."""
    days: frozenset[int] = frozenset(WEEK)
    """0 Monday to 6 Sunday."""

    def hold(self, weekday: int, minute: int) -> bool:
        """Tell whether this local time is among them."""
        if self.begin_min < self.end_min:
            return weekday in self.days and self.begin_min <= minute < self.end_min
        late = weekday in self.days and minute >= self.begin_min
        return late or ((weekday - 1) % 7 in self.days and minute < self.end_min)


def local(utc_ms: int, timezone: str) -> tuple[int, int]:
    """Return the weekday (0 Monday) and the minutes after midnight of a moment in a time zone."""
    moment = datetime.fromtimestamp(utc_ms / 1000, UTC).astimezone(ZoneInfo(timezone))
    return moment.weekday(), moment.hour * 60 + moment.minute


def edges(several: Iterable[Hours], timezone: str, utc_ms: int, ahead_s: float) -> Iterator[int]:
    """Yield when any of them may begin or end later than a moment and at most ``ahead_s`` after it. UTC ms, unordered.

    On the night of a clock change that is when the clock shows their minutes, for the first and for the second time,
    and when it jumps: hours that were to begin in the hour that is left out begin with the jump.
    """
    zone = ZoneInfo(timezone)
    start = datetime.fromtimestamp(utc_ms / 1000, UTC).astimezone(zone)
    end_ms = utc_ms + int(ahead_s * 1000)
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    minutes = {minute for hours in several for minute in (hours.begin_min, hours.end_min)}
    if not minutes:
        return
    found = set(jumps(zone, utc_ms, end_ms))
    for day in range(-1, int(ahead_s // 86_400) + 3):
        for minute in minutes:
            # Local wall time, so that hours move with summer time.
            edge = (midnight + timedelta(days=day)).replace(hour=minute // 60 % 24, minute=minute % 60)
            if minute >= DAY_MIN:
                edge += timedelta(days=1)
            found.update(int(edge.replace(fold=fold).timestamp() * 1000) for fold in (0, 1))
    yield from (edge_ms for edge_ms in found if utc_ms < edge_ms <= end_ms)


def jumps(zone: ZoneInfo, from_ms: int, until_ms: int) -> Iterator[int]:
    """Yield when the clocks of a time zone are changed later than ``from_ms``, at most at ``until_ms``. UTC ms.

    Two changes within six hours are not seen; no zone has had any.
    """
    before = from_ms
    while before < until_ms:
        after = min(before + _LOOK_MS, until_ms)
        offset = _offset(zone, before)
        if _offset(zone, after) != offset:
            low, high = before, after
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
            yield high
        before = after


def _offset(zone: ZoneInfo, utc_ms: int) -> timedelta | None:
    return datetime.fromtimestamp(utc_ms / 1000, UTC).astimezone(zone).utcoffset()
