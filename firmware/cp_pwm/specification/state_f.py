"""State F for a charger that is not available, in pulses, so that a car that is unplugged meanwhile is seen."""

from dataclasses import dataclass

from firmware.cp_pwm.specification.instants import NEVER

LOW_MS = 4_000
"""-12 V is shown for so long (ours). Held for ever it would hide that the plug was pulled. ms."""

LOOK_MS = 1_000
"""Then the pilot is steady high for so long: every state is debounced within it (ours). ms."""


@dataclass(slots=True)
class StateF:
    """Makes the pulses."""

    low: bool = False
    """-12 V is being shown."""
    _shown: bool = False
    _since_ms: int = 0

    def tick(self, now_ms: int, wanted: bool) -> None:
        """Take in whether F is to be shown; the first pulse begins at once."""
        if wanted and not self._shown:
            self.low, self._since_ms = True, now_ms
        elif not wanted:
            self.low = False
        elif now_ms >= self.deadline_ms():
            self.low, self._since_ms = not self.low, now_ms
        self._shown = wanted

    def deadline_ms(self) -> int:
        """Instant at which a pulse begins or ends."""
        return self._since_ms + (LOW_MS if self.low else LOOK_MS) if self._shown else NEVER
