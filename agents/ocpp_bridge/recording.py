"""Sessions of the bus as transactions of backends: from events, and from what the ledger has where none came."""

from collections.abc import Awaitable, Callable, Mapping

from sqlalchemy.orm import Session as Database

from agents.ocpp_bridge import memory, outbox
from agents.ocpp_bridge.catching_up import LedgerSilent, Sessions
from agents.ocpp_bridge.shared import Shared
from agents.ocpp_bridge.v16 import transactions
from agents.ocpp_bridge.v16.charge_point import ChargePoint
from agents.ocpp_bridge.v16.id_tags import id_tag_of
from agents.runtime.agent import Received
from bus_schema.event import (
    CardPresented,
    Event,
    SecurityEvent,
    SessionEnded,
    SessionRecord,
    SessionSampled,
    SessionStarted,
)

CARD_FRESH_MS = 30_000
"""A card that was presented longer ago is not acted upon. ms."""

CATCH_UP_MS = 300_000
"""How far back from the last time: a session may be journalled for a while before the ledger hears of it. ms."""

CATCH_UP_AFTER_START_MS = 86_400_000
"""The same when the bridge has been started. ms."""

_FIRST_START, _CAUGHT_UP = "first_start_ms", "caught_up_ms"


def note_first_start(db: Database, now_ms: int) -> None:
    """Note when the bridge was there for the first time."""
    if _FIRST_START not in memory.settings(db, "", memory.OWN):
        for name in (_FIRST_START, _CAUGHT_UP):
            memory.set_setting(db, "", memory.OWN, name, str(now_ms))


class Recording:
    """Queues what backends must get, then does what follows."""

    def __init__(
        self,
        charge_points: Mapping[str, ChargePoint],
        charge_point_of: Callable[[str], Awaitable[ChargePoint | None]],
        shared: Shared,
        sessions: Sessions,
    ) -> None:
        """``charge_point_of`` makes the charge point of a charger; ``sessions`` asks the ledger."""
        self._charge_points = charge_points
        self._charge_point_of = charge_point_of
        self._shared = shared
        self._sessions = sessions
        self._caught_up = False
        """Whether the ledger has been asked for all that this process has not heard."""

    async def events(self, batch: list[Received[Event]]) -> None:
        """Queue what a batch of events leads to, in one transaction; then let it go out."""
        points: dict[str, ChargePoint] = {}
        for received in batch:
            charge_point = await self._charge_point_of(received.charger)
            if charge_point is not None:
                points[received.charger] = charge_point
        mine = [received for received in batch if received.charger in points]
        await self._shared.store.run(lambda db: _record(db, mine, points))
        for charge_point in points.values():
            for lane in outbox.LANES:
                charge_point.queued(lane)
        for received in mine:
            await self._follow(points[received.charger], received)

    async def _follow(self, charge_point: ChargePoint, received: Received[Event]) -> None:
        """Do what follows an event, after it is committed."""
        event, shared = received.message, self._shared
        if isinstance(event, SessionStarted):
            primary = charge_point.primary
            if primary is not None:
                await self._began(charge_point, primary.backend.name, event.session_id)
        elif isinstance(event, SessionEnded):
            await charge_point.session_ended(event.session_id)
        elif isinstance(event, CardPresented):
            fresh = event.ts is not None and abs(shared.clock.now_ms() - event.ts) <= CARD_FRESH_MS
            if fresh:
                tag = id_tag_of(event.id_token, shared.settings.free_id_tag)
                shared.tasks.start(charge_point.stopping.card_presented(tag), "card")

    async def _began(self, charge_point: ChargePoint, backend: str, session_id: str) -> None:
        row = await self._shared.store.run(lambda db: outbox.transaction(db, charge_point.name, backend, session_id))
        if row is not None and row.ended_ms is None:
            await charge_point.session_began(row)

    async def repair(self, record: SessionRecord, now_ms: int) -> None:
        """Make up for what never came: a session that the ledger has and the outbox has not."""
        charge_point = await self._charge_point_of(record.charger)
        if charge_point is None:
            return
        recorder = charge_point.recorder()
        if not await self._shared.store.run(lambda db: transactions.repaired(db, recorder, record, now_ms)):
            return
        charge_point.log.warning("session_repaired_from_ledger", session=record.session_id, active=record.active)
        primary = charge_point.primary
        if not record.active:
            await charge_point.session_ended(record.session_id)
        elif primary is not None:
            await self._began(charge_point, primary.backend.name, record.session_id)
        charge_point.queued()

    async def catch_up(self) -> None:
        """Ask the ledger for what the bus may not have brought: see :mod:`agents.ocpp_bridge.catching_up`."""
        shared = self._shared
        now_ms = shared.clock.now_ms()
        kept = await shared.store.run(lambda db: memory.settings(db, "", memory.OWN))
        reach_ms = CATCH_UP_MS if self._caught_up else CATCH_UP_AFTER_START_MS
        try:
            # What began before the bridge was there for the first time is none of its backends' business.
            async for record in self._sessions.since(max(int(kept[_FIRST_START]), int(kept[_CAUGHT_UP]) - reach_ms)):
                await self.repair(record, now_ms)
            for charger, session_id in await shared.store.run(outbox.unended):
                state = None if charger not in self._charge_points else self._charge_points[charger].state
                if state is None or state.session is None or state.session.session_id != session_id:
                    found = await self._sessions.one(charger, session_id)
                    if found is not None and not found.active:
                        await self.repair(found, now_ms)
        except LedgerSilent:
            shared.log.info("ledger_silent")
            return
        self._caught_up = True
        await shared.store.run(lambda db: memory.set_setting(db, "", memory.OWN, _CAUGHT_UP, str(now_ms)))


def _record(db: Database, batch: list[Received[Event]], points: Mapping[str, ChargePoint]) -> None:
    for received in batch:
        event, charge_point = received.message, points[received.charger]
        recorder, now_ms = charge_point.recorder(), received.received_ms
        match event:
            case SessionStarted():
                transactions.started(db, recorder, event, now_ms)
            case SessionSampled():
                transactions.sampled(db, recorder, event, now_ms)
            case SessionEnded():
                if not transactions.ended(db, recorder, event, now_ms):
                    charge_point.log.warning("end_without_start", session=event.session_id)
            case SecurityEvent():
                charge_point.security.record(db, event, now_ms)
        db.flush()
