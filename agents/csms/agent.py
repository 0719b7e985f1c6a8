"""The central system as an agent: stations on one side, the bus on the other."""

import asyncio
from functools import partial
from typing import Any

from agents.csms import commands_kept
from agents.csms.admission import Admission
from agents.csms.api import build_api
from agents.csms.commanding import Answer
from agents.csms.gate import Gate
from agents.csms.ids import boot_ids, session_ids
from agents.csms.journal import acknowledge, waiting
from agents.csms.messages import Measured, telemetry
from agents.csms.pace import Pace
from agents.csms.querying import answer_query
from agents.csms.recalling import first_line, recall
from agents.csms.roster import Roster
from agents.csms.server import Listen, Listener, StationServer, close_quietly
from agents.csms.settings import CsmsSettings
from agents.csms.speaking import Speaker
from agents.csms.state import ConnectorState
from agents.csms.stations import Authorizing, KnownStation, Port
from agents.csms.taking import Taking
from agents.csms.transitions import begin_boot, cap_reached, nobody_awaited
from agents.csms.v16.link import V16Link
from agents.csms.v16.session import V16Session
from agents.runtime.agent import Agent, BusUnavailable, Context, NotAllowed, Received, every, on
from agents.runtime.commands import check_source
from agents.runtime.http_server import HttpServer
from agents.runtime.ocpp import Connection, ConnectionLost, Dispatcher, Traffic, message_ids
from agents.runtime.ocpp.v16 import V16
from agents.runtime.serving.sparing_log import SparingLog
from bus_schema.command import Command
from bus_schema.event import EventAck
from bus_schema.lease_rule import amperes
from bus_schema.site_messages import Query
from bus_schema.topics import (
    AGENT_OCPP,
    AGENT_QUERY,
    AGENT_STATION_ANSWER,
    CHARGER_COMMAND,
    CHARGER_EVENT_ACK,
    CHARGER_TELEMETRY,
)
from bus_schema.words import ReplyCode, ReplyStage

CLOSE_S = 2.0
"""How long an old connection of a station that has come again may take to close. s."""

REPORT_EVERY_S = 10
"""How often it is said what was exchanged with stations. s."""

PING_S = 5.0
"""How long the old connection of a station that comes again has to show that it is alive. s."""


