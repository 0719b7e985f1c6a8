"""Going on with a session that a power loss has interrupted (setting ``resume_after_power_loss``, off by default).

The session has no end in the journal, so it is still the one that is going on. It is shown as such from the first state
after the boot, but no energy flows before it is certain, as far as it can be, that the same car is still there: the
charger knows the time, the newest event of the session is at most an hour old, a car is plugged in and has been ever
since the boot, by a cable of the same rating. Otherwise the session ends as PowerLoss. What cannot be told is whether
one car was exchanged for another while the charger had no power: hence the hour, and the setting.

What the journal does not tell of the session, its caps, its group and whether it was paused, stands in a file that is
written at its start and with every pause.
"""

from .contract import CP_A
from .records import keep, kept
from .session import Awaited, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .seam import Snapshot, Storage

    Event = dict[str, Any]
    Pause = tuple[str, str] | None

FILE = "session"

WITHIN_MS = 3_600_000
"""Oldest that the newest event of the session may be: the outage was then no longer. ms."""

AHEAD_MS = 60_000
"""A clock that is so much behind that event is not the same clock. ms."""

WAIT_MS = 600_000
"""Longest wait, from the boot on, for the time, the meter and the car. ms."""


class Resumption:
    """What is known of the time before the outage."""

    def __init__(self, newest_ts: int, cable_a: float, give_up: int) -> None:
        self._newest_ts = newest_ts
        self._cable_a = cable_a
        self.give_up = give_up
        """Ticks at which the session ends unless it goes on."""

    def hindrance(self, snap: "Snapshot", ready: bool, utc: int | None, now: int) -> str | None:
        """Return why the session must end, ``""`` if it may go on, None if that is not certain yet.

        ``ready``: a car is plugged in and the meter has been read.
        """
        if snap.cp_state == CP_A:
            return "the car had gone when the power came back"
        if now >= self.give_up:
            return "after the power loss the time, the meter or the car was not known for 10 min"
        if not ready or utc is None:
            return None
        if utc - self._newest_ts > WITHIN_MS:
            return "the power was away for too long"
        if utc < self._newest_ts - AHEAD_MS:
            return "the clock is not the one from before the power loss"
        if self._cable_a and snap.cable_a != self._cable_a:
            return "another cable is plugged in than before the power loss"
        return ""


def remember(storage: "Storage", session: Session, cable_a: float, pause: "Pause") -> None:
    """Keep what the journal does not tell of a session."""
    try:
        keep(storage, FILE, (session.session_id, session.parent, session.caps, cable_a, pause))
    except OSError:
        # After a power loss the session then ends, or, where only its pause was not kept, goes on without it.
        return


def interrupted(storage: "Storage", started: "Event", newest_ts: int, now: int) -> "tuple[Session, Pause] | None":
    """Return the session that was open at the outage and its pause; None if too little is known to go on with it."""
    try:
        found = kept(storage, FILE, None)
    except OSError:
        return None
    if found is None or found[0] != started["session_id"]:
        return None
    session_id, parent, caps, cable_a, pause = found
    if caps.get("duration_min") is not None and started["ts"] is None:
        return None
    awaited = Awaited(started["id_token"], started["authorized_by"], caps, 0, parent)
    session = Session(session_id, awaited, started["energy_wh"], started["ts"], now)
    # Until the time is known nobody knows when it ends; nothing flows until then.
    session.ends = None
    session.resumption = Resumption(newest_ts, cable_a, now + WAIT_MS)
    return session, pause


def go_on(session: Session, energy_wh: int, utc: int, now: int) -> None:
    """Let the session go on from here."""
    session.resumption = None
    session.drew_at = session.delayed_until = now
    session.seen_wh = energy_wh
    cap_min = session.caps.get("duration_min")
    if cap_min is not None and session.ts is not None:
        session.ends = now + max(0, session.ts + cap_min * 60_000 - utc)
