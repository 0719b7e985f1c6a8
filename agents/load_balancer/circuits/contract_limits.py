"""A limit that changes with the time of day, as a supply contract or a neighbour's machine wants it."""

from dataclasses import dataclass
from functools import lru_cache

from agents.load_balancer.circuits.hours import MINUTE_MS, Hours, edges, local


@dataclass(frozen=True, slots=True)
class Window:
    """Hours with a limit of their own."""

    hours: Hours
    limit_a: float


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
        now = local(utc_ms, self.timezone)
        return min([self.limit_a, *(window.limit_a for window in self.windows if window.hours.hold(*now))])

    def lowest_until(self, utc_ms: int, ahead_s: float) -> float:
        """Return the lowest limit between a moment and ``ahead_s`` later: a lease must keep them all. A."""
        if not self.windows:
            return self.limit_a
        return _lowest_within(self, utc_ms // MINUTE_MS, (utc_ms + int(ahead_s * 1000)) // MINUTE_MS)

    def changes(self, utc_ms: int, ahead_s: float) -> tuple[tuple[float, float], ...]:
        """Return the later changes as (seconds from the moment, limit), ascending."""
        found: list[tuple[float, float]] = []
        last = self.at(utc_ms)
        for edge in sorted(set(self.edges(utc_ms, ahead_s))):
            value = self.at(edge)
            if value != last:
                found.append(((edge - utc_ms) / 1000, value))
                last = value
        return tuple(found)

    def edges(self, utc_ms: int, ahead_s: float) -> list[int]:
        """Return when any window begins or ends within ``ahead_s``. UTC ms, unordered."""
        return list(edges((window.hours for window in self.windows), self.timezone, utc_ms, ahead_s))


@lru_cache(maxsize=1024)
def _lowest_within(schedule: Schedule, first_min: int, last_min: int) -> float:
    """Return the lowest limit from one minute to another, both included: limits change at whole minutes only."""
    begin_ms, ahead_s = first_min * MINUTE_MS, (last_min - first_min) * 60.0
    moments = [begin_ms, last_min * MINUTE_MS, *schedule.edges(begin_ms, ahead_s)]
    return min(schedule.at(moment) for moment in moments)
