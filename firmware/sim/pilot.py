"""The ``pilot`` of the hardware seam: what the native module offers to the app."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from firmware.sim.hardware import VirtualHardware


class Snapshot(NamedTuple):
    """The control pilot and contactor at one moment."""

    cp_state: str
    """A to F or ``unknown``."""
    contactor_closed: bool
    """The outlet is energised, by the mirror contact."""
    cable_a: int
    """Rating of the cable, 0 with no plug, the charger's own with a fixed cable. A."""
    offered_current_a: float
    """What the pilot offers, 0 without PWM. A."""
    derated_a: float
    """Most that the temperature allows: the rating when cool, 0 for nothing. A."""
    duty_percent: float
    """100 without PWM, 0 while state F is shown. %."""
    cp_high_v: float
    """Positive plateau. V."""
    cp_low_v: float | None
    """Negative plateau, None without PWM. V."""
    faults: tuple[str, ...]
    """Words of the contract."""
    locked: tuple[str, ...]
    """Those that stay until power is cycled."""
    change_count: int
    """Differs whenever a state, a fault or an offer has changed, not for voltages or pulses of F alone."""


class VirtualPilot:
    """Hands the app's wishes to the specification. Every call is a sign of life."""

    __slots__ = ("_hardware",)

    def __init__(self, hardware: "VirtualHardware") -> None:
        """Belong to ``hardware``."""
        self._hardware = hardware

    def snapshot(self) -> Snapshot:
        """Return how it is now."""
        return self._hardware.snapshot()

    def offer(self, current_a: float) -> None:
        """Offer so much per phase. Below 6 A there is no PWM: never rounded up. A."""
        self._hardware.request(offer_ma=max(0, int(current_a * 1_000)))

    def permit(self, allowed: bool) -> None:
        """Let the contactor close, or end the charging: no PWM, open when the car has stopped or after 6 s."""
        self._hardware.request(permit=allowed)

    def set_available(self, available: bool) -> None:
        """Show state F (False) once the contactor is open, or not (True)."""
        self._hardware.request(available=available)

    def temperature(self, celsius: float | None) -> None:
        """Hand in the temperature of the enclosure, None while unknown; at least every 10 s."""
        if celsius is not None and celsius == celsius and -100.0 < celsius < 200.0:
            self._hardware.take_temperature(int(celsius * 1_000))

    def disconnect(self, off: bool) -> None:
        """Take the pilot away from the car, or give it back; refused unless the contactor is open and not permitted."""
        self._hardware.request(disconnect=off)

    def heartbeat(self) -> None:
        """Say that the app is alive: at least every 2 s while it permits, else the contactor opens."""
        self._hardware.heartbeat()

    def clear_faults(self) -> None:
        """Clear latched faults whose cause has gone; a welded contactor and a failed self-test stay."""
        self._hardware.request(clear=True)
