"""From levels to states: how long a level must stand before it is believed."""

from dataclasses import dataclass

from firmware.cp_pwm.specification.instants import LONG_AGO, NEVER
from firmware.cp_pwm.specification.levels import UNKNOWN, A, C, classify

TO_A_MS = 25
"""A car that leaves is noticed fast (OE; a Leaf bounces from C to A). ms."""

TO_C_MS = 500
"""Energy is asked for only by a level that stands (SE: B to C; ours: from everywhere). ms."""

OTHERWISE_MS = 250
"""Everything else (OE). That it lasts so long keeps no contactor closed: see :mod:`interlock`. ms."""

SETTLE_MS = 25
"""After the charger has stopped hiding the pilot itself, the plateau is believed to be the car's again (ours; a filter
before the converter needs a few ms). ms."""


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
    hidden: bool = False
    """The plateau is the charger's own doing: the state is the last that was seen."""
    _settled_ms: int = LONG_AGO
    _made: bool = False

    def tick(self, now_ms: int, high_mv: int, made: bool) -> None:
        """Take in the plateau. ``made``: the charger has shown -12 V or taken the pilot away up to now."""
        self._made = made
        if made:
            self._settled_ms = now_ms + SETTLE_MS
        if now_ms < self._settled_ms:
            self.hidden, self.level_since_ms = True, now_ms
            return
        if self.hidden:
            self.hidden, self.level, self.level_since_ms = False, classify(high_mv, self.level), now_ms
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
        if self.hidden:
            return NEVER if self._made else self._settled_ms
        believed_ms = self.level_since_ms + needed_ms(self.level)
        return believed_ms if believed_ms > now_ms else NEVER
