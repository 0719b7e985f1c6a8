"""A charger on MicroPython's unix port: the hardware seam on the virtual circuit of the native module.

The application, the native module and the interpreter are those of the device; resistors, contactor and meter are
computed. ``cp_pwm.circuit_set`` does to them what a car, a person or a fault would.
"""

import cp_pwm  # type: ignore[import-not-found]

from .drivers.reading import Reading
from .native_pilot import NativePilot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .login import CertificateLogin


class CircuitClock:
    """The two clocks, in the circuit's time: virtual when it is advanced, real when it runs at speed 1."""

    def __init__(self) -> None:
        self._offset: int | None = None

    def ticks_ms(self) -> int:
        """Milliseconds since the circuit began."""
        return int(cp_pwm.circuit_get("now_ms"))

    def utc_ms(self) -> "int | None":
        """UTC in milliseconds since 1970, or None while unset."""
        return None if self._offset is None else self.ticks_ms() + self._offset

    def set_utc_ms(self, value: int) -> None:
        """Set the date."""
        self._offset = value - self.ticks_ms()


class CircuitMeter:
    """Measures what really flows."""

    def read(self) -> "Reading":
        """Return what is measured now."""
        volts, phases = cp_pwm.circuit_get("voltage_v"), cp_pwm.circuit_get("phases")
        amperes = cp_pwm.circuit_get("current_ma") / 1000
        return Reading((volts,) * phases, (amperes,) * phases, volts * amperes * phases, cp_pwm.circuit_energy_wh())


class CardQueue:
    """A card reader that is handed cards."""

    def __init__(self) -> None:
        self._uids: list[str] = []

    def present(self, uid: str) -> None:
        """Hold a card to it."""
        self._uids.append(uid)

    def poll(self) -> "str | None":
        """Return the card's UID, once."""
        return self._uids.pop(0) if self._uids else None


class UnixRatings:
    """What this charger is."""

    hardware = "unix"
    phases = 3
    phase_rotation = ("L1", "L2", "L3")
    rated_current_a = 32.0
    capabilities = ("rfid",)
    dc_range_v = None


class UnixHardware:
    """Everything around the application."""

    has_lock = False

    def __init__(self) -> None:
        """Switch it on: everything is wired, nothing is plugged in, time stands still."""
        self.ratings = UnixRatings()
        self.pilot = NativePilot(
            self.ratings.rated_current_a, has_disconnect=True, has_emergency_stop=True, has_ground_monitor=True
        )
        self.meter = CircuitMeter()
        self.reader = CardQueue()
        self.shown = ("", "")
        """What was last shown to a person: word and detail."""
        self.login: CertificateLogin | None = None
        """Renews the charger's certificate, where it has one."""
        self.on_restart: Callable[[str], None] | None = None
        """Called with the kind of restart that the application asks for."""

    def temperature_c(self) -> float:
        """Temperature of the enclosure."""
        return float(cp_pwm.circuit_get("temperature_mc") / 1000)

    def unlock(self) -> bool:
        """There is no lock."""
        return False

    def indicate(self, word: str, detail: str = "") -> None:
        """Show something to a person."""
        self.shown = (word, detail)

    def restart(self, kind: str) -> None:
        """Ask whoever runs it for a restart."""
        if self.on_restart is not None:
            self.on_restart(kind)
