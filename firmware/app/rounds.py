"""Rounds of measuring: reads what there is to read, judges it, publishes it."""

from .publisher import IDLE_TELEMETRY_MS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .faults import Faults
    from .measuring import Measuring
    from .publisher import Publisher
    from .seam import Reading, Snapshot
    from .sessions import Sessions
    from .settings import Settings

CLOSED_MS, OPEN_MS = 1000, 10_000
"""Distance of rounds with the outlet energised, and not."""
NEAR_MS = 100
"""Distance just before an energy cap."""


class Rounds:
    """Measures when it is time to."""

    def __init__(
        self,
        measuring: "Measuring",
        sessions: "Sessions",
        faults: "Faults",
        publisher: "Publisher",
        settings: "Settings",
    ) -> None:
        self._measuring = measuring
        self._sessions = sessions
        self._faults = faults
        self._publisher = publisher
        self._settings = settings
        self._fault_changes = 0
        self.next_ms = 0
        """Ticks at which the next round is due."""

    def now(self) -> None:
        """Measure and publish with the next tick."""
        self.next_ms = self._publisher.telemetry_at = 0

    def run(self, snap: "Snapshot", now: int) -> bool:
        """Measure; return whether the charger must act on it."""
        measuring, sessions, publisher = self._measuring, self._sessions, self._publisher
        session = sessions.session
        session_id = None if session is None else session.session_id
        reading = measuring.read_meter(now)
        measuring.read_temperature()
        act = False
        watch = measuring.watch
        watch.meter(reading, now, session_id)
        closed = snap.contactor_closed
        wait = CLOSED_MS if closed or measuring.register.energy_wh is None else OPEN_MS
        if reading is not None:
            measuring.counting.look(reading, measuring.register, now, session_id)
            if closed:
                watch.load(reading, snap.offered_current_a, now, session_id)
            else:
                watch.rest(reading, now)
            if session is not None:
                sessions.measured(snap.offered_current_a, now)
                if session.ending is not None:
                    act = True
                elif session.end_energy_wh is not None:
                    wait = self._until_cap(reading, wait)
        self.next_ms = now + wait
        if now >= publisher.telemetry_at:
            interval = self._settings.telemetry_interval_s * 1000
            publisher.telemetry_at = now + (interval if closed else max(interval, IDLE_TELEMETRY_MS))
            publisher.send_telemetry(now, snap, measuring, sessions)
        if self._faults.changes != self._fault_changes:
            self._fault_changes = self._faults.changes
            return True
        return act or measuring.register.jump is not None

    def _until_cap(self, reading: "Reading", wait: int) -> int:
        cap_ms = self._sessions.cap_in_ms(reading.power_w)
        return wait if cap_ms is None else max(min(cap_ms, wait), NEAR_MS)

    def hurry(self, snap: "Snapshot", now: int) -> None:
        """The outlet may just have been energised: the next round is then due sooner than was thought."""
        soonest = now + (NEAR_MS if self._sessions.near_cap() else CLOSED_MS)
        if snap.contactor_closed and self.next_ms > soonest:
            self.next_ms = soonest
            self._publisher.telemetry_at = min(self._publisher.telemetry_at, soonest)
