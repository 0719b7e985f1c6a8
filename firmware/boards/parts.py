"""What drivers hang on: buses and pins of a board, each opened once and given to one user."""

from .drivers.expander import Pcf8574
from .drivers.pins import ExpanderPin
from .nvs import NvsCounter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .nvs import Nvs
    from .profile import Profile


class PartTaken(ValueError):
    """Two drivers were chosen that need the same pins."""


class Parts:
    """Opens buses and pins. Subclasses do it on an ESP32, or virtually."""

    def __init__(self, profile: "Profile", nvs: "Nvs", now_ms: int) -> None:
        self.profile = profile
        self._nvs = nvs
        self._now_ms = now_ms
        self._users: dict[str, str] = {}
        self._i2c: Any = None
        self.expander: Pcf8574 | None = None
        """Set as soon as a driver needs one of its pins; to be polled."""

    def serial(self, baud: int) -> "Any":
        """Return the serial line of the meter. 8 data bits, no parity."""
        self._claim("meter pins", "a serial line")
        return self.open_serial(baud)

    def pulses(self) -> "Any":
        """Return what counts pulses at the meter's input."""
        self._claim("meter pins", "a pulse counter")
        return self.open_pulses()

    def can(self, bitrate: int) -> "Any":
        """Start CAN on the meter's pins and return what receives."""
        self._claim("meter pins", "CAN")
        return self.open_can(bitrate)

    def one_wire(self) -> "Any":
        """Return the 1-Wire line on the auxiliary pin."""
        self._claim("auxiliary pin", "1-Wire")
        return self.open_one_wire()

    def pixels(self) -> "Callable[[bytes], None]":
        """Return what sends to pixels on the auxiliary pin."""
        self._claim("auxiliary pin", "pixels")
        return self.open_pixels()

    def i2c(self) -> "Any":
        """Return the I2C bus, which all share."""
        if self._i2c is None:
            self._i2c = self.open_i2c()
        return self._i2c

    def expander_pin(self, pin: int) -> ExpanderPin:
        """Return a pin of the expander."""
        if self.expander is None:
            self.expander = Pcf8574(self.i2c(), self._now_ms)
        return ExpanderPin(self.expander, pin)

    def counter(self, name: str) -> NvsCounter:
        """Return a lifetime number in NVS."""
        return NvsCounter(self._nvs, name)

    def _claim(self, part: str, user: str) -> None:
        if part in self._users:
            raise PartTaken("the %s cannot be both %s and %s: choose other drivers" % (part, self._users[part], user))
        self._users[part] = user

    def open_serial(self, baud: int) -> "Any":
        """Open it."""
        raise NotImplementedError

    def open_pulses(self) -> "Any":
        """Open it."""
        raise NotImplementedError

    def open_can(self, bitrate: int) -> "Any":
        """Open it."""
        raise NotImplementedError

    def open_one_wire(self) -> "Any":
        """Open it."""
        raise NotImplementedError

    def open_pixels(self) -> "Callable[[bytes], None]":
        """Open it."""
        raise NotImplementedError

    def open_i2c(self) -> "Any":
        """Open it."""
        raise NotImplementedError