class Csms(Agent[CsmsSettings]):
    """An OCPP central system: each connector of a station is a charger on the bus."""

    name = "csms"
    settings_type = CsmsSettings
    migrations = "agents.csms.migrations"

    def __init__(self, context: Context[CsmsSettings], listen: Listen = StationServer) -> None:
        """Know the stations of the settings; ``listen`` makes what they connect to."""
        super().__init__(context)
        self._boot_ids = boot_ids(self.random)
        self._session_ids = session_ids(self.random)
        self._speaker = Speaker(self.bus, self.clock, self.store)
        self._roster = Roster(self.store, self.clock, self._boot_ids, self._speaker.changed)
        self.stations = self._roster.stations
        """By identity."""
        self._ports = self._roster.ports
        """By charger; those on the bus."""
        self._authorizing = Authorizing(self.settings, self.clock)
        self._pace = Pace(self.quotas, self.clock)
        self._taking = Taking(self.store, self.clock, self._speaker, self._authorizing, self.log)
        self._message_ids = message_ids(self.random)
        self._traffic = Traffic()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listen = listen
        self._server: Listener | None = None
        self._api: HttpServer | None = None

    # Life

    async def start(self) -> None:
        """Recall the connectors, answer what a restart has cut, and listen."""
        rows, abouts, cut, self._speaker.pending = await self.store.run(recall)
        kept = {
            charger: begin_boot(ConnectorState.model_validate_json(body), self._boot_ids()) for charger, body in rows
        }
        for name, settings in self.settings.stations.items():
            station = self._roster.add(name, settings, kept, abouts.get(settings.identity or name))
            if settings.on_bus:
                for connector in station.connectors:
                    self._speaker.add(connector, station)
        for charger, command_id, op in cut:
            if charger in self._ports:
                await self._taking.answer_interrupted(self._ports[charger], command_id, op)
        if self.settings.port is None:
            return
        self._spawn(self._speaker.run())
        for port in self._ports.values():
            self._spawn(self._taking.work(port))
        admission = Admission(Gate(self.settings, self._passwords()), self.quotas, self.clock)
        log = SparingLog(self.log, self.clock.monotonic_s)
        self._server = self._listen(self.settings, admission, V16.subprotocol, log, self.serve)
        await self._server.start(self.settings.port)
        self.log.info("stations_may_connect", host=self.settings.host, port=self._server.port)
        if self.settings.api_port is not None:
            token = None if self.settings.api_token_file is None else first_line(self.settings.api_token_file)
            api = build_api(self.stations, self.store, self.clock, token)
            self._api = HttpServer(
                api,
                self.settings.api_host,
                self.settings.api_port,
                what="the REST API",
                settings="api_host or api_port in section [csms]",
                hosts=self.settings.hosts,
            )
            await self._api.start()

    async def stop(self) -> None:
        """Close all connections and say that the chargers are gone."""
        if self._api is not None:
            await self._api.stop()
        if self._server is not None:
            await self._server.stop()
        for port in self._ports.values():
            await port.connector.settled()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.settings.port is not None:
            for port in self._ports.values():
                port.connector.online = False
                self._speaker.introduce(port.connector)
            await self._speaker.flush()

    def kill(self) -> None:
        """End at once whatever runs: for tests."""
        for task in self._tasks:
            task.cancel()

    def problems(self) -> list[str]:
        """Say which parts do not run."""
        found = []
        if self._server is not None and not self._server.running:
            found.append("The port for stations is not open.")
        if self._api is not None and not self._api.running:
            found.append("The REST API is not being served.")
        if self._server is not None and self._server.room < len(self.settings.stations):
            found.append(
                f"Only {self._server.room} of {len(self.settings.stations)} stations can be connected: "
                "raise the limit of open files (LimitNOFILE, ulimit -n) to twice their number."
            )
        for port in self._ports.values():
            connector = port.connector
            if connector.online and not connector.state.obeys and connector.station.limits != "none":
                rated = amperes(connector.station.rated_current_a)
                found.append(f"{connector.charger} has taken no limit from here: it counts with {rated}.")
        return found[:5]

    # Stations

    async def serve(self, identity: str, connection: Connection) -> None:
        """Serve one connection of a station until it is lost."""
        station = self._roster.station(identity)
        if station is None:
            await connection.close(1008, "too many unknown stations")
            return
        if not await self._is_free(station):
            self.log.warning("second_connection_refused", station=identity)
            await connection.close(1008, "another connection of this station is alive")
            return
        session = V16Session(
            station,
            self.settings,
            self.store,
            self.clock,
            self._authorizing,
            self.log,
            pace=self._pace,
            session_ids=self._session_ids,
            booted=lambda: self._spawn(self._greet(station, link)),
            measured=self._on_measured,
            transferred=self._on_transferred,
        )
        dispatcher = Dispatcher(
            connection,
            V16,
            self._pace.paced(identity, session.handlers()),
            clock=self.clock,
            message_ids=self._message_ids,
            log=self.log.bind(station=identity),
            call_timeout_s=self.settings.call_timeout_s,
            traffic=self._traffic,
        )
        link = V16Link(dispatcher, station.settings, self.clock)
        old, station.link = station.link, link
        if old is not None:
            self._spawn(close_quietly(old.close("another connection of this station"), CLOSE_S))
        self._set_online(station, True)
        if station.about:
            # It knows us: it will not boot again, and may have lost nothing but the line.
            self._spawn(self._greet(station, link))
        try:
            await dispatcher.run()
        except ConnectionLost as lost:
            self.log.info("station_lost", station=identity, reason=str(lost))
        finally:
            if station.link is link:
                station.link = None
                self._set_online(station, False)
                self._roster.gone(station)

    async def _is_free(self, station: KnownStation) -> bool:
        """Tell whether a station may have a new connection: it has none, or that is dead, whose end no one has told.

        A second station of the same name, or someone with its password, does not throw it out by that.
        """
        if station.link is None:
            return True
        if station.contended:
            return False
        station.contended = True
        try:
            return not await station.link.alive(PING_S)
        finally:
            station.contended = False

    def _passwords(self) -> dict[str, str]:
        """Return the stations' passwords by identity. Raises :class:`agents.runtime.agent.CannotStart`."""
        passwords, without = {}, []
        for name, station in self.settings.stations.items():
            file = self.settings.password_file_of(name)
            if file is None:
                without.append(name)
            else:
                passwords[station.identity or name] = first_line(file)
        if without:
            self.log.warning("stations_without_password", stations=without[:20], count=len(without))
        if self.settings.accept_unknown:
            self.log.warning("unknown_stations_accepted")
        return passwords

    def _set_online(self, station: KnownStation, online: bool) -> None:
        for connector in station.connectors:
            connector.online = online
            if station.settings.on_bus:
                self._speaker.introduce(connector)

    async def _greet(self, station: KnownStation, link: V16Link) -> None:
        """Bring a station that has booted, or come again, to what it should be, and ask what it is."""
        if not station.settings.on_bus:
            return
        for port in station.ports.values():
            await self._enforce(port, link)
        wanted = {"MeterValueSampleInterval": str(self.settings.sample_interval_s), **station.settings.configuration}
        for key, value in wanted.items():
            outcome = await link.set_key(key, value)
            if not outcome.accepted:
                self.log.warning("key_refused", station=station.identity, key=key, answer=outcome.words)
        for number in station.ports:
            await link.trigger(number, "state")

    # Bus

    @on(CHARGER_EVENT_ACK)
    async def acknowledged(self, received: Received[EventAck]) -> None:
        """Forget what the ledger has committed."""
        charger, ack = received.charger, received.message
        if charger in self._ports:
            await self.store.run(lambda db: acknowledge(db, charger, ack.boot_id, ack.seq))
            self._speaker.acknowledged(charger, ack.boot_id, ack.seq)

    @on(CHARGER_COMMAND)
    async def commanded(self, received: Received[Command]) -> None:
        """Take a command: note it, then let the connector's worker execute it."""
        charger, command = received.charger, received.message
        port = self._ports.get(charger)
        if port is None or received.retained or self.settings.port is None:
            return
        try:
            check_source(received)
        except NotAllowed as error:
            self._taking.refuse(port, command, str(error))
            raise
        await self._taking.take(port, received.address.ids["sender"], command)

    @on(AGENT_QUERY)
    async def asked(self, received: Received[Query]) -> None:
        """Answer a technician who asks a station something that the bus has no command for."""
        question = received.message
        self._spawn(self._answer_question(question))

    async def _answer_question(self, question: Query) -> None:
        answer = await answer_query(question, self.stations, self.clock.now_ms)
        try:
            await self.bus.publish(AGENT_STATION_ANSWER, answer, agent=self.name, asker=question.source)
        except BusUnavailable:
            self.log.warning("answer_lost", asker=question.source)

    @every(1)
    async def tick(self) -> None:
        """Renew what has run out, end what has reached its cap, send what is due."""
        if self.settings.port is None:
            return
        self._speaker.pending = await self.store.run(waiting)
        self._speaker.tick()
        now_ms = self.clock.now_ms()
        for port in self._ports.values():
            awaited = port.connector.state.awaited
            if awaited is not None and awaited.until_ms <= now_ms:
                await port.connector.change(partial(nobody_awaited, now_ms=now_ms))
        for station in self.stations.values():
            link = station.link
            for port in station.ports.values() if link is not None else ():
                if station.settings.on_bus and port.limiter.due(link):  # type: ignore[arg-type]
                    self._spawn(self._enforce(port, link))  # type: ignore[arg-type]
                await self._end_at_cap(port, link, now_ms)  # type: ignore[arg-type]

    @every(REPORT_EVERY_S)
    async def report(self) -> None:
        """Say what was exchanged with all stations."""
        if self.settings.port is None:
            return
        stations = self.stations.values()
        message = self._traffic.report(
            self.clock.now_ms(),
            charge_points=len(stations),
            connected=sum(station.link is not None for station in stations),
        )
        await self.bus.publish(AGENT_OCPP, message, agent=self.name, backend=self.name)

    @every(3600)
    async def tidy(self) -> None:
        """Forget old commands."""
        now_ms = self.clock.now_ms()
        await self.store.run(lambda db: commands_kept.tidy(db, now_ms))

    # Connectors

    async def _enforce(self, port: Port, link: V16Link) -> None:
        done = await port.limiter.apply(link)
        self._speaker.changed(port.connector)
        for command in done:
            await self._taking.answer(port, command, Answer(ReplyStage.DONE))

    async def _end_at_cap(self, port: Port, link: V16Link, now_ms: int) -> None:
        session = port.connector.state.session
        if session is None or session.ending is not None:
            return
        reached = cap_reached(session, now_ms)
        if reached is not None:
            self._spawn(_ignoring_answer(port, link, reached))

    def _on_measured(self, port: Port, readings: Measured) -> None:
        connector = port.connector
        if connector.charger in self._ports:
            message = telemetry(connector.state, connector.station, readings, connector.now())
            self._spawn(self._publish_telemetry(connector.charger, message))

    async def _publish_telemetry(self, charger: str, message: Any) -> None:
        try:
            await self.bus.publish(CHARGER_TELEMETRY, message, charger=charger)
        except BusUnavailable:
            return  # The next readings come soon.

    def _on_transferred(self, port: Port, what: str, well: bool, word: str) -> None:
        command = port.commanding.transfers.pop(what, None)
        if command is not None:
            answer = (
                Answer(ReplyStage.DONE, ReplyCode.OK, word)
                if well
                else Answer(ReplyStage.FAILED, ReplyCode.TRANSFER, f"the station says {word}")
            )
            self._spawn(self._taking.answer(port, command, answer))

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            error = task.exception()
            self.log.error("task_failed", error=type(error).__name__, reason=str(error)[:400])


async def _ignoring_answer(port: Port, link: V16Link, why: tuple[Any, str]) -> None:
    await port.commanding.stop(link, *why)
