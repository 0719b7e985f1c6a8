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

UNKNOWN_MC = -(2**31)
"""Stands for a temperature that is not known. Thousandths of a °C."""


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
    has_temperature: bool = True
    """True if a sensor measures the enclosure. A board without one must say so: else nothing known means little
    current (:mod:`derating`)."""
    has_disconnect: bool = True
    """True if a switch opens the pilot's wire; without one a disconnect shows state F instead."""
    has_emergency_stop: bool = False
    """True if an emergency-stop button is wired."""
    has_ground_monitor: bool = False
    """True if a monitor of the protective earth is wired."""


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
    disconnect: bool = False
    """The app wants the pilot taken away from the car."""
    temperature_mc: int = UNKNOWN_MC
    """Hottest sensor in the enclosure, :data:`UNKNOWN_MC` where nothing is known. Thousandths of a °C."""
    temperature_ms: int = LONG_AGO
    """Instant at which ``temperature_mc`` was handed in. ms."""
    emergency_stop: bool = False
    """The emergency-stop button is pressed, or its wire is broken."""
    ground_lost: bool = False
    """The monitor finds no protective earth."""
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
    derated_ma: int
    """Most that the temperature allows: the rating when cool, 0 for nothing. mA."""
    locked: int
    """Those bits of ``faults`` that stay until power is cycled."""
    disconnected: bool
    """The switch in the pilot's wire is open."""
