"""Sessions: who is awaited, who charges, and how it ends.

A session begins when car and authorisation have both arrived, is journalled before the contactor may close, and ends
when the contactor is open again: until then energy may flow, and it belongs to the session.
"""

from .contract import (
    CP_A,
    CP_B,
    CP_C,
    CP_D,
    EVENT_SESSION_ENDED,
    EVENT_SESSION_SAMPLED,
    EVENT_SESSION_STARTED,
    STOP_ENERGY_CAP,
    STOP_EV_DISCONNECTED,
    STOP_IDLE,
    STOP_POWER_LOSS,
    STOP_TIME_CAP,
)
from .resumption import go_on, interrupted, remember
from .session import Awaited, Session
from .text import clip, random_below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .events import Events
    from .measuring import Measuring
    from .seam import Clock, RandomBytes, Snapshot, Storage
    from .service import Service
    from .settings import Settings

    Token = dict[str, Any]

PLUGGED = (CP_B, CP_C, CP_D)
OPEN_WITHIN_MS = 10_000
"""If the contactor has not opened by then it is stuck, which is a fault of its own; the session ends without it."""
STATUS_SAMPLE_MS = 10_000
"""Shortest distance of samples that only tell a status: a car that flutters must not wear out the flash."""
NEAR_CAP_WH = 20
"""What the strongest charger delivers in about two seconds."""
RETRY_MS = 5000
"""Wait before an end that could not be journalled is tried again."""


