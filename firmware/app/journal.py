r"""The journal: events on flash, from before they are published until the ledger has committed them (invariant 4).

A ring of small files ("segments"). Each begins with a header, written together with the file's creation in one atomic
write: its generation, and what was true of the charger at that moment (highest register, open session). After it
come records, one event each::

    \n<crc32 of the body, 8 hex digits> <body: the event as JSON, without oldest_seq>

A record begins with the newline, so that whatever a torn append has left ends where the next record begins; the
checksum finds what is torn. A segment all of whose events are acknowledged is removed, nothing is ever rewritten: an
event costs one append, and one more write and one removal for every segment of them.

When the ring is full: samples, cards, faults and security events are refused while fewer than :data:`KEEP_FOR_SAMPLES`
segments are free, session starts while none is free. So the end of a session that was begun always finds room.
"""

import json

from .contract import EVENT_SESSION_ENDED, EVENT_SESSION_STARTED
from .records import checked, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .seam import Storage

    Event = dict[str, Any]

SEGMENTS = 16
SEGMENT_BYTES = 4096

LOW, START, END = 0, 1, 2
"""How important an event is: what may be refused, what begins a session, what ends it."""

KEEP_FOR_SAMPLES = 2

_FREE_NEEDED = (KEEP_FOR_SAMPLES, 1, 0)
_BODY_BEGINS = '{"boot_id":"'
_BOOT_AT, _SEQ_AT = 12, 32
"""Where boot_id and seq stand in a body: it always begins ``{"boot_id":"<12 digits>","seq":``."""


class Run:
    """Events of one boot that stand one after the other in a segment, without a gap."""

    def __init__(self, boot_id: str, first: int) -> None:
        self.boot_id = boot_id
        self.first = first
        self.last = first


class Segment:
    """One file of the ring."""

    def __init__(self, slot: int, generation: int, size: int) -> None:
        self.name = "journal-%d" % slot
        self.slot = slot
        self.generation = generation
        self.size = size
        self.runs: list[Run] = []


def body_of(event: "Event") -> str:
    """Return an event as JSON that begins with its identity."""
    rest = {name: event[name] for name in event if name not in ("boot_id", "seq")}
    return '%s%s","seq":%d,%s' % (_BODY_BEGINS, event["boot_id"], event["seq"], json.dumps(rest)[1:])


def identity(body: str) -> tuple[str, int]:
    """Return boot_id and seq of a body."""
    return body[_BOOT_AT:24], int(body[_SEQ_AT : body.index(",", _SEQ_AT)])


