"""What a board may have wired besides: an emergency-stop button and a monitor of the protective earth."""

from dataclasses import dataclass, field

from firmware.cp_pwm.specification.instants import Doubt
from firmware.cp_pwm.specification.levels import A

GROUND_LOST_MS = 50
"""Earth is lost after so much doubt (ours: as fast as leaving C). ms."""


@dataclass(slots=True)
class EmergencyStop:
    """The button. It opens in the tick that sees it pressed.

    Ours, after ISO 13850 (letting go of a button must not start anything): released, it stands until somebody clears
    it or the car has gone.
    """

    fitted: bool
    """The board has the button."""
    pressed: bool = False
    """It was pressed and nobody has cleared it."""

    def tick(self, stop: bool, state: str) -> None:
        """Take in the button."""
        if stop and self.fitted:
            self.pressed = True
        elif state == A:
            self.pressed = False

    def clear(self) -> None:
        """Forget it; a button that is still pressed is found again at once."""
        self.pressed = False


@dataclass(slots=True)
class GroundMonitor:
    """The monitor. A loss is latched until it is cleared (ours: like residual current)."""

    fitted: bool
    """The board has the monitor."""
    lost: bool = False
    """Earth was lost and nobody has cleared it."""
    _doubt: Doubt = field(default_factory=lambda: Doubt(GROUND_LOST_MS))

    def tick(self, now_ms: int, lost: bool) -> None:
        """Take in the monitor."""
        if self._doubt.tick(now_ms, lost and self.fitted):
            self.lost = True

    def clear(self) -> None:
        """Forget it; earth that is still lost is found again, and nothing closes meanwhile: see :attr:`ready`."""
        self.lost = False

    @property
    def ready(self) -> bool:
        """Whether the contactor may close: the monitor finds earth now."""
        return not self._doubt.wrong

    def deadline_ms(self) -> int:
        """Instant at which earth counts as lost."""
        return self._doubt.deadline_ms()
