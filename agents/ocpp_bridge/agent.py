"""The OCPP bridge as an agent: what it hears on the bus, and what it keeps before it acknowledges that."""

import asyncio
from collections.abc import Iterable

from sqlalchemy.orm import Session as Database

from agents.ocpp_bridge import outbox
from agents.ocpp_bridge.backend_lists import BackendLists
from agents.ocpp_bridge.catching_up import LEDGER, Sessions
from agents.ocpp_bridge.connecting import Connector
from agents.ocpp_bridge.fetching import Fetcher, HttpFetcher
from agents.ocpp_bridge.recording import Recording, note_first_start
from agents.ocpp_bridge.reporting import Reporting
from agents.ocpp_bridge.settings import Backend, OcppBridgeSettings
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
from bus_schema.event import Event, SessionRecord
from bus_schema.site_messages import (
    AccessReply,
    AccessRequest,
    BackendListNotice,
    BackendListQuery,
    Query,
    QueryAnswer,
)
from bus_schema.topics import (
    ACCESS_REPLY,
    ACCESS_REQUEST,
    AGENT_ANSWER,
    AGENT_QUERY,
    CHARGER_BACKEND_LIST,
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

CATCH_UP_EVERY_S = 60
"""How often the ledger is asked for what the bus may not have brought. s."""

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
        self._tasks = Tasks(self.log)
        self._shared = Shared(
            settings=self.settings,
            bus=self.bus,
            clock=self.clock,
            store=self.store,
            random=self.random,
            log=self.log,
            commands=self._commands,
            pace=Pace(self.clock, self.settings.drain_per_s),
            tasks=self._tasks,
            connector=WebSocketConnector() if connector is None else connector,
            fetcher=HttpFetcher() if fetcher is None else fetcher,
            traffic={backend.name: Traffic() for backend in self.settings.backends},
        )
        self._charge_points: dict[str, ChargePoint] = {}
        self._making = asyncio.Lock()
        self._sessions = Sessions(self.bus, self.clock, self.random, self.log, self.name)
        self._lists = BackendLists(self._charge_points, self.bus, self.clock, self.name)
        self._recording = Recording(self._charge_points, self._charge_point, self._shared, self._sessions)
        self._reporting = Reporting(self._charge_points, self._shared, self.name)

    async def start(self) -> None:
        """Bring those back that have something to say, also if their chargers are silent."""
        now_ms = self.clock.now_ms()
        await self.store.run(lambda db: note_first_start(db, now_ms))
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
        return self._reporting.problems()

    async def _charge_point(self, charger: str) -> ChargePoint | None:
        known = self._charge_points.get(charger)
        if known is not None:
            return known
        backends = self._backends_of(charger)
        if not backends:
            return None
        async with self._making:
            known = self._charge_points.get(charger)
            if known is None:
                known = ChargePoint(charger, backends, self._shared)
                await self.store.run(known.load)
                self._charge_points[charger] = known
        return known

    def _backends_of(self, charger: str) -> list[Backend]:
        return [each for each in self.settings.backends if each.chargers == "all" or charger in each.chargers]

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

    # Sessions

    @on(CHARGER_EVENT, batch=200)
    async def events(self, batch: list[Received[Event]]) -> None:
        """Queue what backends must get, then let it go out."""
        await self._recording.events(batch)

    @on(SESSION)
    async def recorded(self, received: Received[SessionRecord]) -> None:
        """Repair what never came: a session that the ledger has and the outbox has not."""
        if not received.message.active:
            await self._recording.repair(received.message, received.received_ms)

    @on(AGENT_ANSWER)
    async def answered(self, received: Received[QueryAnswer]) -> None:
        """Take the ledger's answer."""
        if received.address.ids["agent"] == LEDGER:
            self._sessions.answered(received.message)

    @every(CATCH_UP_EVERY_S)
    async def catch_up(self) -> None:
        """Ask the ledger for what the bus may not have brought: see :mod:`agents.ocpp_bridge.catching_up`."""
        if self.settings.backends:
            await self._recording.catch_up()

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

    # Local lists

    @every(1)
    async def announce_lists(self) -> None:
        """Say which chargers' backends have changed their lists."""
        await self._lists.announce()

    @on(CHARGER_BACKEND_LIST)
    async def announced(self, received: Received[BackendListNotice]) -> None:
        """See what was announced, also by a bridge with other settings."""
        charger = received.charger
        await self._lists.heard(charger, received.message, served=bool(self._backends_of(charger)))

    @on(AGENT_QUERY)
    async def questioned(self, received: Received[Query]) -> None:
        """Tell which cards a backend has listed."""
        question = received.message
        if received.address.ids["agent"] != self.name or received.retained:
            return
        if self.clock.now_ms() <= question.deadline_ts:
            charger = question.charger if isinstance(question, BackendListQuery) else None
            await self._lists.answer(question, None if charger is None else await self._charge_point(charger))

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
        await self._reporting.report()

    def gauges(self) -> Iterable[Gauge]:
        """Tell of each backend's outbox, as it was last reported."""
        return self._reporting.gauges()

    @every(30)
    async def look(self) -> None:
        """Raise and clear alarms."""
        await self._reporting.raise_and_clear_alarms()

    @every(3600)
    async def tidy(self) -> None:
        """Forget old transactions, and say anew what the broker may have lost."""
        before_ms = self.clock.now_ms() - KEEP_TRANSACTIONS_MS
        await self.store.run(lambda db: outbox.forget_before(db, before_ms))
        self._lists.announce_again()


def _queue_measured(db: Database, due: list[tuple[ChargePoint, str, Measured, str]]) -> None:
    for charge_point, session_id, found, context in due:
        transactions.measured(db, charge_point.recorder(), session_id, found, context)
