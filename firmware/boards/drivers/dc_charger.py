"""DC charger with battery management on CAN (250 kbit/s): volts and amperes at the terminal, as a meter too.

The frame 0x00433F01 (extended) carries V as a big-endian float in bytes 0-3 and ten times A in bytes 4-7; 56 to 85.5 V
and 0 to 300 A can be true. No document at hand says which frame carries the state of charge: it is unknown unless the
board's options name the frame, the byte and the scale.
"""

import struct

from .latest import Latest
from .reading import Reading, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from .pulse import LifetimeCounter

    class CanInput(Protocol):
        """The receive ring of the native module; see ``native_can.py``."""

        def receive(self, data: bytearray) -> "tuple[int, int] | None":
            """Fill ``data`` (8 bytes) and return identifier and length of the oldest frame, or None."""


BITRATE = 250_000
TERMINAL_ID = 0x00433F01
MIN_VOLTAGE_V, MAX_VOLTAGE_V, MAX_CURRENT_A = 56.0, 85.5, 300.0

STALE_MS = 5000
GAP_MS = 2000
"""Between frames that are further apart nothing is counted: who knows what flowed."""
MOST_PER_POLL = 32
"""Frames taken with one poll, so that a babbling bus does not stop the charger."""
KEEP_EVERY_WH = 100
RETRY_MS = 60_000

_MW_MS_PER_WH = 3_600_000_000


class StateOfCharge:
    """Where the state of charge stands: one byte of one frame, times ``scale`` percent."""

    def __init__(self, identifier: int, byte: int, scale: float = 1.0) -> None:
        if not 0 <= byte <= 7:
            raise ValueError("the state of charge is in byte 0 to 7 of its frame, not %d" % byte)
        self.identifier = identifier
        self.byte = byte
        self.scale = scale


class DcCharger:
    """Decodes what comes, discards and counts what cannot be, and integrates energy into a register that is kept."""

    def __init__(self, can: "CanInput", kept: "LifetimeCounter", soc: "StateOfCharge | None", now_ms: int) -> None:
        """Raises :class:`OSError` when the register cannot be read."""
        self.dc_range_v = (MIN_VOLTAGE_V, MAX_VOLTAGE_V)
        """What it measures is its output, not the mains."""
        self._can = can
        self._kept = kept
        self._soc_frame = soc
        self._data = bytearray(8)
        self._terminal = Latest(now_ms, STALE_MS)
        self._soc = Latest(now_ms, 6 * STALE_MS)
        self._counted_ms: int | None = None
        self._mw_ms = 0
        self._kept_wh = kept.load()
        self.energy_wh = self._kept_wh
        """Lifetime register."""
        self._retry_ms = now_ms
        self.received = 0
        """Frames that were understood."""
        self.foreign = 0
        """Frames with other identifiers."""
        self.discarded = 0
        """Frames of the wrong length, with NaN, or out of range."""

    def poll(self, now_ms: int) -> None:
        """Take the frames that have come."""
        for _ in range(MOST_PER_POLL):
            frame = self._can.receive(self._data)
            if frame is None:
                break
            self._take(frame[0], frame[1], now_ms)
        flows = not self._terminal.silent(now_ms)
        unkept_wh = self.energy_wh - self._kept_wh
        if (unkept_wh >= KEEP_EVERY_WH or (unkept_wh and not flows)) and now_ms >= self._retry_ms:
            try:
                self._kept.keep(self.energy_wh)
                self._kept_wh = self.energy_wh
            except OSError:
                self._retry_ms = now_ms + RETRY_MS

    def _take(self, identifier: int, length: int, now_ms: int) -> None:
        soc = self._soc_frame
        if identifier == TERMINAL_ID:
            understood = length == 8 and self._take_terminal(now_ms)
        elif soc is not None and identifier == soc.identifier:
            understood = length > soc.byte and self._take_soc(soc, now_ms)
        else:
            self.foreign += 1
            return
        if understood:
            self.received += 1
        else:
            self.discarded += 1

    def _take_terminal(self, now_ms: int) -> bool:
        voltage_v, tenfold_a = struct.unpack(">ff", self._data)
        current_a = tenfold_a / 10
        if not within(voltage_v, MIN_VOLTAGE_V, MAX_VOLTAGE_V) or not within(current_a, 0.0, MAX_CURRENT_A):
            return False
        last = self._terminal.value(now_ms)
        if last is not None and self._counted_ms is not None and now_ms - self._counted_ms <= GAP_MS:
            # The last power flowed until now. Whole numbers: a float on ESP32 has 24 bits.
            self._mw_ms += int(last[0] * last[1] * 1000) * (now_ms - self._counted_ms)
            self.energy_wh += self._mw_ms // _MW_MS_PER_WH
            self._mw_ms %= _MW_MS_PER_WH
        self._counted_ms = now_ms
        self._terminal.take((voltage_v, current_a), now_ms)
        return True

    def _take_soc(self, soc: StateOfCharge, now_ms: int) -> bool:
        percent = self._data[soc.byte] * soc.scale
        if not within(percent, 0.0, 100.0):
            return False
        self._soc.take(percent, now_ms)
        return True

    def soc_percent(self, now_ms: int) -> float | None:
        """Return the battery's state of charge, None while unknown."""
        percent: float | None = self._soc.value(now_ms)
        return percent

    def reading(self, now_ms: int) -> "Reading | None":
        """Return the newest reading, None while there is none or the charger is silent."""
        terminal = self._terminal.value(now_ms)
        if terminal is None:
            return None
        voltage_v, current_a = terminal
        return Reading((voltage_v,), (current_a,), voltage_v * current_a, self.energy_wh)

    def silent(self, now_ms: int) -> bool:
        """Whether no good terminal frame has come for too long."""
        return self._terminal.silent(now_ms)

    def terminal(self, now_ms: int) -> "tuple[float, float] | None":
        """Return volts and amperes at the terminal, None while unknown."""
        terminal: tuple[float, float] | None = self._terminal.value(now_ms)
        return terminal
