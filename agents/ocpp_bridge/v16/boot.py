"""BootNotification and what it allows (OCPP 1.6, 4.2): a pure state and its transitions."""

from dataclasses import dataclass
from enum import Enum

OWN_RETRY_S = 60
"""Distance of BootNotifications when the backend leaves it to us (interval 0) or does not answer. s."""

OWN_HEARTBEAT_S = 300
"""Distance of heartbeats when the backend leaves it to us. s."""

REMOTE_START_STOP = frozenset({"RemoteStartTransaction", "RemoteStopTransaction"})


class Answering(Enum):
    """What to do with a call of the backend."""

    ANSWER = "answer"
    REFUSE = "refuse"
    """Pending: a remote start or stop is refused (4.2.1)."""
    SILENT = "silent"
    """Rejected: no call is answered (4.2.1)."""


@dataclass(frozen=True, slots=True)
class Registration:
    """How far a charge point is with its registration."""

    status: str = ""
    """``Accepted``, ``Pending``, ``Rejected``, or empty before the first answer."""
    next_ms: int = 0
    """When to send the next BootNotification, unless accepted."""
    heartbeat_s: int = OWN_HEARTBEAT_S

    @property
    def accepted(self) -> bool:
        """Whether anything but BootNotification may be sent."""
        return self.status == "Accepted"

    def answering(self, action: str) -> Answering:
        """Return what to do with a call of the backend."""
        if self.status == "Rejected":
            return Answering.SILENT
        if not self.accepted and action in REMOTE_START_STOP:
            return Answering.REFUSE
        return Answering.ANSWER


def answered(status: str, interval_s: int, now_ms: int) -> Registration:
    """Return the registration after BootNotification.conf; for Accepted its interval is that of heartbeats."""
    wait_s = interval_s if interval_s > 0 else OWN_RETRY_S
    if status == "Accepted":
        return Registration(status, heartbeat_s=interval_s if interval_s > 0 else OWN_HEARTBEAT_S)
    return Registration(status, now_ms + wait_s * 1000)


def unanswered(before: Registration, now_ms: int) -> Registration:
    """Return the registration after a BootNotification that got no answer, or an error."""
    return Registration(before.status, now_ms + OWN_RETRY_S * 1000)
