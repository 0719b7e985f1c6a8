"""One charger of the bus as one charge point of OCPP 1.6."""

import json
from typing import Any

from ocpp.v16 import call
from sqlalchemy.orm import Session as Database

from agents.ocpp_bridge import memory, outbox
from agents.ocpp_bridge.link import Link
from agents.ocpp_bridge.memory import CONFIGURATION, OWN
from agents.ocpp_bridge.models import TransactionRow
from agents.ocpp_bridge.outbox import TRANSACTION, Queued
from agents.ocpp_bridge.peculiarities import PECULIARITIES
from agents.ocpp_bridge.settings import Backend
from agents.ocpp_bridge.shared import Shared
from agents.ocpp_bridge.v16.active import Active, active_of
from agents.ocpp_bridge.v16.authorizing import IdTags
from agents.ocpp_bridge.v16.backend_session import BackendSession
from agents.ocpp_bridge.v16.certificate_store import Certificates
from agents.ocpp_bridge.v16.charger_settings import ChargerSettings
from agents.ocpp_bridge.v16.commanding import Commanding
from agents.ocpp_bridge.v16.core import Core
from agents.ocpp_bridge.v16.credentials import Credentials
from agents.ocpp_bridge.v16.firmware import Firmware
from agents.ocpp_bridge.v16.id_tags import TagInfo, fold
from agents.ocpp_bridge.v16.keys import Configuration
from agents.ocpp_bridge.v16.local_list import LocalList
from agents.ocpp_bridge.v16.metering import Metering
from agents.ocpp_bridge.v16.remote_transactions import RemoteTransactions
from agents.ocpp_bridge.v16.reservation import Reservation
from agents.ocpp_bridge.v16.security_events import SecurityEvents
from agents.ocpp_bridge.v16.smart_charging import SmartCharging
from agents.ocpp_bridge.v16.statuses import CONNECTOR, Status, statuses
from agents.ocpp_bridge.v16.stopping import Stopping
from agents.ocpp_bridge.v16.transactions import Recorder
from agents.ocpp_bridge.v16.triggering import Triggering
from agents.ocpp_bridge.waiting import until_stored
from agents.runtime.ocpp import Handler
from bus_schema import IdToken
from bus_schema.charger_messages import Meta, Online, State
from bus_schema.words import IdTokenType

KNOWN_WITHIN_MS = 5_000
"""How long to wait for a charger's meta and state before it is presented without. ms."""

MAX_HEARTBEAT_S = 604_800

LISTENERS_MAY = frozenset(
    {"GetConfiguration", "TriggerMessage", "GetLocalListVersion", "GetCompositeSchedule", "DataTransfer"}
)
"""What a backend that only listens may call: nothing that changes anything."""

_RESERVED_FOR = "reserved_for"


