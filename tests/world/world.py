"""A site in virtual time: chargers, broker, agents, people, trouble, and the checks that watch them all."""

import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agents.access.agent import Access
from agents.ledger.agent import Ledger
from agents.runtime.agent import Agent
from agents.runtime.database.store import Store
from bus_schema import TOPICS, Address, ContractError, Message, Topic, parse_topic
from bus_schema.charger_messages import State
from firmware.app.settings import Settings as ChargerSettings
from firmware.sim.car import VirtualCar
from firmware.sim.meter import VirtualMeter
from firmware.sim.ratings import Ratings
from tests.world.agent_process import AgentProcess
from tests.world.broker import Broker, Packet
from tests.world.charger_box import ChargerBox, Observer
from tests.world.checks.base import Check
from tests.world.checks.commands import CommandsAreAnswered
from tests.world.checks.contactor import NeverWithoutRight
from tests.world.checks.contract import OneContract
from tests.world.checks.leases import ExpiryNeverRaises
from tests.world.checks.records import NothingLost, NothingTwice, Visit
from tests.world.checks.registers import RegistersOnlyGrow
from tests.world.drivers import KNOWN_CARDS, Drivers, Habits
from tests.world.entropy import seeded, stream
from tests.world.faults import CALM, KINDS, Severity, Trouble, draw
from tests.world.link import BusClient
from tests.world.loop import VirtualLoop
from tests.world.senders import LeaseSource, Technician
from tests.world.trace import Trace

EPOCH_MS = 1_788_249_600_000
"""UTC at the beginning of every world."""

SUPPLIES = ((3, 230.0), (3, 120.0), (3, 240.0), (1, 208.0), (1, 230.0), (1, 240.0))
"""Phases of the chargers and nominal volts of each: 120 is a 208 V supply, 208 two of its poles."""

SETTLE_MS = 240_000
"""After the trouble: time in which everything must come right."""

CHECKS: tuple[type[Check], ...] = (
    OneContract,
    ExpiryNeverRaises,
    CommandsAreAnswered,
    NeverWithoutRight,
    RegistersOnlyGrow,
    NothingTwice,
    NothingLost,
)


@dataclass(frozen=True)
class Plan:
    """What a world is made of. The seed decides everything else."""

    seed: int
    chargers: int = 2
    minutes: float = 15.0
    faults: frozenset[str] = frozenset(KINDS)
    trace: bool = True
    keep_trace: int = 0
    checks: tuple[type[Check], ...] = CHECKS
    habits: Habits = field(default_factory=Habits)
    commands: bool = True
    """Whether technician and lease source are there."""


@dataclass(frozen=True)
class Outcome:
    """What came of a world."""

    seed: int
    digest: str
    steps: int
    events: int
    sessions: int
    energy_wh: float
    deaths: int
    boots: int


