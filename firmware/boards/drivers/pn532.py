"""Card reader PN532 on I2C. One step per poll; a reader that is absent, hangs or talks nonsense is begun anew."""

from .card_gate import CardGate
from .latest import Latest
from .pn532_frames import ACK, LIST_PASSIVE_TARGET, MAX_ANSWER, RETRIES, SAM_CONFIGURATION, answer, frame, uid_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class I2cBus(Protocol):
        """``machine.I2C`` or its virtual twin. Every method raises OSError when nobody acknowledges."""

        def readfrom_into(self, address: int, buffer: bytearray) -> None:
            """Read."""

        def writeto(self, address: int, data: bytes) -> int:
            """Write."""


ADDRESS = 0x24
SILENT_MS = 3000
"""A reader that has not answered for so long is silent: it was tried again at least twice."""
ANSWER_MS = 500
"""Longest wait for an answer; looking for a card once takes about 30 ms."""
RETRY_MS = 1000
"""Distance of attempts to begin with a reader that does not answer."""
LOOK_EVERY_MS = 100
"""Distance of looks for a card."""

_READY = 0x01
_CONFIGURE = (SAM_CONFIGURATION, RETRIES)
_NOTHING, _ACK, _ANSWER = range(3)
_MAX_WAITING = 4


class Pn532:
    """Looks for cards; :meth:`take` tells each presentation once."""

    def __init__(self, bus: "I2cBus", now_ms: int, address: int = ADDRESS) -> None:
        self._bus = bus
        self._address = address
        self._status = bytearray(1)
        self._ack = bytearray(len(ACK) + 1)
        self._received = bytearray(MAX_ANSWER + 1)
        self._step = 0
        self._awaits = _NOTHING
        self._command = b""
        self._give_up_ms = 0
        self._next_ms = now_ms
        self._gate = CardGate()
        self._waiting: list[str] = []
        self._heard = Latest(now_ms, SILENT_MS)
        self.errors = 0
        """Beginnings anew: no acknowledge, no answer in time, or a broken one."""

    def poll(self, now_ms: int) -> None:
        """Do the next step: ask, or see whether an answer is there."""
        try:
            if self._awaits == _NOTHING:
                if now_ms >= self._next_ms:
                    self._ask(now_ms)
            else:
                self._listen(now_ms)
        except OSError:
            self._begin_anew(now_ms)

    def take(self) -> str | None:
        """Return the UID of a card that was presented, upper-case hexadecimal; None when there is none."""
        return self._waiting.pop(0) if self._waiting else None

    def silent(self, now_ms: int) -> bool:
        """Whether the reader has not answered for too long."""
        return self._heard.silent(now_ms)

    def _ask(self, now_ms: int) -> None:
        self._command = _CONFIGURE[self._step] if self._step < len(_CONFIGURE) else LIST_PASSIVE_TARGET
        self._bus.writeto(self._address, frame(self._command))
        self._awaits = _ACK
        self._give_up_ms = now_ms + ANSWER_MS

    def _listen(self, now_ms: int) -> None:
        self._bus.readfrom_into(self._address, self._status)
        if not self._status[0] & _READY:
            if now_ms >= self._give_up_ms:
                self._begin_anew(now_ms)
            return
        if self._awaits == _ACK:
            self._bus.readfrom_into(self._address, self._ack)
            if bytes(self._ack[1:]) != ACK:
                self._begin_anew(now_ms)
                return
            self._awaits = _ANSWER
            return
        self._bus.readfrom_into(self._address, self._received)
        self._awaits = _NOTHING
        carried = answer(bytes(self._received[1:]), self._command[0])
        if carried is None or not self._understand(carried, now_ms):
            self._begin_anew(now_ms)
            return
        self._heard.take(True, now_ms)

    def _understand(self, carried: bytes, now_ms: int) -> bool:
        if self._step < len(_CONFIGURE):
            self._step += 1
            self._next_ms = now_ms
            return True
        readable, uid = uid_of(carried)
        if uid is not None and self._gate.sighted(uid, now_ms) and len(self._waiting) < _MAX_WAITING:
            self._waiting.append(uid)
        self._next_ms = now_ms + LOOK_EVERY_MS
        return readable

    def _begin_anew(self, now_ms: int) -> None:
        self.errors += 1
        self._step = 0
        self._awaits = _NOTHING
        self._next_ms = now_ms + RETRY_MS
