"""From amperes to the duty of the pilot, and when it may change."""

from dataclasses import dataclass

from firmware.cp_pwm.specification.instants import LONG_AGO, NEVER

MINIMUM_MA = 6_000
"""Below it there is no PWM: a smaller request is a pause, never rounded up (IEC 61851-1, A.2). mA."""

MAXIMUM_MA = 80_000
"""Most that a duty can say. mA."""

TRAP_LOW_MA, TRAP_HIGH_MA = 51_000, 52_750
"""Between these the second formula gives a duty of at most 85 %, which a car reads by the first: 51 A. With duties of
whole permille the next one, 85.1 %, says 52.75 A. mA."""

RAISE_EVERY_MS = 5_000
"""The duty changes at most every 5 s (EV), since a car may take 5 s to follow. Ours: only raises wait for it. A
decrease protects a fuse and a cable; waiting with it would let the car draw for up to 5 s what is no longer there,
whereas a car that sees two decreases in 5 s at worst follows the first one first. Switching off never waits. ms."""


def duty_permille(current_ma: int) -> int:
    """Return the duty that offers ``current_ma`` (6 to 80 A), rounded down so that it never offers more. permille."""
    if current_ma <= TRAP_LOW_MA:
        return current_ma // 60
    return current_ma // 250 + 640


def clamp_ma(current_ma: int) -> int:
    """Return the current that a duty can offer for a request: 0 (no PWM) or 6 to 80 A, never more than asked. mA."""
    if current_ma < MINIMUM_MA:
        return 0
    if TRAP_LOW_MA < current_ma < TRAP_HIGH_MA:
        return TRAP_LOW_MA
    return min(current_ma, MAXIMUM_MA)


@dataclass(slots=True)
class Duty:
    """The current that is being offered."""

    offered_ma: int = 0
    """0 for no PWM. mA."""
    changed_ms: int = LONG_AGO
    """When it last changed. ms."""
    _wanted_ma: int = 0

    def tick(self, now_ms: int, wanted_ma: int) -> None:
        """Take in the smallest of all limits, 0 where there must be no PWM."""
        wanted_ma = clamp_ma(wanted_ma)
        self._wanted_ma = wanted_ma
        if wanted_ma < self.offered_ma or (wanted_ma > self.offered_ma and now_ms - self.changed_ms >= RAISE_EVERY_MS):
            self.offered_ma, self.changed_ms = wanted_ma, now_ms

    def deadline_ms(self) -> int:
        """Instant at which a raise that waits is made."""
        return self.changed_ms + RAISE_EVERY_MS if self._wanted_ma > self.offered_ma else NEVER
