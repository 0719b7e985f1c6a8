"""Temperature by DS18B20 on 1-Wire, alone on its line: asked to convert, and read 800 ms later."""

import struct

from .thermometer import Thermometer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class OneWireLine(Protocol):
        """``onewire.OneWire`` or its virtual twin."""

        def reset(self) -> bool:
            """Return whether somebody is there."""

        def writebyte(self, value: int) -> None:
            """Write."""

        def readinto(self, buffer: bytearray) -> None:
            """Read."""


EVERY_MS = 2000
CONVERT_MS = 800
"""750 ms at 12 bits."""

_SKIP_ROM, _CONVERT, _READ_SCRATCHPAD = 0xCC, 0x44, 0xBE
_POWER_ON = 0x0550
"""85 °C: what the scratchpad holds before the first conversion."""


def crc8(data: "bytes | bytearray") -> int:
    """Return the checksum of 1-Wire: polynomial 0x8C, begun with 0."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8C if crc & 1 else crc >> 1
    return crc


class Ds18b20(Thermometer):
    """One sensor."""

    def __init__(self, line: "OneWireLine", now_ms: int) -> None:
        super().__init__(now_ms)
        self._line = line
        self._scratchpad = bytearray(9)
        self._converting = False
        self._next_ms = now_ms

    def poll(self, now_ms: int) -> None:
        """Begin a conversion or read its result when it is time to."""
        if now_ms < self._next_ms:
            return
        if not self._converting:
            self._converting = self._command(_CONVERT)
            self._next_ms = now_ms + (CONVERT_MS if self._converting else EVERY_MS)
            return
        self._converting = False
        self._next_ms = now_ms + EVERY_MS - CONVERT_MS
        if self._command(_READ_SCRATCHPAD):
            self._line.readinto(self._scratchpad)
            self._take(self._celsius(), now_ms)

    def _command(self, command: int) -> bool:
        if not self._line.reset():
            self.errors += 1
            return False
        self._line.writebyte(_SKIP_ROM)
        self._line.writebyte(command)
        return True

    def _celsius(self) -> "float | None":
        """Return what the scratchpad says, None if that is nothing."""
        raw: int = struct.unpack("<h", bytes(self._scratchpad[:2]))[0]
        # A line that hangs at 0 reads as nine zeros, whose checksum is right.
        torn = crc8(self._scratchpad) != 0 or not any(self._scratchpad)
        return None if torn or raw == _POWER_ON else raw / 16
