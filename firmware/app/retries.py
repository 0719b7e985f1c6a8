"""Trying again after a fault, where the fault table allows it: so often with the same car, 5 min apart, then no more.

What is then left stands until somebody pulls the plug: who has done so has looked at what was wrong. Without a car
nothing can close, so there it is tried for as long as it takes.
"""

from .contract import FAULT_GROUND_LOST, FAULT_METER_IMPLAUSIBLE, FAULT_OVER_CURRENT, FAULT_RESIDUAL_CURRENT
from .fault_table import FAULT_TABLE, RETRIED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .faults import Faults
    from .seam import Pilot, Snapshot
    from .settings import Settings

RETRY_MS = 300_000
"""Wait before each retry (OE). ms."""

MOST = {FAULT_OVER_CURRENT: 3, FAULT_METER_IMPLAUSIBLE: 3, FAULT_GROUND_LOST: 6}
"""Retries with the same car: one that draws too much four times in a row will do so again (ours); earth as OE does it.
Those after a residual current are a setting: closing again by itself is not allowed everywhere."""

_RETRIED = tuple([fault for fault in FAULT_TABLE if FAULT_TABLE[fault][1] == RETRIED])


class Retries:
    """Counts and makes them. One car's count is not the next one's."""

    def __init__(self, pilot: "Pilot", faults: "Faults", settings: "Settings") -> None:
        self._pilot = pilot
        self._faults = faults
        self._settings = settings
        self._changes = 0
        self._plugged = False
        self._used: dict[str, int] = {}
        self._due: dict[str, int] = {}
        self.next_ms: int | None = None
        """Ticks of the next retry."""

    def look(self, snap: "Snapshot", plugged: bool, now: int) -> None:
        """See which faults stand; try again when it is time to."""
        if plugged != self._plugged:
            self._plugged = plugged
            self._used.clear()
            self._changes = -1
        if self._faults.changes != self._changes:
            self._changes = self._faults.changes
            self._judge(snap, now)
        if self.next_ms is not None and now >= self.next_ms:
            self._retry(now)

    def _judge(self, snap: "Snapshot", now: int) -> None:
        """Plan retries of faults that are new, and forget those of faults that have ended."""
        for fault in _RETRIED:
            over = self._plugged and self._used.get(fault, 0) >= self._most(fault)
            if over or fault in snap.locked or not self._faults.stands(fault):
                self._due.pop(fault, None)
            elif fault not in self._due:
                self._due[fault] = now + RETRY_MS
        self.next_ms = min(self._due.values()) if self._due else None

    def _most(self, fault: str) -> int:
        return self._settings.residual_current_retries if fault == FAULT_RESIDUAL_CURRENT else MOST[fault]

    def _retry(self, now: int) -> None:
        for fault, due in list(self._due.items()):
            if now >= due:
                del self._due[fault]
                self._used[fault] = self._used.get(fault, 0) + 1
                if self._faults.is_of_pilot(fault):
                    self._pilot.clear_faults()
                else:
                    self._faults.set(fault, False, "", now)
        # One whose cause still stands changes nothing; it is judged again all the same.
        self._changes = -1
        self.next_ms = now
