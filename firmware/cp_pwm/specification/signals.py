"""What goes into the control pilot and interlock, what comes out, and what the board is."""

from dataclasses import dataclass
from typing import NamedTuple

from firmware.cp_pwm.specification.instants import LONG_AGO

NO_PLUG_OHM = 1_000_000
"""Proximity resistance as measured with no plug in the socket. ohm."""

STEADY_LOW = 0
"""Duty of a steady -12 V (state F). permille."""

STEADY_HIGH = 1000
"""Duty of a steady high level (no PWM). permille."""


@dataclass(frozen=True, slots=True)
class Board:
    """What does not change between two boots."""

    rated_ma: int = 32_000
    """Largest current that the hardware may offer. mA."""
    tethered: bool = False
    """True with a fixed cable: its rating is ``rated_ma`` and proximity is not looked at."""
    has_mirror: bool = True
    """True if the contactor has a mirror contact that is wired."""
    has_residual_test: bool = True
    """True if the residual-current device has a test input that is wired."""
    simplified_cap_ma: int = 0
    """Most current for a car that goes from A to C without B (EV: 10 000, optional); 0 for no such cap. mA."""


@dataclass(slots=True)
class Inputs:
    """What is measured and asked for at one moment. It holds until the next tick."""

    high_mv: int = 12_000
    """Positive plateau of the pilot; the level itself while it is steady. mV."""
    low_mv: int = 12_000
    """Negative plateau of the pilot; the level itself while it is steady. mV."""
    proximity_ohm: int = NO_PLUG_OHM
    """Resistance between proximity and earth. ohm."""
    residual_trip: bool = False
    """The residual-current device has tripped."""
    mirror_closed: bool = False
    """The mirror contact says that the main contacts are closed."""
    heartbeat_ms: int = LONG_AGO
    """Instant of the app's last sign of life. ms."""
    offer_ma: int = 0
    """Current that the app wants to be offered. mA."""
    permit: bool = False
    """The app lets the contactor close."""
    available: bool = True
    """False: show state F as soon as the contactor is open."""
    clear_count: int = 0
    """Changes whenever the app asks for latched faults to be cleared."""


class Outputs(NamedTuple):
    """What the native module makes and reports after a tick."""

    cp_state: str
    """State of the pilot, debounced: A to F or unknown."""
    contactor: bool
    """The contactor's coil is on."""
    duty_permille: int
    """0 for steady -12 V, 100 to 960 for PWM, 1000 for steady high. permille."""
    offered_ma: int
    """Current that the duty offers; 0 without PWM. mA."""
    cable_ma: int
    """Rating of the cable, 0 with no plug. mA."""
    faults: int
    """Bits of :mod:`faults`."""
    residual_test: bool
    """The test input of the residual-current device is on."""
