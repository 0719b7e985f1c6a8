"""Cars that ask for ventilation are refused: state D."""

from dataclasses import dataclass

from firmware.cp_pwm.specification.levels import A, D


@dataclass(slots=True)
class Ventilation:
    """Remembers that the car asked for ventilation, until it has gone or somebody clears it.

    Without PWM such a car falls back to B; if that cleared the fault it would ask again every few seconds (ours).
    """

    required: bool = False

    def tick(self, state: str) -> None:
        """Take in the state of the pilot."""
        if state == D:
            self.required = True
        elif state == A:
            self.required = False

    def clear(self) -> None:
        """Let the car try again."""
        self.required = False
