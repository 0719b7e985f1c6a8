"""A meter on Modbus: asks for its registers in turn, and has a reading when all of them have been answered."""

from .latest import Latest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .modbus import ModbusMaster
    from .reading import Reading

    Decode = Callable[[list[bytes]], Reading | None]

EVERY_MS = 1000
"""Distance of readings."""
STALE_MS = 5000
"""A reading is not told any more after so long."""


class ModbusMeter:
    """One slave. ``reads`` lists ``(address, count)``; ``decode`` makes a reading of the answers, None if it cannot."""

    def __init__(
        self,
        master: "ModbusMaster",
        slave: int,
        reads: "tuple[tuple[int, int], ...]",
        decode: "Decode",
        now_ms: int,
    ) -> None:
        if not 1 <= slave <= 248:
            raise ValueError("a meter's Modbus address is 1 to 247 (248: a PZEM's general one), not %d" % slave)
        self._master = master
        self._slave = slave
        self._reads = reads
        self._decode = decode
        self._answers: list[bytes] = []
        self._asking = False
        self._next_ms = now_ms
        self._begun_ms = now_ms
        self._latest = Latest(now_ms, STALE_MS)
        self.invalid = 0
        """Readings that could not be true: NaN, or out of range."""

    def poll(self, now_ms: int) -> None:
        """Take what has come, and ask for what is next."""
        self._master.poll(now_ms)
        if self._asking or now_ms < self._next_ms:
            return
        if not self._answers:
            self._begun_ms = now_ms
        address, count = self._reads[len(self._answers)]
        self._asking = self._master.ask(self._slave, address, count, self._answered, now_ms)

    def _answered(self, registers: bytes | None, now_ms: int) -> None:
        self._asking = False
        if registers is None:
            # What was read before belongs to another moment than what will be read: begin again.
            self._answers = []
            return
        self._answers.append(registers)
        if len(self._answers) < len(self._reads):
            return
        reading = self._decode(self._answers)
        self._answers = []
        self._next_ms = self._begun_ms + EVERY_MS
        if reading is None:
            self.invalid += 1
        else:
            self._latest.take(reading, now_ms)

    def reading(self, now_ms: int) -> "Reading | None":
        """Return the newest reading, None while there is none or the meter is silent."""
        reading: Reading | None = self._latest.value(now_ms)
        return reading

    def silent(self, now_ms: int) -> bool:
        """Whether nothing that can be used has come for too long."""
        return self._latest.silent(now_ms)
