"""Whether the app is alive. A hung interpreter must not keep a cable energised."""

from dataclasses import dataclass

from firmware.cp_pwm.specification.instants import NEVER

LOST_AFTER_MS = 2_000
"""Without a sign of life for so long the app counts as hung. ms."""

HELD_MS = 5_000
"""The fault stands so long after the app is back, so that the app itself sees it (ours). ms."""


@dataclass(slots=True)
class Heartbeat:
    """Watches the app. Closing needs a living app; silence with the contactor closed opens it and is a fault.

    With the contactor open silence is none (ours): nothing depends on the app, which may sleep to save energy.
    """

    alive: bool = False
    """There was a sign of life within the last two seconds."""
    lost: bool = False
    """The app fell silent with the contactor closed."""
    _watched: bool = False
    _back_ms: int = NEVER

    def tick(self, now_ms: int, heartbeat_ms: int, coil: bool, away: bool) -> None:
        """Take in the instant of the last sign of life; ``coil`` is whether the contactor has been on up to now,
        ``away`` whether the pilot has been taken away.
        """
        self._watched = coil or away
        self.alive = now_ms - heartbeat_ms < LOST_AFTER_MS
        if coil and not self.alive:
            self.lost, self._back_ms = True, NEVER
        elif self.lost and self.alive and self._back_ms == NEVER:
            self._back_ms = now_ms
        if self.lost and now_ms - self._back_ms >= HELD_MS:
            self.lost = False

    def deadline_ms(self, heartbeat_ms: int) -> int:
        """Instant at which the app counts as hung, or the fault ends, with its last sign of life so far."""
        if self._watched and self.alive:
            return heartbeat_ms + LOST_AFTER_MS
        return self._back_ms + HELD_MS if self.lost and self._back_ms != NEVER else NEVER
