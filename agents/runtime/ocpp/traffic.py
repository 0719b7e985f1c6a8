"""What is said over OCPP, counted: on one connection, or on all connections to one backend together."""

from collections import deque
from dataclasses import dataclass, field

from bus_schema.site_messages import OcppTraffic

REMEMBERED_ROUND_TRIPS = 10_000
"""Most round trips that are remembered between two reports; the latest count."""


@dataclass(slots=True)
class Traffic:
    """Counters since this was made. One may be handed to many dispatchers, which then count together."""

    calls_sent: int = 0
    calls_received: int = 0
    errors_sent: int = 0
    """CALLERRORs of ours: refusals, and handlers that failed."""
    errors_received: int = 0
    """CALLERRORs of the peer."""
    malformed: int = 0
    """Messages that could not be read."""
    timeouts: int = 0
    late: int = 0
    """Answers that came after their time."""
    unmatched: int = 0
    """Answers to nothing that was asked."""
    duplicates: int = 0
    """Calls whose message id had been used."""
    failures: int = 0
    """Handlers that failed."""
    round_trips_ms: "deque[float]" = field(default_factory=lambda: deque(maxlen=REMEMBERED_ROUND_TRIPS))
    """From sending each CALL to its answer, since the last report."""

    def report(
        self,
        now_ms: int,
        *,
        charge_points: int,
        connected: int,
        outbox_messages: int | None = None,
        outbox_oldest_s: int | None = None,
    ) -> OcppTraffic:
        """Return what is published of it, and begin a new interval of round trips."""
        took_ms = sorted(self.round_trips_ms)
        self.round_trips_ms.clear()
        return OcppTraffic(
            ts=now_ms,
            charge_points=charge_points,
            connected=connected,
            calls_sent=self.calls_sent,
            calls_received=self.calls_received,
            call_errors_sent=self.errors_sent,
            call_errors_received=self.errors_received,
            timeouts=self.timeouts,
            outbox_messages=outbox_messages,
            outbox_oldest_s=outbox_oldest_s,
            round_trip_p50_ms=_percentile(took_ms, 0.50),
            round_trip_p99_ms=_percentile(took_ms, 0.99),
        )


def _percentile(ordered: list[float], share: float) -> float | None:
    """Return the value that ``share`` of ``ordered`` do not exceed (nearest rank), to the microsecond."""
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)
