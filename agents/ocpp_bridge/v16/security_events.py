"""SecurityEventNotification: queued like transaction messages, told to the primary (whitepaper, 5.13)."""

from typing import TYPE_CHECKING

from ocpp.v16 import call
from sqlalchemy.orm import Session as Database

from agents.ocpp_bridge import memory, outbox
from agents.ocpp_bridge.outbox import SECURITY
from agents.runtime.ocpp import format_time
from agents.runtime.ocpp.v16 import V16
from bus_schema.event import SecurityEvent

if TYPE_CHECKING:
    from agents.ocpp_bridge.v16.charge_point import ChargePoint

SEEN = "security"
"""Kind of setting: the newest event that was taken, by boot."""


class SecurityEvents:
    """The security events of one charge point."""

    def __init__(self, charge_point: "ChargePoint") -> None:
        """Belong to ``charge_point``."""
        self._charge_point = charge_point

    def record(self, db: Database, event: SecurityEvent, received_ms: int) -> None:
        """Queue an event of the charger; one that comes again adds nothing."""
        name = self._charge_point.name
        seen = memory.settings(db, name, SEEN)
        last = seen.get(event.boot_id)
        if last is not None and event.seq <= int(last):
            return
        for boot_id in seen.keys() - {event.boot_id, self._charge_point.boot_id}:
            memory.set_setting(db, name, SEEN, boot_id, None)
        memory.set_setting(db, name, SEEN, event.boot_id, str(event.seq))
        self._queue(db, event.kind, event.detail, received_ms if event.ts is None else event.ts)

    async def notice(self, kind: str, detail: str) -> None:
        """Tell the primary of something that the bridge itself has noticed."""
        at_ms = self._charge_point.clock.now_ms()
        await self._charge_point.store.run(lambda db: self._queue(db, kind, detail, at_ms))
        self._charge_point.queued(SECURITY)

    def _queue(self, db: Database, kind: str, detail: str, at_ms: int) -> None:
        primary = self._charge_point.primary
        if primary is None:
            return
        request = call.SecurityEventNotification(kind[:50], format_time(at_ms), detail[:255] or None)
        name = self._charge_point.name
        action = "SecurityEventNotification"
        outbox.append(db, name, primary.backend.name, action, V16.encode(request), at_ms, lane=SECURITY)
