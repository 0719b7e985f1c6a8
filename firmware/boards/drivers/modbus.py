"""Modbus RTU master on a serial line: one question at a time, nothing ever waits.

The transceiver must switch its direction by itself (see WIRING.md). Modbus RTU answers carry no number, so that a late
answer cannot be told from the answer to the same question asked again: after a timeout the line is therefore only
listened to for :data:`QUIET_MS`, and what comes then is thrown away.
"""

from .modbus_frames import answer_size, find_answer, read_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class SerialLine(Protocol):
        """``machine.UART`` with a timeout of 0, or its virtual twin."""

        def any(self) -> int:
            """Number of bytes that can be read."""

        def read(self, count: int) -> bytes | None:
            """Return what has come, at most ``count`` bytes."""

        def write(self, data: bytes) -> int | None:
            """Send."""

    Done = Callable[[bytes | None, int], None]

ANSWER_MS = 300
"""Longest time until a meter begins to answer; Eastron names at most 60 ms for its SDM meters."""
QUIET_MS = 1000
"""The line is left alone for so long after a question without an answer."""
GAP_MS = 5
"""Silence between an answer and the next question: 3.5 characters are 4 ms at 9600 baud."""

_BITS = 11
_MAX_RECEIVED = 256


class ModbusMaster:
    """Asks, and hands each answer, or None, to who has asked."""

    def __init__(self, line: "SerialLine", baud: int = 9600) -> None:
        self._line = line
        self._baud = baud
        self._received = b""
        self._slave = self._count = 0
        self._done: Done | None = None
        self._give_up_ms = 0
        self._quiet_until_ms = 0
        self.answered = 0
        """Questions that were answered."""
        self.timeouts = 0
        """Questions that got nothing, or nothing that could be used, in time."""
        self.refused = 0
        """Questions that the slave has answered with an exception."""
        self.discarded = 0
        """Bytes that belonged to no answer: late, of another slave, broken, noise."""

    def ask(self, slave: int, address: int, count: int, done: "Done", now_ms: int) -> bool:
        """Ask ``slave`` for input registers. False when the line is not free: try again later.

        ``done(registers, now_ms)`` is called by :meth:`poll` with the registers' bytes, or with None.
        """
        if self._done is not None or now_ms < self._quiet_until_ms:
            return False
        self._drain()
        self._received = b""
        self._slave, self._count, self._done = slave, count, done
        wire_ms = (8 + answer_size(count)) * _BITS * 1000 // self._baud
        self._give_up_ms = now_ms + ANSWER_MS + wire_ms
        self._line.write(read_request(slave, address, count))
        return True

    def poll(self, now_ms: int) -> None:
        """Take what has come. To be called every 100 ms, so that the line's buffer does not flow over."""
        if self._done is None:
            self._drain()
            return
        waiting = self._line.any()
        if waiting:
            self._received = (self._received + (self._line.read(waiting) or b""))[-_MAX_RECEIVED:]
            registers, exception = find_answer(self._received, self._slave, self._count)
            if registers is not None:
                self.answered += 1
                self.discarded += len(self._received) - answer_size(self._count)
                self._end(registers, now_ms, GAP_MS)
                return
            if exception is not None:
                self.refused += 1
                self._end(None, now_ms, GAP_MS)
                return
        if now_ms >= self._give_up_ms:
            self.timeouts += 1
            self.discarded += len(self._received)
            self._end(None, now_ms, QUIET_MS)

    def _end(self, registers: bytes | None, now_ms: int, quiet_ms: int) -> None:
        done, self._done = self._done, None
        self._received = b""
        self._quiet_until_ms = now_ms + quiet_ms
        if done is not None:
            done(registers, now_ms)

    def _drain(self) -> None:
        waiting = self._line.any()
        if waiting:
            self.discarded += len(self._line.read(waiting) or b"")