class Journal:
    """Events on flash."""

    def __init__(self, storage: "Storage", segments: int = SEGMENTS, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._storage = storage
        self._count = segments
        self._bytes = segment_bytes
        self._segments: list[Segment] = []
        self._acked: dict[str, int] = {}
        self._recovered = False
        self._cursor: Segment | None = None
        self._offset = 0
        self.has_unread = False
        """Whether :meth:`unread` has something to give."""
        self.pending = 0
        """Events that wait for the ledger."""
        self.energy_wh = 0
        """Highest register in any event."""
        self.open_session: Event | None = None
        """The ``session_started`` event without an end, if there is one."""
        self.session_ts: int | None = None
        """Time of the newest event of that session, None while the clock was unset."""

    def recover(self) -> None:
        """Read what there is, once, at boot. Torn and damaged records are skipped.

        Raises :class:`OSError` when the flash cannot be read; nothing is journalled then, lest it overwrite something.
        """
        found = []
        for slot in range(self._count):
            data = self._storage.read("journal-%d" % slot)
            if data:
                header = checked(data.split(b"\n", 1)[0])
                found.append((-1 if header is None else int(json.loads(header)["generation"]), slot, len(data)))
        found.sort()
        for generation, slot, size in found:
            segment = Segment(slot, max(generation, 0), size)
            self._index(segment, self._storage.read(segment.name) or b"")
            self._segments.append(segment)
        self._recovered = True
        self.rewind()

    def _index(self, segment: Segment, data: bytes) -> None:
        lines = data.split(b"\n")
        header = checked(lines[0])
        if header is not None:
            carried = json.loads(header)
            self.energy_wh = max(self.energy_wh, carried["energy_wh"])
            self.open_session = carried["session"]
            self.session_ts = carried.get("session_ts")
        for line in lines[1:]:
            body = checked(line)
            if body is not None:
                self._note(segment, json.loads(body))

    def _note(self, segment: Segment, event: "Event") -> None:
        """Take a record into the index, and remember what the next header carries."""
        boot_id, seq = event["boot_id"], event["seq"]
        runs = segment.runs
        if runs and runs[-1].boot_id == boot_id and runs[-1].last == seq - 1:
            runs[-1].last = seq
        else:
            runs.append(Run(boot_id, seq))
        self.pending += 1
        self.energy_wh = max(self.energy_wh, event.get("energy_wh", 0))
        if event["type"] == EVENT_SESSION_STARTED:
            self.open_session = event
        elif event["type"] == EVENT_SESSION_ENDED:
            self.open_session = None
        if self.open_session is not None and event.get("session_id") == self.open_session["session_id"]:
            self.session_ts = event["ts"]

    def room(self, importance: int) -> bool:
        """Whether an event of this importance may be journalled now."""
        return self._recovered and self._count - len(self._segments) >= _FREE_NEEDED[importance]

    def append(self, event: "Event", importance: int) -> bool:
        """Put an event on flash. False when there is no room for one of this importance.

        Raises :class:`OSError` when the flash refuses; its number is then used up, for a part may be written.
        """
        if not self.room(importance):
            return False
        line = b"\n" + record(body_of(event))
        segment = self._segments[-1] if self._segments else None
        if segment is None or segment.size + len(line) > self._bytes:
            segment = self._begin()
        if segment is None:
            return False
        try:
            self._storage.append(segment.name, line)
            segment.size += len(line)
        except OSError:
            if not self._is_written(segment, line):
                raise
        self._note(segment, event)
        self.has_unread = True
        return True

    def _is_written(self, segment: Segment, line: bytes) -> bool:
        """After an append that has failed: whether the record is on flash all the same."""
        # If that cannot be found out either, nothing more goes into this segment.
        segment.size = self._bytes
        data = self._storage.read(segment.name) or b""
        segment.size = len(data)
        return data.endswith(line)

    def _begin(self) -> "Segment | None":
        """Begin a new segment; None if none is free. Raises :class:`OSError`."""
        used = [segment.slot for segment in self._segments]
        free = [slot for slot in range(self._count) if slot not in used]
        if not free:
            return None
        generation = self._segments[-1].generation + 1 if self._segments else 1
        # The slot after the last one, so that all of the flash wears alike.
        after = used[-1] if used else -1
        slot = min(free, key=lambda number: (number - after - 1) % self._count)
        header = {"generation": generation, "energy_wh": self.energy_wh, "session": self.open_session}
        if self.open_session is not None:
            header["session_ts"] = self.session_ts
        data = record(json.dumps(header))
        segment = Segment(slot, generation, len(data))
        self._storage.write(segment.name, data)
        self._segments.append(segment)
        if self._cursor is None:
            self._cursor, self._offset = segment, 0
        return segment

    def last_seq(self, boot_id: str) -> int:
        """Highest number of a boot that is known here; 0 if none is."""
        last = self._acked.get(boot_id, 0)
        for segment in self._segments:
            for run in segment.runs:
                if run.boot_id == boot_id and run.last > last:
                    last = run.last
        return last

    def oldest_seq(self, boot_id: str) -> int:
        """Smallest number of a boot that waits for the ledger; 0 if there is none."""
        acked = self._acked.get(boot_id, 0)
        for segment in self._segments:
            for run in segment.runs:
                if run.boot_id == boot_id and run.last > acked:
                    return max(run.first, acked + 1)
        return 0

    def is_acknowledged(self, boot_id: str, seq: int) -> bool:
        """Whether the ledger has committed this event, as far as is known."""
        return seq <= self._acked.get(boot_id, 0)

    def acknowledge(self, boot_id: str, seq: int) -> bool:
        """Forget events of a boot up to ``seq``. False, and nothing happens, if there are none that wait."""
        if self.is_acknowledged(boot_id, seq) or seq > self.last_seq(boot_id):
            return False
        self._acked[boot_id] = seq
        self._drop()
        return True

    def _drop(self) -> None:
        """Remove segments of which nothing is waiting any more, and count what is."""
        waiting = [self._waiting(segment) for segment in self._segments]
        self.pending = sum(waiting)
        try:
            if not self.pending and self._segments[-1].size > self._bytes // 2:
                # The last one stays to be appended to; all acknowledged, it is worth a fresh one once it is half full.
                self._begin()
                waiting.append(1)
            for position in range(len(self._segments) - 2, -1, -1):
                if not waiting[position]:
                    self._remove(position)
        except OSError:
            # It is tried again with the next acknowledgement; what stays is only sent once more after a reboot.
            pass
        boots = [run.boot_id for segment in self._segments for run in segment.runs]
        for boot_id in list(self._acked):
            if boot_id not in boots:
                del self._acked[boot_id]

    def _remove(self, position: int) -> None:
        segment = self._segments[position]
        self._storage.remove(segment.name)
        del self._segments[position]
        if self._cursor is segment:
            self._cursor, self._offset = self._segments[position], 0

    def _waiting(self, segment: Segment) -> int:
        return sum(max(0, run.last - max(run.first - 1, self._acked.get(run.boot_id, 0))) for run in segment.runs)

    def rewind(self) -> None:
        """Read again from the oldest event that waits."""
        self._cursor = self._segments[0] if self._segments else None
        self._offset = 0
        self.has_unread = self.pending > 0

    def unread(self, most: int) -> list[str]:
        """Return the next bodies that wait for the ledger, at most so many, and move on behind them."""
        bodies: list[str] = []
        while self._cursor is not None and len(bodies) < most:
            if not self._read(self._cursor, bodies, most):
                return bodies
            if self._cursor is self._segments[-1]:
                break
            self._cursor = self._segments[self._segments.index(self._cursor) + 1]
            self._offset = 0
        self.has_unread = len(bodies) >= most
        return bodies

    def _read(self, segment: Segment, bodies: list[str], most: int) -> bool:
        """Add what waits in ``segment`` behind the offset; return whether that was all of it."""
        data = self._storage.read(segment.name) or b""
        while self._offset < len(data):
            if len(bodies) >= most:
                return False
            end = data.find(b"\n", self._offset)
            end = len(data) if end < 0 else end
            body = checked(data[self._offset : end])
            # Behind the last record this is one too far: exactly where the next record's body will begin.
            self._offset = end + 1
            if body is not None and body.startswith(_BODY_BEGINS):
                boot_id, seq = identity(body)
                if not self.is_acknowledged(boot_id, seq):
                    bodies.append(body)
        return True
