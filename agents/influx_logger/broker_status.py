"""What Mosquitto publishes about itself below ``$SYS``, as one message of the contract. Pure."""

from collections.abc import Mapping

from bus_schema.site_messages import Alarm, BrokerStatus
from bus_schema.words import Severity

FILTER = "$SYS/broker/#"
"""What to subscribe to. A broker without ``$SYS`` publishes nothing there, and nothing is told."""

FIELDS: Mapping[str, str] = {
    "clients/connected": "clients_connected",
    "clients/total": "clients_total",
    "subscriptions/count": "subscriptions",
    "publish/messages/received": "messages_received",
    "publish/messages/sent": "messages_sent",
    "publish/messages/dropped": "messages_dropped",
    "store/messages/count": "messages_stored",
    "store/messages/bytes": "stored_bytes",
    "heap/current": "heap_bytes",
    "heap/maximum": "heap_max_bytes",
}
"""Mosquitto's names and ours."""

DROPPING = "broker-dropping"
"""Name of the alarm."""

STANDS_MS = 600_000
"""How long it stands after the last loss. ms."""

_PREFIX = "$SYS/broker/"


class BrokerWatch:
    """Puts together what comes one topic at a time."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._values: dict[str, int] = {}
        self._dropped: int | None = None
        self._last_loss_ms: int | None = None
        self._lost = 0
        self._is_news = False

    def hear(self, topic: str, payload: bytes) -> None:
        """Take a message below ``$SYS``; what is no count is passed over."""
        field = FIELDS.get(topic.removeprefix(_PREFIX))
        if field is not None and payload.isdigit() and len(payload) <= 15:
            self._values[field] = int(payload)
            self._is_news = True

    def status(self, now_ms: int) -> BrokerStatus | None:
        """Return what the broker has said, None if nothing has come since it was asked last."""
        if not self._is_news:
            return None
        self._is_news = False
        dropped = self._values.get("messages_dropped")
        if dropped is not None:
            if self._dropped is not None and dropped > self._dropped:
                self._lost += dropped - self._dropped
                self._last_loss_ms = now_ms
            # Less than before: the broker has restarted and counts anew.
            self._dropped = dropped
        return BrokerStatus(ts=now_ms, **self._values)

    def alarm(self, now_ms: int, since_ms: int) -> Alarm | None:
        """Return the alarm about messages that the broker has dropped, None when there were none lately."""
        if self._last_loss_ms is None or now_ms - self._last_loss_ms >= STANDS_MS:
            self._lost = 0
            return None
        return Alarm(
            ts=now_ms,
            severity=Severity.CRITICAL,
            source="influx_logger",
            since_ts=since_ms,
            text=f"The broker has dropped {self._lost} messages: a client's queue was full.",
            remedy="Find the client that is too slow or away ('chargebus doctor' and the page 'Agents and broker'), or "
            "raise max_queued_messages in mosquitto.conf. The alarm ends by itself ten minutes after the last loss.",
        )
