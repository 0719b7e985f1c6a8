"""From levels to states: how long a level must stand before it is believed."""

from dataclasses import dataclass

from firmware.cp_pwm.specification.instants import NEVER
from firmware.cp_pwm.specification.levels import UNKNOWN, A, C, classify

TO_A_MS = 25
"""A car that leaves is noticed fast (OE; a Leaf bounces from C to A). ms."""

TO_C_MS = 500
"""Energy is asked for only by a level that stands (SE: B to C; ours: from everywhere). ms."""

OTHERWISE_MS = 250
"""Everything else (OE). That it lasts so long keeps no contactor closed: see :mod:`interlock`. ms."""


def needed_ms(level: str) -> int:
    """Return how long ``level`` must stand to become the state. ms."""
    if level == A:
        return TO_A_MS
    return TO_C_MS if level == C else OTHERWISE_MS


@dataclass(slots=True)
class PilotState:
    """The state of the pilot and the level that may become it."""

    state: str = UNKNOWN
    """The debounced state; unknown after boot."""
    level: str = UNKNOWN
    """What the plateau means right now."""
    level_since_ms: int = 0
    """Since when it has meant that without a break. ms."""
    without_b: bool = False
    """The car went from A to C without showing B: it has a simplified pilot."""

    def tick(self, now_ms: int, high_mv: int) -> None:
        """Take in the plateau."""
        level = classify(high_mv, self.level)
        if level != self.level:
            self.level, self.level_since_ms = level, now_ms
        if level != self.state and now_ms - self.level_since_ms >= needed_ms(level):
            if level == C and self.state == A:
                self.without_b = True
            elif level != C:
                self.without_b = False
            self.state = level

    def steady_ms(self, now_ms: int) -> int:
        """Return for how long the level has been what it is. ms."""
        return now_ms - self.level_since_ms

    def deadline_ms(self, now_ms: int) -> int:
        """Instant at which the level becomes the state, or at which a steady C may close the contactor."""
        believed_ms = self.level_since_ms + needed_ms(self.level)
        return believed_ms if believed_ms > now_ms else NEVER
