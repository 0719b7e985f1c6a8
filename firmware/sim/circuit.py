"""The pilot's wire, the cable and the contactor as a circuit."""

from dataclasses import dataclass

from firmware.cp_pwm.specification import NO_PLUG_OHM
from firmware.cp_pwm.specification.instants import NEVER
from firmware.cp_pwm.specification.signals import STEADY_HIGH, STEADY_LOW
from firmware.sim.car import VirtualCar

PLATEAU_MV = 12_000
"""What the charger drives, either way. mV."""

CABLE_OHM = {13: 1_500, 20: 680, 32: 220, 63: 100}
"""Resistor in the plug of a cable of so many amperes. ohm."""

CONTACTS_MS = 20
"""Time that the contacts take to follow the coil. ms."""


def plateaus_mv(duty_permille: int, car: VirtualCar | None) -> tuple[int, int]:
    """Return the positive and negative plateau that the charger measures; both are the level while it is steady.

    ``car`` is None as well while the switch in the pilot's wire is open. mV.
    """
    high_mv, low_mv = PLATEAU_MV, -PLATEAU_MV
    if car is not None:
        high_mv = car.level_mv()
        if car.shorted or not car.diode:
            low_mv = -high_mv
    if duty_permille == STEADY_HIGH:
        return high_mv, high_mv
    if duty_permille == STEADY_LOW:
        return low_mv, low_mv
    return high_mv, low_mv


def proximity_ohm(cable_a: int | None) -> int:
    """Return the resistance of a plug of so many amperes; 0 A is a shorted contact, None no plug. ohm."""
    if cable_a is None:
        return NO_PLUG_OHM
    return CABLE_OHM[cable_a] if cable_a else 0


@dataclass(slots=True)
class VirtualContactor:
    """Main contacts that follow the coil a little later, unless they are stuck."""

    closed: bool = False
    """The main contacts, and with them the mirror contact."""
    welded: bool = False
    """Set it while closed: they stay closed."""
    stuck_open: bool = False
    """They do not close."""
    _coil: bool = False
    _due_ms: int = NEVER

    def tick(self, now_ms: int, coil: bool) -> None:
        """Follow the coil."""
        if coil != self._coil:
            self._coil, self._due_ms = coil, now_ms + CONTACTS_MS
        if now_ms >= self._due_ms:
            self._due_ms = NEVER
            self.closed = not self.stuck_open if coil else self.welded and self.closed

    def power_off(self) -> None:
        """Lose the supply of the coil: the contacts fall open, unless they are welded."""
        self._coil, self._due_ms, self.closed = False, NEVER, self.welded and self.closed

    def next_ms(self) -> int:
        """Instant at which the contacts move."""
        return self._due_ms
