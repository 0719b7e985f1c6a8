"""Waking cars that sleep: the pilot is taken away as if the plug were pulled, once short, once long.

Cars sleep when charging is delayed, a Zoe for one, and then see no offer any more. A car that has charged and has
stopped by itself does not sleep: it is full, or pauses (Zoe, e-Niro and Kona do, for 10 to 60 s), and would only be
disturbed. So each offer is a reason to wake if the car has not charged in this session yet, or was charging, or had
stopped less than 90 s before, when the last offer was taken away from it.
"""

from .contract import CP_B, CP_C, CP_D

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .seam import Pilot, Snapshot
    from .sessions import Sessions
    from .settings import Settings

ASLEEP_MS = 90_000
"""A car that has been offered current for so long and has not asked sleeps (WB). ms."""
SHORT_MS, BETWEEN_MS, LONG_MS = 4000, 30_000, 30_000
"""The pilot is away for 4 s; 30 s later for 30 s: there are cars that need it (WB). ms."""
ALIVE_MS = 1000
"""The native module gives the pilot back when the application is silent for 2 s. ms."""
MOST_TIMES = 3
"""A car that has not come after so many times in a session does not want to: it may have a timer (ours)."""

_WATCH, _SHORT, _BETWEEN, _LONG, _REST = 0, 1, 2, 3, 4
_NEXT = {_WATCH: (_SHORT, SHORT_MS), _SHORT: (_BETWEEN, BETWEEN_MS), _BETWEEN: (_LONG, LONG_MS)}


class Waking:
    """Decides when the pilot is away."""

    def __init__(self, settings: "Settings", sessions: "Sessions") -> None:
        self._settings = settings
        self._sessions = sessions
        self._session: object = None
        self._times = 0
        self._offering = False
        self._asked = False
        self._asking = False
        self._stopped_at = 0
        """When the car has stopped asking, if it has asked and does not any more."""
        self._stage = _REST
        self._stage_ends: int | None = None
        self._away = False
        self.next_ms: int | None = None
        """Ticks at which to look again."""

    @property
    def away(self) -> bool:
        """Whether the pilot is, or is about to be, away: nothing is offered then."""
        return self._stage in (_SHORT, _LONG)

    def look(self, snap: "Snapshot", offer_a: float, now: int) -> None:
        """Take in what the car does and what would be offered to it; decide."""
        session = self._sessions.session
        if session is not self._session:
            self._session = session
            self._times = 0
            self._offering = self._asked = self._asking = False
        asking = snap.cp_state in (CP_C, CP_D)
        if offer_a > 0:
            if not self._offering:
                self._offering = True
                self._begin(now)
            elif asking:
                self._rest()
            elif snap.cp_state != CP_B and self._stage == _WATCH:
                # Nobody can tell what it does: the time counts anew.
                self._stage_ends = now + ASLEEP_MS
            self._see(asking, now)
            if self._stage_ends is not None and now >= self._stage_ends:
                self._proceed(now)
        else:
            self._offering = False
            self._rest()
        self.next_ms = now + ALIVE_MS if self.away else self._stage_ends

    def apply(self, pilot: "Pilot") -> None:
        """Tell the pilot, after it was told that nothing is permitted."""
        if self.away != self._away:
            self._away = self.away
            pilot.disconnect(self._away)

    def _see(self, asking: bool, now: int) -> None:
        if self._asking and not asking:
            self._stopped_at = now
        self._asking = asking
        self._asked = self._asked or asking

    def _begin(self, now: int) -> None:
        """An offer begins: is it a reason to wake?"""
        full = self._asked and not self._asking and now - self._stopped_at >= ASLEEP_MS
        if self._settings.wake_sleepy_cars and not full and self._times < MOST_TIMES:
            self._stage = _WATCH
            self._stage_ends = now + ASLEEP_MS
        else:
            self._rest()

    def _proceed(self, now: int) -> None:
        if self._stage == _LONG:
            self._rest()
            return
        if self._stage == _WATCH:
            self._times += 1
        self._stage, wait = _NEXT[self._stage]
        self._stage_ends = now + wait

    def _rest(self) -> None:
        self._stage = _REST
        self._stage_ends = None
