"""Which StatusNotification tells what a charger is now (OCPP 1.6, 4.9)."""

from dataclasses import dataclass

from ocpp.v16 import call

from agents.runtime.ocpp import format_time
from bus_schema.charger_messages import ActiveFault, State
from bus_schema.words import OCPP_ERROR_CODE, ChargerStatus, Fault

VENDOR_ID = "chargebus"
MAX_INFO = 50
"""Longest ``info`` and ``vendorErrorCode`` (6.47)."""

CHARGE_POINT, CONNECTOR = 0, 1
"""The connector ids that a charger has: 0 is the charge point itself."""


@dataclass(frozen=True, slots=True)
class Status:
    """What is told about a connector; equal ones need not be told again."""

    connector_id: int
    status: str
    error_code: str = "NoError"
    info: str | None = None
    vendor_error_code: str | None = None


_MOST_SERIOUS = tuple(Fault)
"""The contract lists faults by what they are about: pilot and earth before meter and reader."""


def statuses(state: State | None, absent: bool) -> tuple[Status, Status]:
    """Return the status of the charge point and of its connector.

    ``absent``: the charger has not been on the bus for too long. What it does then nobody knows, but a session that
    was going on is not reported as over.
    """
    if state is None or absent:
        if state is not None and state.session is not None:
            known = _connector(state)
            return Status(CHARGE_POINT, "Unavailable", info="not on the bus"), known
        return (
            Status(CHARGE_POINT, "Unavailable", info="not on the bus"),
            Status(CONNECTOR, "Unavailable", info="not on the bus"),
        )
    return _charge_point(state), _connector(state)


def _charge_point(state: State) -> Status:
    """Connector 0 knows only Available, Unavailable and Faulted (4.9)."""
    if not state.available:
        return Status(CHARGE_POINT, "Unavailable")
    if state.status is ChargerStatus.FAULTED and state.faults:
        return Status(CHARGE_POINT, "Faulted", *_fault(state.faults))
    return Status(CHARGE_POINT, "Available")


def _connector(state: State) -> Status:
    if state.faults:
        # A fault that forbids nothing (a silent meter) is told beside the status.
        return Status(CONNECTOR, state.status.value, *_fault(state.faults))
    return Status(CONNECTOR, state.status.value, info=_info(state))


def _fault(faults: list[ActiveFault]) -> tuple[str, str | None, str]:
    worst = min(faults, key=lambda active: _MOST_SERIOUS.index(active.fault))
    return OCPP_ERROR_CODE[worst.fault], worst.detail[:MAX_INFO] or None, worst.fault.value[:MAX_INFO]


def _info(state: State) -> str | None:
    """Why the charger withholds energy, for whoever looks at the backend (invariant 8)."""
    if state.status is not ChargerStatus.SUSPENDED_EVSE or not state.limit_reason:
        return None
    return state.limit_reason[:MAX_INFO]


def notification(status: Status, at_ms: int) -> call.StatusNotification:
    """Return the message."""
    return call.StatusNotification(
        connector_id=status.connector_id,
        error_code=status.error_code,
        status=status.status,
        timestamp=format_time(at_ms),
        info=status.info,
        vendor_id=VENDOR_ID if status.vendor_error_code is not None else None,
        vendor_error_code=status.vendor_error_code,
    )


@dataclass(slots=True)
class Steady:
    """Lets a status through once it has stood for MinimumStatusDuration (9.1.18)."""

    told: Status | None = None
    """What was let through last."""
    wanted: Status | None = None
    since_ms: int = 0

    def take(self, status: Status, now_ms: int) -> None:
        """See a status."""
        if status != self.wanted:
            self.wanted, self.since_ms = status, now_ms

    def due(self, minimum_s: int, now_ms: int) -> Status | None:
        """Return the status to tell now, or None."""
        wanted = self.wanted
        if wanted is None or wanted == self.told:
            return None
        # The first one after a boot, and a fault, are told at once.
        at_once = self.told is None or wanted.status == "Faulted"
        return wanted if at_once or now_ms - self.since_ms >= minimum_s * 1000 else None
