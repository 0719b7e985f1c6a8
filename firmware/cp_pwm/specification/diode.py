"""Whether the car's pilot has its diode: a wet plug or a bent pin has a resistance, only a car has the diode."""

from dataclasses import dataclass, field

from firmware.cp_pwm.specification.instants import NEVER, Doubt
from firmware.cp_pwm.specification.levels import UNKNOWN, A, B, C

GOOD_MV = -10_000
"""The negative plateau must be at or below this (WB). mV."""

GOOD_MS = 100
"""It must be so for 100 ms on end before the contactor may close (WB: more than 100 good ticks). ms."""

BAD_MS = 50
"""It is a fault after so much doubt (ours: as fast as leaving C, see :mod:`interlock`). ms."""


@dataclass(slots=True)
class DiodeCheck:
    """The check, made whenever there is PWM and a car; needed again after every A, D, E and F (WB)."""

    passed: bool = False
    """It has been seen since the car came."""
    fault: bool = False
    """It is missing: latched until the car has gone or somebody clears it."""
    _good_since_ms: int = NEVER
    _bad: Doubt = field(default_factory=lambda: Doubt(BAD_MS))

    def tick(self, now_ms: int, low_mv: int, level: str, state: str, pwm: bool, hidden: bool) -> None:
        """Take in the negative plateau; ``pwm`` is whether there has been PWM up to now, ``hidden`` whether the pilot
        does not show the car now, so that another one may have come.
        """
        if state == A:
            self.fault = False
        if hidden or state not in (B, C, UNKNOWN):
            self.passed = False
        looking = pwm and level in (B, C)
        bad = looking and low_mv > GOOD_MV
        if self._bad.tick(now_ms, bad):
            self.fault, self.passed = True, False
        if not looking or bad:
            self._good_since_ms = NEVER
        elif self._good_since_ms == NEVER:
            self._good_since_ms = now_ms
        if now_ms - self._good_since_ms >= GOOD_MS:
            self.passed = True

    @property
    def bad(self) -> bool:
        """Whether it is missing now: one sample, not yet a fault."""
        return self._bad.wrong

    def clear(self) -> None:
        """Forget the fault; the check starts anew."""
        self.fault = False

    def deadline_ms(self) -> int:
        """Instant at which the check passes or fails."""
        good = NEVER if self.passed or self._good_since_ms == NEVER else self._good_since_ms + GOOD_MS
        return min(good, self._bad.deadline_ms())
