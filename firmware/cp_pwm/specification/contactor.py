"""Whether the contactor does what its coil says, by its mirror contact."""

from dataclasses import dataclass

from firmware.cp_pwm.specification.instants import NEVER

IGNORED_MS = 1_250
"""After switching the mirror contact is not looked at for so long (WB: five checks of 250 ms). ms."""

WRONG_MS = 250
"""A contradiction that stands so long is a fault (WB: the next check). ms."""


@dataclass(slots=True)
class MirrorCheck:
    """Finds main contacts that are welded, or that do not close."""

    fitted: bool
    """The board has a mirror contact."""
    welded: bool = False
    """The contacts stay closed: locked until power is cycled, since nothing here can open them."""
    stuck_open: bool = False
    """The contacts do not close: latched until cleared."""
    _wrong_since_ms: int = NEVER
    _ignored_until_ms: int = 0
    _seen_closed: bool = False

    def tick(self, now_ms: int, coil: bool, switched_ms: int, mirror_closed: bool) -> None:
        """Take in the mirror contact; ``coil`` is what the coil has been since ``switched_ms``."""
        self._ignored_until_ms = switched_ms + IGNORED_MS
        if not self.fitted or coil == mirror_closed:
            self._wrong_since_ms = NEVER
        elif self._wrong_since_ms == NEVER:
            self._wrong_since_ms = now_ms
        self._seen_closed = mirror_closed
        if self._wrong_since_ms != NEVER and now_ms >= self._certain_ms():
            if mirror_closed:
                self.welded = True
            else:
                self.stuck_open = True

    def _certain_ms(self) -> int:
        return max(self._wrong_since_ms, self._ignored_until_ms) + WRONG_MS

    def clear(self) -> None:
        """Forget contacts that did not close; welded ones stay."""
        self.stuck_open = False

    def deadline_ms(self) -> int:
        """Instant at which a contradiction becomes a fault."""
        known = self.welded if self._seen_closed else self.stuck_open
        return NEVER if known or self._wrong_since_ms == NEVER else self._certain_ms()
