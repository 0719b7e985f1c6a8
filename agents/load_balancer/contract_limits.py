"""A limit that changes with the time of day, as a supply contract or a neighbour's machine wants it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

DAY_MIN = 24 * 60
WEEK = range(7)


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of some days of the week with a limit of their own."""

    begin_min: int
    """Minutes after local midnight."""
    end_min: int
    """The same; not after ``begin_min`` for a window over midnight, which belongs to the day it begins on."""
    limit_a: float
    days: frozenset[int] = frozenset(WEEK)
    """0 Monday to 6 Sunday."""

    def holds(self, weekday: int, minute: int) -> bool:
        """Tell whether it holds at this local time."""
        if self.begin_min < self.end_min:
            return weekday in self.days and self.begin_min <= minute < self.end_min
        late = weekday in self.days and minute >= self.begin_min
        return late or ((weekday - 1) % 7 in self.days and minute < self.end_min)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A limit and the windows in which a lower one holds."""

    limit_a: float
    windows: tuple[Window, ...] = ()
    timezone: str = "UTC"

    def lowest(self) -> float:
        """Return the lowest limit of all."""
        return min([self.limit_a, *(window.limit_a for window in self.windows)])

    def at(self, utc_ms: int) -> float:
        """Return the limit at a moment. A."""
        if not self.windows:
            return self.limit_a
        local = datetime.fromtimestamp(utc_ms / 1000, UTC).astimezone(ZoneInfo(self.timezone))
        minute = local.hour * 60 + local.minute
        return min([self.limit_a, *(w.limit_a for w in self.windows if w.holds(local.weekday(), minute))])

    def lowest_until(self, utc_ms: int, ahead_s: float) -> float:
        """Return the lowest limit between a moment and ``ahead_s`` later: a lease must keep them all. A."""
        if not self.windows:
            return self.limit_a
        moments = [utc_ms, utc_ms + int(ahead_s * 1000), *self._edges(utc_ms, ahead_s)]
        return min(self.at(moment) for moment in moments)

    def changes(self, utc_ms: int, ahead_s: float) -> tuple[tuple[float, float], ...]:
        """Return the later changes as (seconds from the moment, limit), ascending."""
        found: list[tuple[float, float]] = []
        last = self.at(utc_ms)
        for edge in sorted(set(self._edges(utc_ms, ahead_s))):
            value = self.at(edge)
            if value != last:
                found.append(((edge - utc_ms) / 1000, value))
                last = value
        return tuple(found)

    def _edges(self, utc_ms: int, ahead_s: float) -> Iterable[int]:
        zone = ZoneInfo(self.timezone)
        start = datetime.fromtimestamp(utc_ms / 1000, UTC).astimezone(zone)
        end_ms = utc_ms + int(ahead_s * 1000)
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
        for day in range(-1, int(ahead_s // 86_400) + 3):
            for window in self.windows:
                for minute in (window.begin_min, window.end_min):
                    # Local wall time, so that a window moves with summer time.
                    local = (midnight + timedelta(days=day)).replace(hour=minute // 60 % 24, minute=minute % 60)
                    if minute >= DAY_MIN:
                        local += timedelta(days=1)
                    edge_ms = int(local.timestamp() * 1000)
                    if utc_ms < edge_ms <= end_ms:
                        yield edge_ms
