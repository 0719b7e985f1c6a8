"""Which word of OCPP 1.6 describes the charger now."""

from .contract import (
    CP_C,
    STATUS_AVAILABLE,
    STATUS_CHARGING,
    STATUS_FAULTED,
    STATUS_FINISHING,
    STATUS_PREPARING,
    STATUS_RESERVED,
    STATUS_SUSPENDED_EV,
    STATUS_SUSPENDED_EVSE,
    STATUS_UNAVAILABLE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .faults import Faults
    from .seam import Snapshot
    from .service import Service
    from .sessions import Sessions

CLOSES_WITHIN_MS = 6000
"""3 s is what IEC 61851-1 allows (sequence 4); a re-close delay of 5 s may come before."""


def idle_status(fault: bool, available: bool, reserved: bool, awaited: bool, plugged: bool, finished: bool) -> str:
    """Return the status without a session.

    ``awaited``: somebody is authorised and the car has not come. ``finished``: the car that is plugged in has had its
    session. A car plugged in by somebody for whom the charger is not reserved does not end the reservation.
    """
    if fault:
        return STATUS_FAULTED
    if not available:
        return STATUS_UNAVAILABLE
    if plugged and finished:
        return STATUS_FINISHING
    if awaited:
        return STATUS_PREPARING
    if reserved:
        return STATUS_RESERVED
    return STATUS_PREPARING if plugged else STATUS_AVAILABLE


def session_status(fault: bool, offered: bool, cp_state: str, contactor_closed: bool) -> str:
    """Return the status during a session. SuspendedEVSE outranks SuspendedEV.

    A car that asks while the contactor is still open is not suspended by itself: the charger owes it the energy.
    """
    if fault:
        return STATUS_FAULTED
    if not offered:
        return STATUS_SUSPENDED_EVSE
    if cp_state != CP_C:
        return STATUS_SUSPENDED_EV
    return STATUS_CHARGING if contactor_closed else STATUS_SUSPENDED_EVSE


class Statuses:
    """The status now, without the moment in which the contactor is on its way.

    A car that asks is answered within :data:`CLOSES_WITHIN_MS`; until then it is still what it was before.
    """

    def __init__(self) -> None:
        self._asking_since: int | None = None
        self._last = STATUS_SUSPENDED_EV
        self.next_ms: int | None = None
        """Ticks at which the status changes by itself."""

    def of(
        self, sessions: "Sessions", faults: "Faults", service: "Service", offered: bool, snap: "Snapshot", now: int
    ) -> str:
        """Return the status now; ``offered``: the pilot was told to offer current."""
        self.next_ms = None
        session = sessions.session
        if session is None:
            return idle_status(
                faults.forbid_start is not None,
                service.available,
                service.reservation is not None,
                sessions.awaited is not None,
                sessions.plugged,
                sessions.finished,
            )
        if session.ending is not None:
            return STATUS_FINISHING
        return self._of_session(faults.forbid_energy is not None, offered, snap, now)

    def _of_session(self, fault: bool, offered: bool, snap: "Snapshot", now: int) -> str:
        status = session_status(fault, offered, snap.cp_state, snap.contactor_closed)
        if offered and not fault and snap.cp_state == CP_C and not snap.contactor_closed:
            if self._asking_since is None:
                self._asking_since = now
            if now - self._asking_since < CLOSES_WITHIN_MS:
                self.next_ms = self._asking_since + CLOSES_WITHIN_MS
                return self._last
        else:
            self._asking_since = None
        self._last = STATUS_SUSPENDED_EVSE if status == STATUS_SUSPENDED_EVSE else STATUS_SUSPENDED_EV
        return status