class Sessions:
    """Everything about sessions that is not a command or a card."""

    def __init__(
        self,
        boot_id: str,
        settings: "Settings",
        service: "Service",
        events: "Events",
        measuring: "Measuring",
        clock: "Clock",
        random: "RandomBytes",
        storage: "Storage",
    ) -> None:
        self._boot_id = boot_id
        self._settings = settings
        self._service = service
        self._events = events
        self._measuring = measuring
        self._clock = clock
        self._random = random
        self._storage = storage
        self._cable_a = 0.0
        self._count = 0
        self.now = 0
        """Ticks of the step that is going on."""
        self.session: Session | None = None
        self.awaited: Awaited | None = None
        self.paused = False
        self.paused_by = ""
        self.pause_reason = ""
        self.plugged = False
        self.finished = False
        """Whether the car that is plugged in has had its session."""
        self.unwritten: dict[str, Any] | None = None
        """An end that must be journalled before anything else begins: its fields."""
        self._retry_at = 0

    def recover(
        self, started: "dict[str, Any] | None", reason: str, detail: str, newest_ts: int | None, now: int
    ) -> None:
        """Take the session that was open when the charger lost power.

        It ends as soon as the meter has been read, unless it may go on, which takes the time of its newest event.
        """
        if started is not None:
            if reason == STOP_POWER_LOSS and newest_ts is not None and self._settings.resume_after_power_loss:
                found = interrupted(self._storage, started, newest_ts, now)
                if found is not None:
                    self.session, pause = found
                    if pause is not None:
                        self.paused, (self.paused_by, self.pause_reason) = True, pause
                    return
            self.unwritten = {
                "session_id": started["session_id"],
                "start_energy_wh": started["energy_wh"],
                "energy_wh": None,
                "reason": reason,
                "detail": detail,
            }

    def session_energy_wh(self) -> int:
        """Energy of the session that is going on: a difference of registers."""
        session = self.session
        if session is None:
            return 0
        return max(0, (self._measuring.register.energy_wh or 0) - session.start_energy_wh)

    def wants_energy(self, now: int) -> bool:
        """Whether there is a session that is not ending or interrupted and whose start delay is over."""
        session = self.session
        if session is None or session.ending is not None or session.resumption is not None:
            return False
        return now >= session.delayed_until

    def step(self, snap: "Snapshot", now: int, may_start: bool, may_close: bool) -> bool:
        """See what car, clock and flash have brought; return whether anything has changed.

        ``may_start``: nothing forbids a session; ``may_close``: a contactor that ``snap`` shows open may close yet.
        """
        self.now = now
        self._cable_a = snap.cable_a
        before = (self.session, self.awaited, self.plugged, self.finished, self.unwritten)
        self._see_car(snap, now)
        session = self.session
        if session is not None:
            if session.resumption is not None and session.ending is None:
                self._resume(session, snap, now)
            if session.ends is not None and now >= session.ends:
                self.end(STOP_TIME_CAP, "the time that was agreed is over", now)
            if session.ending is not None and (now >= session.open_by or not (snap.contactor_closed or may_close)):
                self._finish(session, now)
        if self.unwritten is not None and now >= self._retry_at:
            self._write_end(now)
        awaited = self.awaited
        if awaited is not None and now >= awaited.ends:
            self.awaited = None
        elif awaited is not None and self.plugged and may_start and self.session is None and self.unwritten is None:
            self._start(awaited, now)
        return before != (self.session, self.awaited, self.plugged, self.finished, self.unwritten)

    def _see_car(self, snap: "Snapshot", now: int) -> None:
        if snap.cp_state == CP_A:
            if self.plugged:
                self.plugged = self.finished = False
                self.end(STOP_EV_DISCONNECTED, "the car was unplugged", now)
        elif not self.plugged and snap.cp_state in PLUGGED:
            self.plugged = True

    def _resume(self, session: Session, snap: "Snapshot", now: int) -> None:
        """Go on with a session that a power loss has interrupted, or end it, as soon as that is certain."""
        resumption, utc, energy_wh = session.resumption, self._clock.utc_ms(), self._measuring.register.energy_wh
        if resumption is None:
            return
        hindrance = resumption.hindrance(snap, self.plugged and energy_wh is not None, utc, now)
        if hindrance:
            self.end(STOP_POWER_LOSS, hindrance, now)
        elif hindrance is not None and energy_wh is not None and utc is not None:
            go_on(session, energy_wh, utc, now)
            self._delay(session, now)
            # The next sample is due at once: it tells when the session went on.
            session.sampled_at = now - STATUS_SAMPLE_MS

    def _delay(self, session: Session, now: int) -> None:
        """Wait a random time, at the start and after a power loss: then above all would a street start at once."""
        delay_s = self._settings.start_delay_max_s
        if delay_s:
            session.delayed_until = now + random_below(self._random, delay_s * 1000 + 1)
            session.drew_at = session.delayed_until

    def _start(self, awaited: Awaited, now: int) -> None:
        self._measuring.read_meter(now)
        energy_wh = self._measuring.register.energy_wh
        if energy_wh is None:
            return
        session_id = "%s-%d" % (self._boot_id, self._count + 1)
        fields = {
            "session_id": session_id,
            "energy_wh": energy_wh,
            "id_token": awaited.id_token,
            "authorized_by": awaited.source,
        }
        reserved = self._service.reservation
        if reserved is not None:
            fields["reservation_id"] = reserved["reservation_id"]
        self.awaited = None
        if not self._events.record(EVENT_SESSION_STARTED, now, fields):
            # Not on flash, so it must not begin; the fault journal_full tells why.
            return
        self._count += 1
        self._service.use_up()
        session = Session(session_id, awaited, energy_wh, self._clock.utc_ms(), now)
        self._delay(session, now)
        self.session = session
        self.finished = False
        self._remember()

    def pause(self, by: str, why: str) -> None:
        """Offer nothing until :meth:`resume` or the end of the session."""
        self.paused = True
        self.paused_by = by
        self.pause_reason = why
        self._remember()

    def resume(self) -> None:
        """End a pause."""
        if self.paused:
            self.paused = False
            self._remember()

    def _remember(self) -> None:
        """Keep what a session needs to go on after a power loss."""
        if self.session is not None and self._settings.resume_after_power_loss:
            pause = (self.paused_by, self.pause_reason) if self.paused else None
            remember(self._storage, self.session, self._cable_a, pause)

    def end(self, reason: str, detail: str, now: int, id_token: "Token | None" = None) -> bool:
        """Begin to end the session; False if there is none that could. It is over once the contactor is open."""
        session = self.session
        if session is None or session.ending is not None:
            return False
        session.ending = {"reason": reason, "detail": clip(detail)}
        if id_token is not None:
            session.ending["id_token"] = id_token
        session.open_by = now + OPEN_WITHIN_MS
        return True

    def _finish(self, session: Session, now: int) -> None:
        self._measuring.read_meter(now)
        self.unwritten = {
            "session_id": session.session_id,
            "start_energy_wh": session.start_energy_wh,
            "energy_wh": self._measuring.register.energy_wh,
        }
        self.unwritten.update(session.ending or {})
        self.session = None
        self.paused = False
        self.finished = self.plugged
        self._retry_at = now

    def _write_end(self, now: int) -> None:
        """Journal an end. One that a power loss has caused waits for the meter's first reading."""
        fields = self.unwritten or {}
        if fields["energy_wh"] is None:
            if self._measuring.register.energy_wh is None:
                return
            fields["energy_wh"] = self._measuring.register.energy_wh
        if self._events.record(EVENT_SESSION_ENDED, now, fields):
            self.unwritten = None
        else:
            self._retry_at = now + RETRY_MS

    def measured(self, offered_a: float, now: int) -> None:
        """Take a new reading: enforce the energy cap and notice a car that draws nothing."""
        session = self.session
        energy_wh = self._measuring.register.energy_wh
        if session is None or energy_wh is None or session.ending is not None:
            return
        if energy_wh != session.seen_wh or not offered_a:
            # While the charger offers nothing, it is not the car that is idle.
            session.seen_wh = energy_wh
            session.drew_at = now
        if session.end_energy_wh is not None and energy_wh >= session.end_energy_wh:
            self.end(STOP_ENERGY_CAP, "the energy that was agreed has been delivered", now)
        elif self._settings.idle_end_s and now - session.drew_at >= self._settings.idle_end_s * 1000:
            self.end(STOP_IDLE, "the car has drawn nothing for %d s" % self._settings.idle_end_s, now)

    def near_cap(self) -> bool:
        """Whether the energy cap could be reached within a second or two."""
        session = self.session
        energy_wh = self._measuring.register.energy_wh
        if session is None or session.end_energy_wh is None or energy_wh is None:
            return False
        return session.end_energy_wh - energy_wh <= NEAR_CAP_WH

    def cap_in_ms(self, power_w: float) -> int | None:
        """Milliseconds in which the energy cap would be reached at this power; None when there is none in sight.

        Below 1 W none is: no float might hold the time.
        """
        session = self.session
        energy_wh = self._measuring.register.energy_wh
        if session is None or session.end_energy_wh is None or energy_wh is None or not power_w >= 1:
            return None
        return int((session.end_energy_wh - energy_wh - 1) * 3_600_000 / power_w)

    def sample(self, status: str, now: int) -> None:
        """Journal a sample when it is due, or when the status has become another."""
        session = self.session
        energy_wh = self._measuring.register.energy_wh
        if (
            session is None
            or energy_wh is None
            or session.ending is not None
            or session.resumption is not None
            or now < self._sample_due(session, status)
        ):
            return
        fields = {"session_id": session.session_id, "energy_wh": energy_wh, "status": status}
        # Without room for samples nothing is lost that the end does not tell.
        self._events.record(EVENT_SESSION_SAMPLED, now, fields)
        session.sampled_at = now
        session.sampled_status = status

    def _sample_due(self, session: Session, status: str) -> int:
        interval = self._settings.sample_interval_s * 1000
        if status != session.sampled_status:
            interval = min(interval, STATUS_SAMPLE_MS)
        return session.sampled_at + interval

    def next_ms(self, status: str) -> int | None:
        """Ticks at which the next :meth:`step` or :meth:`sample` has something to do by itself."""
        times = []
        if self.awaited is not None:
            times.append(self.awaited.ends)
        if self.unwritten is not None:
            times.append(max(self._retry_at, self.now + 1000))
        session = self.session
        if session is not None:
            if session.ending is not None:
                times.append(session.open_by)
            elif session.resumption is not None:
                times.append(self.now + 1000)
            else:
                times.append(self._sample_due(session, status))
                if session.ends is not None:
                    times.append(session.ends)
                if session.delayed_until > self.now:
                    times.append(session.delayed_until)
        return min(times) if times else None
