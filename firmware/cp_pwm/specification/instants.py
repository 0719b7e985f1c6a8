"""Instants in milliseconds, and the measure of how long something has been in doubt."""

from dataclasses import dataclass

NEVER = 2**62
"""A deadline that does not come. ms."""

LONG_AGO = -(2**62)
"""An instant before every other: "it has never happened". ms."""


@dataclass(slots=True)
class Doubt:
    """Time spent wrong, less time spent right since: it grows by 1 ms per ms while wrong and shrinks likewise.

    A single wrong sample passes; a signal that flickers, wrong more often than right, does not (ours: a timer that
    every right sample restarts could be held off for ever by one such sample now and then).
    """

    limit_ms: int
    """Doubt at which it is certain. ms."""
    value_ms: int = 0
    wrong: bool = False
    since_ms: int = 0
    """Instant up to which ``value_ms`` has been counted."""

    def tick(self, now_ms: int, wrong: bool) -> bool:
        """Take in whether it is wrong from now on; return True when the limit is reached, and begin anew."""
        if not wrong and not self.wrong and not self.value_ms:
            return False
        elapsed = now_ms - self.since_ms
        self.value_ms = self.value_ms + elapsed if self.wrong else max(0, self.value_ms - elapsed)
        self.since_ms = now_ms
        self.wrong = wrong
        if self.value_ms < self.limit_ms:
            return False
        self.value_ms = 0
        return True

    def deadline_ms(self) -> int:
        """Instant at which the limit is reached if nothing changes."""
        return self.since_ms + self.limit_ms - self.value_ms if self.wrong else NEVER
