"""Eight more pins: PCF8574 on I2C, for what may be slow (lock, lights, buzzer). Never for anything that safety needs.

Its outputs only pull low, and are high after power-up: what hangs on them is on when low (``inverted``).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .pn532 import I2cBus

ADDRESS = 0x20
EVERY_MS = 50


class Pcf8574:
    """Writes when a pin has changed and reads all pins twenty times a second."""

    def __init__(self, bus: "I2cBus", now_ms: int, address: int = ADDRESS) -> None:
        self._bus = bus
        self._address = address
        self._wanted = 0xFF
        self._written: int | None = None
        self._levels = bytearray(1)
        self._known = False
        self._next_ms = now_ms
        self.errors = 0

    def poll(self, now_ms: int) -> None:
        """Bring the pins up to date."""
        if now_ms < self._next_ms and self._wanted == self._written:
            return
        self._next_ms = now_ms + EVERY_MS
        try:
            # Written every time: an expander that has lost its supply for a moment has forgotten.
            self._bus.writeto(self._address, bytes((self._wanted,)))
            self._written = self._wanted
            self._bus.readfrom_into(self._address, self._levels)
            self._known = True
        except OSError:
            self.errors += 1
            self._written = None
            self._known = False

    def set(self, pin: int, high: bool) -> None:
        """Drive a pin low, or let it go high; done with the next poll."""
        bit = 1 << pin
        self._wanted = self._wanted | bit if high else self._wanted & ~bit

    def level(self, pin: int) -> bool | None:
        """Return whether a pin is high, None while the expander does not answer."""
        return bool(self._levels[0] & 1 << pin) if self._known else None
