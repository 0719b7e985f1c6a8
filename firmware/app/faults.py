"""Faults: which stand, since when, what they forbid; each raised and cleared with an event."""

from .contract import (
    EVENT_FAULT_CLEARED,
    EVENT_FAULT_RAISED,
    FAULT_HEARTBEAT_LOST,
    FAULTS,
    MAX_FAULT_DETAIL,
    MAX_FAULTS,
)
from .fault_table import ENERGY, FAULT_TABLE, RETRIED, START, UNPLUGGED
from .text import clip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .events import Events
    from .seam import Clock


class Fault:
    """A fault that stands."""

    def __init__(self, since: int | None, detail: str) -> None:
        self.since = since
        self.detail = detail


class Faults:
    """All that is wrong now."""

    def __init__(self, events: "Events", clock: "Clock") -> None:
        self._events = events
        self._clock = clock
        self._standing: dict[str, Fault] = {}
        self._of_pilot: tuple[str, ...] = ()
        self.changes = 0
        """Grows whenever a fault is raised or cleared."""
        self.forbid_energy: str | None = None
        """A fault that forbids energy, or None."""
        self.forbid_start: str | None = None
        """A fault that forbids a new session, or None."""

    def stands(self, fault: str) -> bool:
        """Whether ``fault`` stands."""
        return fault in self._standing

    def set(self, fault: str, stands: bool, detail: str, now: int, session_id: str | None = None) -> None:
        """Raise or clear a fault of the contract's list; nothing happens if it is so already."""
        if stands == (fault in self._standing):
            return
        self.changes += 1
        if stands:
            self._standing[fault] = Fault(self._clock.utc_ms(), clip(detail, MAX_FAULT_DETAIL))
            fields = {"fault": fault, "detail": clip(detail, MAX_FAULT_DETAIL), "session_id": session_id}
            self._events.record(EVENT_FAULT_RAISED, now, fields)
        else:
            del self._standing[fault]
            self._events.record(EVENT_FAULT_CLEARED, now, {"fault": fault})
        self.forbid_energy = self._first(ENERGY)
        self.forbid_start = self._first(START)

    def _first(self, forbids: int) -> str | None:
        for fault in self._standing:
            if FAULT_TABLE[fault][0] >= forbids:
                return fault
        return None

    def of_pilot(self, faults: tuple[str, ...], now: int, session_id: str | None) -> None:
        """Take what the native module reports."""
        if faults == self._of_pilot:
            return
        for fault in self._of_pilot:
            if fault not in faults:
                self.set(fault, False, "", now)
        for fault in faults:
            if fault in FAULTS:
                detail = "the application was late" if fault == FAULT_HEARTBEAT_LOST else ""
                self.set(fault, True, detail, now, session_id)
        self._of_pilot = tuple([fault for fault in faults if fault in FAULTS])

    def is_of_pilot(self, fault: str) -> bool:
        """Whether it is the native module that reports ``fault``."""
        return fault in self._of_pilot

    def unplugged(self, now: int) -> bool:
        """End what pulling the plug ends; return whether the native module has something to clear."""
        clear = False
        for fault in list(self._standing):
            if FAULT_TABLE[fault][1] in (UNPLUGGED, RETRIED):
                if fault in self._of_pilot:
                    clear = True
                else:
                    self.set(fault, False, "", now)
        return clear

    def rows(self) -> "list[tuple[str, int | None, str]]":
        """Return ``(fault, since, detail)`` of as many as a message carries."""
        return [(word, fault.since, fault.detail) for word, fault in list(self._standing.items())[:MAX_FAULTS]]