class ChargePoint:
    """State and parts of one charge point. The agent tells it what the bus says; backends call its handlers."""

    def __init__(self, name: str, backends: list[Backend], shared: Shared) -> None:
        """Be charger ``name`` towards ``backends``; :meth:`load` recalls what was kept."""
        self.name = name
        self.shared = shared
        self.settings = shared.settings
        self.clock = shared.clock
        self.store = shared.store
        self.random = shared.random
        self.pace = shared.pace
        self.tasks = shared.tasks
        self.fetcher = shared.fetcher
        self.log = shared.log.bind(charger=name)
        self.meta: Meta | None = None
        self.state: State | None = None
        self.state_ms = 0
        """When :attr:`state` came."""
        self.boot_id: str | None = None
        self.active: Active | None = None
        self.present = False
        """Whether the charger is on the bus."""
        self._made_ms = self._absent_since_ms = self.clock.now_ms()
        self._started = False
        self._told_absent = True
        self._reserved_for: str | None = None
        self.configuration = Configuration(shared.settings.configuration, {})
        self.certificates = Certificates(self)
        self.credentials = Credentials(self)
        self.id_tags = IdTags(self)
        self.charger_settings = ChargerSettings(self)
        self.charging = SmartCharging(self)
        self.firmware = Firmware(self)
        self.metering = Metering(self)
        self.security = SecurityEvents(self)
        self.stopping = Stopping(self)
        self._core = Core(self)
        self._remote = RemoteTransactions(self)
        self._local_list = LocalList(self)
        self._reservation = Reservation(self)
        self._triggering = Triggering(self)
        commanding = Commanding(self)
        self.make, self.command = commanding.make, commanding.command
        self.limit, self.send = commanding.limit, commanding.send
        self.sessions = [BackendSession(self, backend) for backend in backends]
        self.links = [self._link(session) for session in self.sessions]

    def _link(self, session: BackendSession) -> Link:
        link = Link(
            self.shared.connector,
            lambda: self.credentials.target(session.backend),
            session.serve,
            clock=self.clock,
            random=self.random,
            log=session.log,
            max_delay_s=self.settings.reconnect_max_s,
        )
        session.reconnect = link.reconnect
        return link

    def load(self, db: Database) -> None:
        """Recall everything that was kept."""
        self.configuration = Configuration(self.settings.configuration, memory.settings(db, self.name, CONFIGURATION))
        self._reserved_for = memory.settings(db, self.name, OWN).get(_RESERVED_FOR)
        primary = self.primary
        for row in outbox.going_on(db, self.name):
            if primary is not None and row.backend == primary.backend.name:
                self.active = active_of(row)
        self.id_tags.load(db)
        self.charger_settings.load(db)
        self.charging.load(db)
        self.firmware.load(db)

    def _start_when_known(self) -> None:
        """Begin to connect once it is known what this charger is and does, at the latest after a few seconds."""
        known = self.meta is not None and self.state is not None
        if self._started or not (known or self.clock.now_ms() - self._made_ms >= KNOWN_WITHIN_MS):
            return
        self._started = True
        for link in self.links:
            self.tasks.start(link.run(), f"link {self.name}")

    @property
    def primary(self) -> BackendSession | None:
        """The backend that decides, if there is one."""
        return next((session for session in self.sessions if session.primary), None)

    def recorder(self) -> Recorder:
        """Return what is needed to queue transaction messages."""
        return Recorder(
            self.name,
            [session.backend.name for session in self.sessions],
            self.configuration,
            self.settings.free_id_tag,
            {session.backend.name: PECULIARITIES[session.backend.kind].celsius for session in self.sessions},
        )

    def handlers(self, session: BackendSession) -> dict[str, Handler]:
        """Return what ``session``'s backend may call."""
        every: dict[str, Handler] = {
            **self._core.handlers(session),
            **self._remote.handlers(),
            **self._local_list.handlers(),
            **self._reservation.handlers(),
            **self._triggering.handlers(session),
            **self.charging.handlers(),
            **self.firmware.handlers(),
            **self.certificates.handlers(session),
        }
        if session.primary:
            return every
        return {action: handler for action, handler in every.items() if action in LISTENERS_MAY}

    def boot_notification(self) -> call.BootNotification:
        """Return what kind of charge point this is."""
        meta = self.meta
        return call.BootNotification(
            charge_point_model=("charger" if meta is None else meta.hardware)[:20] or "charger",
            charge_point_vendor=self.settings.vendor,
            charge_point_serial_number=self.name[:25],
            firmware_version=None if meta is None else meta.firmware[:50],
        )

    def shown(self, name: str) -> str:
        """Return the value of a key as it is shown."""
        primary = self.primary
        if name == "ConnectorPhaseRotation" and not self.configuration[name]:
            return f"{CONNECTOR}.{_rotation(self.meta)}"
        if name == "SecurityProfile" and primary is not None:
            return str(self.credentials.security_profile(primary.backend))
        if name == "HeartbeatInterval" and primary is not None and not self.configuration.number(name):
            return str(primary.registration.heartbeat_s)
        return self.configuration[name]

    # What the bus says

    def on_meta(self, meta: Meta) -> None:
        """Take what kind of charger this is."""
        before, self.meta = self.meta, meta
        if before is None or (before.phases, before.nominal_voltage_v) != (meta.phases, meta.nominal_voltage_v):
            self.charging.changed()  # A limit in watts is another one in amperes now.
        self._see_boot(meta.boot_id)
        self._start_when_known()

    def on_online(self, online: Online) -> None:
        """Take whether the charger is connected."""
        if online.online:
            self.present = True
            self._see_boot(online.boot_id)
        elif online.boot_id == self.boot_id or self.boot_id is None:
            self.present = False
            self._absent_since_ms = self.clock.now_ms()

    async def on_state(self, state: State, *, retained: bool) -> None:
        """Take what the charger is now."""
        self._see_boot(state.boot_id)
        if not retained:
            self.present = True
            self.state_ms = self.clock.now_ms()
        self.state = state
        self._start_when_known()
        self.see_statuses()
        if state.firmware_update is not None:
            await self.firmware.on_state(state)
        self.stopping.withdraw()

    def _see_boot(self, boot_id: str) -> None:
        if boot_id == self.boot_id:
            return
        first, self.boot_id = self.boot_id is None, boot_id
        self.metering.forget()
        if first:
            return
        self.log.info("charger_rebooted", boot_id=boot_id)
        self.charging.rebooted()
        for session in self.sessions:
            session.rebooted()
            self.tasks.start(session.reconnect("the charge point has rebooted"), "reconnect")

    def see_statuses(self) -> None:
        """Let the backends hear of what has changed."""
        for session in self.sessions:
            session.see_statuses()

    def statuses(self) -> tuple[Status, Status]:
        """Return the status of charge point and connector."""
        return statuses(self.state, self._absent())

    def _absent(self) -> bool:
        since_ms = self.clock.now_ms() - self._absent_since_ms
        return not self.present and since_ms >= self.settings.offline_after_s * 1000

    def tick(self) -> None:
        """Do what is due by the clock: statuses of the absent, lease, firmware."""
        self._start_when_known()
        absent = self._absent()
        if absent != self._told_absent:
            self._told_absent = absent
            self.see_statuses()
        self.charger_settings.tick()
        self.charging.tick()
        self.firmware.tick()

    # Transactions

    async def session_began(self, row: TransactionRow) -> None:
        """Do what follows a session's start, once it is committed; ``row`` is the primary's. May be done again."""
        if self.active is None or self.active.session_id != row.session_id:
            self.active = active_of(row)
        if self._reserved_for is not None:
            await self.reserved_for(None)
        await self.charging.session_started()

    async def session_ended(self, session_id: str) -> None:
        """Do what follows a session's end, once it is committed."""
        if self.active is not None and self.active.session_id == session_id:
            # First what may fail and is then done again: the profiles of a transaction must not outlive it.
            await self.charging.session_ended()
            self.active = None
            self.charging.changed()

    def queued(self, lane: str = TRANSACTION) -> None:
        """Say that something waits in a lane of the outbox."""
        for session in self.sessions:
            session.drain.wake(lane)

    async def transaction_answered(
        self, session: BackendSession, queued: Queued, answer: Any, info: TagInfo | None
    ) -> None:
        """Take a backend's answer to a transaction message; only the primary's counts."""
        if not session.primary or queued.action != "StartTransaction":
            return
        active = self.active
        if active is not None and active.session_id == queued.session_id:
            active.transaction_id = answer.transaction_id
            if info is not None:
                active.status, active.parent_id_tag = info.status, info.parent_id_tag
            self.charging.changed()
            self.stopping.withdraw()
        if info is not None:
            await self.id_tags.heard(session, json.loads(queued.payload)["idTag"], info)

    def token_for(self, id_tag: str) -> IdToken:
        """Return the token of an idTag that the backend starts; the one it is reserved for counts as its card."""
        if self._reserved_for is not None and fold(self._reserved_for) == fold(id_tag):
            return IdToken(type=IdTokenType.RFID, value=self._reserved_for)
        return IdToken(type=IdTokenType.BACKEND, value=id_tag)

    async def reserved_for(self, id_tag: str | None) -> None:
        """Remember whom the charger is reserved for."""
        await self.store.run(lambda db: memory.set_setting(db, self.name, OWN, _RESERVED_FOR, id_tag))
        self._reserved_for = id_tag

    async def registered(self, session: BackendSession, interval_s: int) -> None:
        """Take the heartbeat interval that the primary has given: it is the key's value from now on (4.2)."""
        if session.primary and session.registration.accepted and interval_s > 0:
            name, value = "HeartbeatInterval", str(min(interval_s, MAX_HEARTBEAT_S))
            self.configuration.set(name, value)
            await until_stored(
                lambda: self.store.run(lambda db: memory.set_setting(db, self.name, CONFIGURATION, name, value)),
                self.clock,
                self.random,
                session.log,
            )

    def heartbeat_changed(self) -> None:
        """Let the heartbeats go at their new interval."""
        for session in self.sessions:
            session.heartbeat_changed()


_TERMINALS = {"L1": "R", "L2": "S", "L3": "T"}


def _rotation(meta: Meta | None) -> str:
    """Return the phase rotation in OCPP's letters (9.1.6): R, S, T are the supply's phases."""
    if meta is None or meta.phases < 3:
        return "NotApplicable" if meta is not None else "Unknown"
    return "".join(_TERMINALS[phase.value] for phase in meta.phase_rotation)
