"""Takes the pilot away from the car, so that a car that sleeps wakes up: it looks like pulling the plug."""

from dataclasses import dataclass

from firmware.cp_pwm.specification.instants import NEVER

MOST_MS = 60_000
"""The pilot comes back after this, whatever is asked (ours: twice the longest that any car needs, 30 s according to
WB; without a pilot nobody sees a plug that is pulled). Asking anew needs a withdrawal first. ms."""


@dataclass(slots=True)
class Disconnect:
    """Only while the contactor is open and not permitted, and the app is alive; else it is refused or ends at once."""

    active: bool = False
    """The pilot is away."""
    _asked: bool = False
    _since_ms: int = NEVER

    def tick(self, now_ms: int, asked: bool, harmless: bool) -> None:
        """Take in what the app asks, and whether the pilot may be away now."""
        if asked and not self._asked:
            self._since_ms = now_ms
        self._asked = asked
        self.active = asked and harmless and now_ms - self._since_ms < MOST_MS

    def deadline_ms(self) -> int:
        """Instant at which the pilot comes back."""
        return self._since_ms + MOST_MS if self.active else NEVER
