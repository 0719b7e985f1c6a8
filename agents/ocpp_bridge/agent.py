"""The OCPP bridge as an agent: what it hears on the bus, and what it keeps before it acknowledges that."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy.orm import Session as Database

from agents.ocpp_bridge import alarms, memory, outbox
from agents.ocpp_bridge.catching_up import LEDGER, LedgerSilent, Sessions
from agents.ocpp_bridge.connecting import Connector
from agents.ocpp_bridge.fetching import Fetcher, HttpFetcher
from agents.ocpp_bridge.link import Link
from agents.ocpp_bridge.settings import OcppBridgeSettings
from agents.ocpp_bridge.shared import Shared
from agents.ocpp_bridge.v16 import transactions
from agents.ocpp_bridge.v16.charge_point import ChargePoint
from agents.ocpp_bridge.v16.id_tags import id_tag_of, verdict
from agents.ocpp_bridge.v16.measurands import Measured
from agents.ocpp_bridge.waiting import Pace, Tasks
from agents.ocpp_bridge.websocket_connector import WebSocketConnector
from agents.runtime.agent import Agent, BusUnavailable, Context, Gauge, Received, every, on
from agents.runtime.commands import CommandSender
from agents.runtime.ocpp import Traffic
from bus_schema.charger_messages import Meta, Online, State, Telemetry
from bus_schema.command import CommandReply
from bus_schema.event import (
    CardPresented,
    Event,
    SecurityEvent,
    SessionEnded,
    SessionRecord,
    SessionSampled,
    SessionStarted,
)
from bus_schema.site_messages import AccessReply, AccessRequest, Alarm, OcppTraffic, QueryAnswer
from bus_schema.topics import (
    ACCESS_REPLY,
    ACCESS_REQUEST,
    AGENT_ANSWER,
    AGENT_OCPP,
    ALARM,
    CHARGER_COMMAND_REPLY,
    CHARGER_EVENT,
    CHARGER_META,
    CHARGER_ONLINE,
    CHARGER_STATE,
    CHARGER_TELEMETRY,
    SESSION,
)

KEEP_TRANSACTIONS_MS = 90 * 86_400_000
"""How long transactions are kept, so that an event or record that comes again is known. ms."""

CARD_FRESH_MS = 30_000
"""A card that was presented longer ago is not acted upon. ms."""

CATCH_UP_EVERY_S = 60
"""How often the ledger is asked for what the bus may not have brought. s."""

CATCH_UP_MS = 300_000
"""How far back from the last time: a session may be journalled for a while before the ledger hears of it. ms."""

CATCH_UP_AFTER_START_MS = 86_400_000
"""The same when the bridge has been started. ms."""

_FIRST_START, _CAUGHT_UP = "first_start_ms", "caught_up_ms"

REPORT_EVERY_S = 10
"""How often it is said what was exchanged with backends. s."""

ANSWER_BEFORE_S = 0.5
"""How long before its deadline a question about a card is answered by the offline rules. s."""


class OcppBridge(Agent[OcppBridgeSettings]):
    """Every charger on the bus as a complete OCPP charge point of one or more backends.

    Session events are committed to the outbox before they are acknowledged; an event that comes again adds nothing.
    """

    name = "ocpp_bridge"
    settings_type = OcppBridgeSettings
    migrations = "agents.ocpp_bridge.migrations"

    def __init__(
        self,
        context: Context[OcppBridgeSettings],
        connector: Connector | None = None,
        fetcher: Fetcher | None = None,
    ) -> None:
        """Keep what the agent was given; a test hands in its own ways out."""
        super().__init__(context)
        self._commands = CommandSender(self.bus, self.clock, self.name, random=self.random)
        self._limits = CommandSender(self.bus, self.clock, "ocpp", random=self.random)
        self._tasks = Tasks(self.log)
        self._shared = Shared(
            settings=self.settings,
            bus=self.bus,
            clock=self.clock,
            store=self.store,
            random=self.random,
            log=self.log,
            commands=self._commands,
            limits=self._limits,
            pace=Pace(self.clock, self.settings.drain_per_s),
            tasks=self._tasks,
            connector=WebSocketConnector() if connector is None else connector,
            fetcher=HttpFetcher() if fetcher is None else fetcher,
            traffic={backend.name: Traffic() for backend in self.settings.backends},
        )
        self._charge_points: dict[str, ChargePoint] = {}
        self._making = asyncio.Lock()
        self._alarms: dict[str, Alarm] = {}
        self._sessions = Sessions(self.bus, self.clock, self.random, self.log, self.name)
        self._caught_up = False
        """Whether the ledger has been asked for all that this process has not heard."""
        self._reported: dict[str, OcppTraffic] = {}
        """What was published last of each backend."""

    async def start(self) -> None:
        """Bring those back that have something to say, also if their chargers are silent."""
        now_ms = self.clock.now_ms()
        await self.store.run(lambda db: _first_start(db, now_ms))
        waiting = await self.store.run(outbox.depth)
        for charger in sorted({charger for charger, _ in waiting}):
            await self._charge_point(charger)

    async def stop(self) -> None:
        """Close every connection."""
        await self._tasks.cancel()

    def kill(self) -> None:
        """End at once: for tests."""
        self._tasks.kill()

    def problems(self) -> list[str]:
        """Say which backends cannot be reached, and why."""
        found: dict[str, list[str]] = defaultdict(list)
        for charge_point in self._charge_points.values():
            for session, link in zip(charge_point.sessions, charge_point.links, strict=True):
                if link.problem is not None:
                    found[session.backend.name].append(f"{charge_point.name}: {link.problem}")
        return [
            f"backend {name}: {problems[0]}" + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else "")
            for name, problems in found.items()
        ][:5]

    async def _charge_point(self, charger: str) -> ChargePoint | None:
        known = self._charge_points.get(charger)
        if known is not None:
            return known
        backends = [each for each in self.settings.backends if each.chargers == "all" or charger in each.chargers]
        if not backends:
            return None
        async with self._making:
            known = self._charge_points.get(charger)
            if known is None:
                known = ChargePoint(charger, backends, self._shared)
                await self.store.run(known.load)
                self._charge_points[charger] = known
        return known

    # What chargers say about themselves

    @on(CHARGER_ONLINE)
    async def online(self, received: Received[Online]) -> None:
        """See who is there."""
        charge_point = await self._charge_point(received.charger)
        if charge_point is not None:
            charge_point.on_online(received.message)

    @on(CHARGER_META)
    async def meta(self, received: Received[Meta]) -> None:
        """See what kind of charger it is."""
        charge_point = await self._charge_point(received.charger)
        if charge_point is not None:
            charge_point.on_meta(received.message)

    @on(CHARGER_STATE, qos=0)
    async def state(self, received: Received[State]) -> None:
        """See what it does."""
        charge_point = await self._charge_point(received.charger)
        if charge_point is not None:
            await charge_point.on_state(received.message, retained=received.retained)

    @on(CHARGER_TELEMETRY)
    async def telemetry(self, received: Received[Telemetry]) -> None:
        """See what it measures."""
        charge_point = self._charge_points.get(received.charger)
        if charge_point is not None:
            charge_point.metering.on_telemetry(received.message)

    @on(CHARGER_COMMAND_REPLY)
    async def replied(self, received: Received[CommandReply]) -> None:
        """Take a charger's answer."""
        self._commands.on_reply(received)
        self._limits.on_reply(received)

    # Sessions

    @on(CHARGER_EVENT, batch=200)
    async def events(self, batch: list[Received[Event]]) -> None:
        """Queue what backends must get, then let it go out."""
        points: dict[str, ChargePoint] = {}
        for received in batch:
            charge_point = await self._charge_point(received.charger)
            if charge_point is not None:
                points[received.charger] = charge_point
        mine = [received for received in batch if received.charger in points]
        await self.store.run(lambda db: self._record(db, mine, points))
        for charge_point in points.values():
            charge_point.queued()
        for received in mine:
            await self._follow(points[received.charger], received)

    def _record(self, db: Database, batch: list[Received[Event]], points: dict[str, ChargePoint]) -> None:
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

    async def _follow(self, charge_point: ChargePoint, received: Received[Event]) -> None:
        """Do what follows an event, after it is committed."""
        event = received.message
        if isinstance(event, SessionStarted):
            primary = charge_point.primary
            if primary is not None:
                await self._began(charge_point, primary.backend.name, event.session_id)
        elif isinstance(event, SessionEnded):
            await charge_point.session_ended(event.session_id)
        elif isinstance(event, CardPresented):
            fresh = event.ts is not None and abs(self.clock.now_ms() - event.ts) <= CARD_FRESH_MS
            if fresh:
                tag = id_tag_of(event.id_token, self.settings.free_id_tag)
                self._tasks.start(charge_point.stopping.card_presented(tag), "card")

    async def _began(self, charge_point: ChargePoint, backend: str, session_id: str) -> None:
        row = await self.store.run(lambda db: outbox.transaction(db, charge_point.name, backend, session_id))
        if row is not None and row.ended_ms is None:
            await charge_point.session_began(row)

    @on(SESSION)
    async def recorded(self, received: Received[SessionRecord]) -> None:
        """Repair what never came: a session that the ledger has and the outbox has not."""
        if not received.message.active:
            await self._repair(received.message, received.received_ms)

    async def _repair(self, record: SessionRecord, now_ms: int) -> None:
        charge_point = await self._charge_point(record.charger)
        if charge_point is None:
            return
        recorder = charge_point.recorder()
        if not await self.store.run(lambda db: transactions.repaired(db, recorder, record, now_ms)):
            return
        charge_point.log.warning("session_repaired_from_ledger", session=record.session_id, active=record.active)
        primary = charge_point.primary
        if not record.active:
            await charge_point.session_ended(record.session_id)
        elif primary is not None:
            await self._began(charge_point, primary.backend.name, record.session_id)
        charge_point.queued()

    @on(AGENT_ANSWER)
    async def answered(self, received: Received[QueryAnswer]) -> None:
        """Take the ledger's answer."""
        if received.address.ids["agent"] == LEDGER:
            self._sessions.answered(received.message)

    @every(CATCH_UP_EVERY_S)
    async def catch_up(self) -> None:
        """Ask the ledger for what the bus may not have brought: see :mod:`agents.ocpp_bridge.catching_up`."""
        if not self.settings.backends:
            return
        now_ms = self.clock.now_ms()
        kept = await self.store.run(lambda db: memory.settings(db, "", memory.OWN))
        reach_ms = CATCH_UP_MS if self._caught_up else CATCH_UP_AFTER_START_MS
        try:
            # What began before the bridge was there for the first time is none of its backends' business.
            async for record in self._sessions.since(max(int(kept[_FIRST_START]), int(kept[_CAUGHT_UP]) - reach_ms)):
                await self._repair(record, now_ms)
            for charger, session_id in await self.store.run(outbox.unended):
                state = None if charger not in self._charge_points else self._charge_points[charger].state
                if state is None or state.session is None or state.session.session_id != session_id:
                    found = await self._sessions.one(charger, session_id)
                    if found is not None and not found.active:
                        await self._repair(found, now_ms)
        except LedgerSilent:
            self.log.info("ledger_silent")
            return
        self._caught_up = True
        await self.store.run(lambda db: memory.set_setting(db, "", memory.OWN, _CAUGHT_UP, str(now_ms)))

    # Access

    @on(ACCESS_REQUEST)
    async def asked(self, received: Received[AccessRequest]) -> None:
        """Answer whether a card may charge, by local list, cache, backend and offline rules."""
        request = received.message
        if request.to != self.name or self.clock.now_ms() > request.deadline_ts:
            return
        charge_point = await self._charge_point(request.charger)
        if charge_point is not None:
            # Beside the lane: the backend may take its time about one card while others are presented.
            self._tasks.start(self._answer(charge_point, request), "access")

    async def _answer(self, charge_point: ChargePoint, request: AccessRequest) -> None:
        tag = id_tag_of(request.id_token, self.settings.free_id_tag)
        within_s = (request.deadline_ts - self.clock.now_ms()) / 1000 - ANSWER_BEFORE_S
        info, by = await charge_point.id_tags.authorize(charge_point.primary, tag, max(within_s, ANSWER_BEFORE_S))
        word, reason = verdict(info, by)
        parent = info.parent_id_tag
        reply = AccessReply(
            ts=self.clock.now_ms(),
            id=request.id,
            charger=request.charger,
            verdict=word,
            reason=reason,
            parent_id_token=None if parent is None else request.id_token.model_copy(update={"value": parent}),
        )
        try:
            await self.bus.publish(ACCESS_REPLY, reply, agent=self.name)
        except BusUnavailable as error:
            self.log.warning("access_not_answered", reason=str(error))

    # Time

    @every(1)
    async def tick(self) -> None:
        """Measure what is due, keep leases alive."""
        durable: list[tuple[ChargePoint, str, Measured, str]] = []
        for charge_point in list(self._charge_points.values()):
            charge_point.tick()
            for session_id, found, context in charge_point.metering.due():
                if session_id is None:
                    self._tasks.start(charge_point.metering.send(found, context), "meter_values")
                else:
                    durable.append((charge_point, session_id, found, context))
        if durable:
            await self.store.run(lambda db: _queue_measured(db, durable))
            for charge_point, *_ in durable:
                charge_point.queued()

    @every(REPORT_EVERY_S)
    async def report(self) -> None:
        """Say what was exchanged with each backend, and what waits for it."""
        now_ms = self.clock.now_ms()
        backlogs = await self.store.run(outbox.backlogs)
        for backend in self.settings.backends:
            links = [link for _, link in self._links_to(backend.name)]
            waiting = backlogs.get(backend.name)
            message = self._shared.traffic[backend.name].report(
                now_ms,
                charge_points=len(links),
                connected=sum(link.connected for link in links),
                outbox_messages=0 if waiting is None else waiting.messages,
                outbox_oldest_s=0 if waiting is None else max(0, now_ms - waiting.oldest_ms) // 1000,
            )
            self._reported[backend.name] = message
            await self.bus.publish(AGENT_OCPP, message, agent=self.name, backend=backend.name)

    def gauges(self) -> Iterable[Gauge]:
        """Tell of each backend's outbox, as it was last reported."""
        for backend, message in list(self._reported.items()):
            labels = {"backend": backend}
            yield Gauge("ocpp_connected", "Charge points with a connection.", labels, message.connected)
            yield Gauge(
                "ocpp_outbox_messages", "Messages that wait for the backend.", labels, message.outbox_messages or 0
            )
            yield Gauge(
                "ocpp_outbox_oldest_seconds", "How long the oldest has waited.", labels, message.outbox_oldest_s or 0
            )

    @every(30)
    async def look(self) -> None:
        """Raise and clear alarms."""
        now_ms = self.clock.now_ms()
        since = {name: alarm.since_ts for name, alarm in self._alarms.items()}
        depths = await self.store.run(outbox.depth)
        standing = await self.store.run(lambda db: alarms.discarded(db, now_ms))
        standing |= alarms.waiting(depths, now_ms, since)
        for backend in self.settings.backends:
            standing |= self._away(backend.name, now_ms)
            standing |= alarms.clock(backend.name, self._clock_ahead_ms(backend.name), now_ms, since)
        for name, alarm in standing.items():
            before = self._alarms.get(name)
            if before is None or before.model_copy(update={"ts": alarm.ts}) != alarm:
                await self.bus.publish(ALARM, alarm, alarm=name)
            self._alarms[name] = alarm
        for name in [name for name in self._alarms if name not in standing]:
            await self.bus.clear(ALARM, alarm=name)
            del self._alarms[name]

    def _away(self, backend: str, now_ms: int) -> dict[str, Alarm]:
        links = self._links_to(backend)
        absent = [
            alarms.Away(charger, link.down_since_ms, link.problem or "it is being connected")
            for charger, link in links
            if link.down_since_ms is not None
        ]
        return alarms.away(backend, len(links), absent, now_ms)

    def _links_to(self, backend: str) -> list[tuple[str, Link]]:
        return [
            (charge_point.name, link)
            for charge_point in self._charge_points.values()
            for session, link in zip(charge_point.sessions, charge_point.links, strict=True)
            if session.backend.name == backend
        ]

    def _clock_ahead_ms(self, backend: str) -> int | None:
        """Return what most charge points have heard of the backend's clock: the middle of their answers."""
        heard = sorted(
            session.clock_ahead_ms
            for charge_point in self._charge_points.values()
            for session in charge_point.sessions
            if session.backend.name == backend and session.clock_ahead_ms is not None
        )
        return heard[len(heard) // 2] if heard else None

    @every(3600)
    async def tidy(self) -> None:
        """Forget old transactions."""
        before_ms = self.clock.now_ms() - KEEP_TRANSACTIONS_MS
        await self.store.run(lambda db: outbox.forget_before(db, before_ms))


def _queue_measured(db: Database, due: list[tuple[ChargePoint, str, Measured, str]]) -> None:
    for charge_point, session_id, found, context in due:
        transactions.measured(db, charge_point.recorder(), session_id, found, context)


def _first_start(db: Database, now_ms: int) -> None:
    """Note when the bridge was there for the first time."""
    if _FIRST_START not in memory.settings(db, "", memory.OWN):
        for name in (_FIRST_START, _CAUGHT_UP):
            memory.set_setting(db, "", memory.OWN, name, str(now_ms))
