"""Temperature by LM75, TMP75 or TMP1075 on I2C: register 0 holds 1/256 °C as a signed 16-bit number."""

import struct

from .latest import Latest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class I2cMemory(Protocol):
        """``machine.I2C`` or its virtual twin."""

        def readfrom_mem_into(self, address: int, register: int, buffer: bytearray) -> None:
            """Read registers. Raises OSError when nobody acknowledges."""


ADDRESS = 0x48
EVERY_MS = 1000
STALE_MS = 10_000
MIN_C, MAX_C = -55.0, 125.0


class Lm75:
    """One sensor."""

    def __init__(self, bus: "I2cMemory", now_ms: int, address: int = ADDRESS) -> None:
        self._bus = bus
        self._address = address
        self._buffer = bytearray(2)
        self._next_ms = now_ms
        self._latest = Latest(now_ms, STALE_MS)
        self.errors = 0
        """Readings that failed or could not be true."""

    def poll(self, now_ms: int) -> None:
        """Read it when it is time to."""
        if now_ms < self._next_ms:
            return
        self._next_ms = now_ms + EVERY_MS
        try:
            self._bus.readfrom_mem_into(self._address, 0, self._buffer)
        except OSError:
            self.errors += 1
            return
        celsius = struct.unpack(">h", self._buffer)[0] / 256
        if MIN_C <= celsius <= MAX_C:
            self._latest.take(celsius, now_ms)
        else:
            self.errors += 1

    def temperature_c(self, now_ms: int) -> float | None:
        """Return the temperature, None while unknown."""
        celsius: float | None = self._latest.value(now_ms)
        return celsius

    def silent(self, now_ms: int) -> bool:
        """Whether nothing that can be used has come for too long."""
        return self._latest.silent(now_ms)