class World(Observer):
    """One run. Use it as a context manager: it has a temporary folder for the agents' databases."""

    site = "garage"

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.loop = VirtualLoop()
        self.trace = Trace(plan.keep_trace, on=plan.trace)
        self.broker = Broker()
        self.broker.observers.append(self._on_bus)
        self.states: dict[str, State] = {}
        self.boxes: dict[str, ChargerBox] = {}
        self.agents: dict[str, AgentProcess] = {}
        self.senders: list[LeaseSource | Technician] = []
        self.drivers: list[Drivers] = []
        self.trouble: Trouble | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="world-", dir=_fast_folder())
        self._entropy = seeded(plan.seed)
        self._addresses: dict[str, Address] = {}
        self._ledger: sqlite3.Connection | None = None
        self._read_now: tuple[bytes, Message] | None = None
        self.checks = [check(self) for check in plan.checks]
        self.lost_check = next((c for c in self.checks if isinstance(c, NothingLost)), None)
        self._hooks = {name: _overriding(self.checks, name) for name in _HOOKS}
        self._row_hooks = {row.name: _hooks_of_row(self.checks, row) for row in TOPICS}
        random = stream(plan.seed, "severity")
        self.severity: Severity = draw(random, plan.faults) if plan.faults else CALM

    def __enter__(self) -> Self:
        self._entropy.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for box in self.boxes.values():
            box.client.die(power=True)
        for agent in self.agents.values():
            agent.discard()
        self.loop.end()
        if self._ledger is not None:
            self._ledger.close()
        self._folder.cleanup()
        self._entropy.__exit__(kind, error, where)

    # --- building ---

    def build(self) -> None:
        """Put up the site of the plan and start everything."""
        for agent_type, settings in ((Ledger, {}), (Access, access_settings())):
            self.add_agent(agent_type, settings)
        phases, supply_v = stream(self.plan.seed, "supply").choice(SUPPLIES)
        ratings = Ratings(phases=phases, phase_rotation=("L1", "L2", "L3")[:phases])
        for number in range(self.plan.chargers):
            true_wh = stream(self.plan.seed, number).random() * 9e4
            box = self.add_charger(f"c{number + 1}", ratings, VirtualMeter(phases, true_wh, supply_v))
            ChargerSettings(box.storage).change({"nominal_voltage_v": supply_v})
        if self.plan.commands:
            self._add_senders()
        self.trouble = Trouble(self, stream(self.plan.seed, "trouble"), self.severity)
        for agent in self.agents.values():
            agent.start()
        for box in self.boxes.values():
            self.loop.at(stream(self.plan.seed, box.id, "first boot").randrange(5_000), box.power_on)
            self.drivers.append(
                Drivers(
                    self.loop,
                    box,
                    stream(self.plan.seed, "drivers", box.id),
                    self.plan.habits,
                    self.plugged,
                    self.unplugged,
                )
            )

    def add_agent(self, agent_type: type[Agent[Any]], settings: dict[str, Any]) -> AgentProcess:
        database = Path(self._folder.name) / f"{agent_type.name}.sqlite3"
        database.write_bytes(migrated(agent_type))
        process = AgentProcess(
            self.loop,
            self.broker,
            self.severity.link,
            agent_type,
            agent_type.settings_type.model_validate(settings),
            site=self.site,
            seed=self.plan.seed,
            epoch_ms=EPOCH_MS,
            database=database,
            gate=lambda point: "go" if self.trouble is None else self.trouble.gate(point),
        )
        self.agents[agent_type.name] = process
        return process

    def add_charger(self, name: str, ratings: Ratings, meter: VirtualMeter) -> ChargerBox:
        box = ChargerBox(
            self.loop,
            self.broker,
            self.severity.link,
            site=self.site,
            charger=name,
            seed=self.plan.seed,
            epoch_ms=EPOCH_MS,
            ratings=ratings,
            meter=meter,
            observer=self,
            network_time=lambda: self.trouble is None or self.trouble.network_time(),
        )
        self.boxes[name] = box
        return box

    def _add_senders(self) -> None:
        for kind in (LeaseSource, Technician):
            self.senders.append(
                kind(
                    self.loop,
                    self.broker,
                    self.severity.link,
                    stream(self.plan.seed, "sender", kind.__name__),
                    site=self.site,
                    chargers=list(self.boxes),
                    utc_ms=lambda: EPOCH_MS + self.loop.now_ms,
                )
            )
        technician = self.senders[-1]
        if isinstance(technician, Technician):
            self.loop.at(8_000, technician.prepare)

    def clients(self) -> list[BusClient]:
        """Everyone who is connected to the broker."""
        return [
            *(box.client for box in self.boxes.values()),
            *(agent.client for agent in self.agents.values()),
            *(sender.client for sender in self.senders),
        ]

    # --- running ---

    def run(self) -> Outcome:
        """Build, run, let it settle, check everything, and say what came of it."""
        self.build()
        self.loop.run_until(int(self.plan.minutes * 60_000))
        self.settle()
        return self.outcome()

    def settle(self) -> None:
        """End all trouble, send everybody home, wait, and ask every check for its last word."""
        if self.trouble is not None:
            self.trouble.stop()
        for sender in self.senders:
            sender.active = False
            if isinstance(sender, Technician):
                sender.tidy()
        for drivers in self.drivers:
            drivers.go_home()
        self.broker.start()
        self.loop.run_until(self.loop.now_ms + SETTLE_MS)
        for check in self.checks:
            check.finished()

    def outcome(self) -> Outcome:
        events = self.ledger_database().execute("SELECT count(*) FROM ledger_event").fetchone()[0]
        sessions = self.ledger_database().execute("SELECT count(*) FROM ledger_session").fetchone()[0]
        return Outcome(
            self.plan.seed,
            self.trace.digest(),
            self.loop.steps,
            events,
            sessions,
            sum(box.hardware.meter.true_wh - box.first_wh for box in self.boxes.values()),
            sum(agent.deaths for agent in self.agents.values()),
            sum(box.boots for box in self.boxes.values()),
        )

    def ledger_database(self) -> sqlite3.Connection:
        """A second connection to the ledger's database, which sees only what is committed."""
        if self._ledger is None:
            self._ledger = sqlite3.connect(f"file:{self.agents['ledger'].database}?mode=ro", uri=True)
        return self._ledger

    # --- what happens ---

    def plugged(self, box: ChargerBox, car: VirtualCar) -> None:
        self.trace.note(self.loop.now_ms, box.id, f"plug {car.name}")
        if self.lost_check is not None:
            visit = Visit(box.id, car.name, box.visits, car.energy_wh, box.hardware.meter.true_wh)
            self.lost_check.visits.append(visit)

    def unplugged(self, box: ChargerBox, car: VirtualCar) -> None:
        self.trace.note(self.loop.now_ms, box.id, f"unplug {car.name} {car.energy_wh:.3f} Wh")
        if self.lost_check is not None:
            visit = next(v for v in reversed(self.lost_check.visits) if v.charger == box.id)
            visit.taken_after_wh, visit.meter_after_wh = car.energy_wh, box.hardware.meter.true_wh

    def booted(self, box: ChargerBox) -> None:
        self.trace.note(self.loop.now_ms, box.id, f"boot {box.boots}")
        self._tell("booted", box)

    def stopped(self, box: ChargerBox) -> None:
        self.trace.note(self.loop.now_ms, box.id, "stop")
        self._tell("stopped", box)

    def hangs(self, box: ChargerBox) -> None:
        self.trace.note(self.loop.now_ms, box.id, "hangs")

    def stepped(self, box: ChargerBox) -> None:
        for hook in self._hooks["stepped"]:
            hook(box)

    def journalled(self, box: ChargerBox, data: bytes) -> None:
        self.trace.note(self.loop.now_ms, box.id, "flash", data)
        self._tell("journalled", box, data)

    def presented(self, box: ChargerBox, uid: str) -> None:
        self.trace.note(self.loop.now_ms, box.id, f"card {uid}")
        self._tell("presented", box, uid)

    def received(self, box: ChargerBox, address: Address, payload: bytes, retained: bool) -> None:
        self.trace.note(self.loop.now_ms, box.id, f"hears {address.topic.name}{' retained' * retained}", payload[:400])
        self._tell("received", box, address, payload, retained)

    def published(self, box: ChargerBox, topic: str, payload: bytes, taken: bool) -> None:
        if not self.checks:
            return
        address = self._address(topic)
        try:
            message = self._decoded(address, payload)
        except ContractError as error:
            self._unreadable(box.id, Packet(topic, payload, 0, False), error)
            return
        if isinstance(message, State):
            box.boot_id = message.boot_id
            self.states[box.id] = message
        for hook in self._row_hooks[address.topic.name][0]:
            hook(box, address, message, taken)

    def _on_bus(self, user: str, packet: Packet) -> None:
        self.trace.note(self.loop.now_ms, user, packet.topic, packet.payload[:800])
        if not self.checks:
            return
        try:
            address = self._address(packet.topic)
            message = self._decoded(address, packet.payload) if packet.payload else None
        except ContractError as error:
            self._unreadable(user, packet, error)
            return
        for hook in self._row_hooks[address.topic.name][1]:
            hook(user, packet, address, message)

    def _unreadable(self, user: str, packet: Packet, error: ContractError) -> None:
        for check in self.checks:
            if isinstance(check, OneContract):
                check.unreadable(user, packet, error)

    def _address(self, topic: str) -> Address:
        address = self._addresses.get(topic)
        if address is None:
            address = self._addresses[topic] = parse_topic(topic)
        return address

    def _decoded(self, address: Address, payload: bytes) -> Message:
        # What a charger says is looked at when it says it and again when the broker has it.
        if self._read_now is not None and self._read_now[0] is payload:
            return self._read_now[1]
        message = address.topic.decode(payload)
        self._read_now = (payload, message)
        return message

    def _tell(self, hook: str, *arguments: Any) -> None:
        for call in self._hooks[hook]:
            call(*arguments)


