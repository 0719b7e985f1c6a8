"""Temperature by LM75, TMP75 or TMP1075 on I2C: register 0 holds 1/256 °C as a signed 16-bit number."""

import struct

from .thermometer import Thermometer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class I2cMemory(Protocol):
        """``machine.I2C`` or its virtual twin."""

        def readfrom_mem_into(self, address: int, register: int, buffer: bytearray) -> None:
            """Read registers. Raises OSError when nobody acknowledges."""


ADDRESS = 0x48
EVERY_MS = 1000


class Lm75(Thermometer):
    """One sensor."""

    def __init__(self, bus: "I2cMemory", now_ms: int, address: int = ADDRESS) -> None:
        super().__init__(now_ms)
        self._bus = bus
        self._address = address
        self._buffer = bytearray(2)
        self._next_ms = now_ms

    def poll(self, now_ms: int) -> None:
        """Read it when it is time to."""
        if now_ms < self._next_ms:
            return
        self._next_ms = now_ms + EVERY_MS
        celsius: float | None = None
        try:
            self._bus.readfrom_mem_into(self._address, 0, self._buffer)
            celsius = struct.unpack(">h", self._buffer)[0] / 256
        except OSError:
            pass
        self._take(celsius, now_ms)