_HOOKS = ("booted", "stopped", "received", "stepped", "presented", "journalled")


def _hooks_of_row(checks: list[Check], row: Topic[Any]) -> tuple[list[Callable[..., None]], list[Callable[..., None]]]:
    said = [check for check in checks if check.from_chargers is None or row in check.from_chargers]
    taken = [check for check in checks if check.from_bus is None or row in check.from_bus]
    return _overriding(said, "published"), _overriding(taken, "on_bus")


def _overriding(checks: list[Check], name: str) -> list[Callable[..., None]]:
    return [getattr(check, name) for check in checks if getattr(type(check), name) is not getattr(Check, name)]


def _fast_folder() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


@cache
def migrated(agent_type: type[Agent[Any]]) -> bytes:
    """Return an empty database of the agent: migrating one takes longer than a whole world."""
    with tempfile.TemporaryDirectory(prefix="world-", dir=_fast_folder()) as folder:
        path = Path(folder) / "empty.sqlite3"
        store = Store(f"sqlite:///{path}", agent_type.migrations, threaded=False)
        store.upgrade()
        store.close()
        return path.read_bytes()


def access_settings() -> dict[str, Any]:
    """The access agent's section of ``site.toml``."""
    return {
        "policies": ["local_list", "free"],
        "cards": [{"uid": uid} for uid in KNOWN_CARDS],
        "free_chargers": ["c2"],
    }
