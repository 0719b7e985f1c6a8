"""The balanced world: a site with a load balancer, its chargers, its house, and what goes wrong."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from agents.load_balancer.agent import LoadBalancer
from agents.load_balancer.circuits.site import Site
from agents.load_balancer.settings import LoadBalancerSettings
from bus_schema import Address, parse_topic
from bus_schema.balancing import GridTelemetry
from bus_schema.command import SetLimit
from bus_schema.event import EventAck
from bus_schema.topics import (
    CHARGER_COMMAND,
    CHARGER_COMMAND_REPLY,
    CHARGER_EVENT,
    CHARGER_EVENT_ACK,
    GRID_TELEMETRY,
)
from firmware.app.settings import Settings as ChargerAppSettings
from firmware.sim.meter import VirtualMeter
from firmware.sim.ratings import Ratings
from tests.world.agent_process import AgentProcess
from tests.world.balancing.changes import as_it_falls_back, as_wired, changed, with_another_lease
from tests.world.balancing.people import People
from tests.world.balancing.planners import with_planner
from tests.world.balancing.scenario import Outcome, Scenario
from tests.world.balancing.sites import random_site, wild_charger
from tests.world.broker import Packet
from tests.world.charger_box import ChargerBox
from tests.world.checks.grants import Grants
from tests.world.checks.over_the_limit import NeverOverTheLimit
from tests.world.drivers import random_car
from tests.world.entropy import stream
from tests.world.faults import Trouble
from tests.world.world import EPOCH_MS, World, migrated
from tests.world.world import Plan as WorldPlan

SETTLE_MS = 150_000
"""After the trouble: orders that nobody answered have run out, claims are settled, cars charge."""


class Resettable(AgentProcess):
    """A process whose settings may be others each time it is started again."""

    next_settings: Callable[[], LoadBalancerSettings]
    _started = False

    def start(self) -> None:
        if self.host is None and self._started:
            self._settings = self.next_settings()
        self._started = True
        super().start()


class BalancedWorld(World):
    """A site with a load balancer, without ledger and access: their part is played by a few lines here."""

    def __init__(self, scenario: Scenario) -> None:
        plan = WorldPlan(
            scenario.seed,
            minutes=scenario.minutes,
            faults=scenario.faults,
            trace=scenario.keep_trace > 0,
            keep_trace=scenario.keep_trace,
            checks=(NeverOverTheLimit,),
            commands=False,
        )
        super().__init__(plan)
        self.scenario = scenario
        random = stream(scenario.seed, "site")
        table = random_site(random) if scenario.table is None else scenario.table
        self.table = table
        self.settings = LoadBalancer.settings_type.model_validate(table)
        self.model: Site = self.settings.site()
        """The site as it is now: what the settings say, on the phases that the chargers are really wired to."""
        self.wired = {name: charger.phases for name, charger in self.model.chargers.items()}
        self.least_a = {name: charger.fallback_a for name, charger in self.model.chargers.items()}
        """The most that each charger was ever told to fall back to."""
        self.hung = {name: charger.circuit for name, charger in self.model.chargers.items()}
        """Where each charger hangs, whether or not the settings still name it."""
        self.epoch_ms = EPOCH_MS
        self.grants = Grants()
        self.changes = 0
        self.changing = random.random() < 0.6 if scenario.changing is None else scenario.changing
        twin = random.choice(["none", "none", "none", "foreign", "same"])
        self.twin = twin if scenario.twin is None else scenario.twin
        self.wild = wild_charger(self.model) if scenario.table is None else None
        kind = random.choice(["real", "random", "random"])
        self.planner_kind = kind if scenario.planner is None else scenario.planner
        self.house_a: dict[str, dict[str, float]] = {}
        self.over = next(check for check in self.checks if isinstance(check, NeverOverTheLimit))
        self.orders = 0
        self.sessions = 0
        self._last_acks: dict[str, tuple[str, int]] = {}

    # --- building ---

    def utc_ms(self) -> int:
        return EPOCH_MS + self.loop.now_ms

    def build(self) -> None:
        seed = self.plan.seed
        for name, charger in self.model.chargers.items():
            ratings = Ratings(
                phases=len(charger.phases),
                phase_rotation=charger.phases,
                rated_current_a=int(charger.rated_a),
            )
            box = self.add_charger(name, ratings, VirtualMeter(len(charger.phases), supply_v=charger.voltage_v))
            settings = ChargerAppSettings(box.storage)
            required = () if name == self.wild else ("load_balancer",)
            settings.change(
                {
                    "required_sources": required,
                    "fallback_current_a": charger.fallback_a,
                    "nominal_voltage_v": charger.voltage_v,
                }
            )
        for number, name in enumerate(self._balancers()):
            process = self._add_balancer(name, seed + number * 1_000_003, number)
            self.loop.at(stream(seed, "start", name).randrange(1, 4_000) * (1 + 20 * number), process.start)
        self.people = People(
            self.loop,
            self.broker,
            self.severity.link,
            stream(seed, "people"),
            user="access",
            site=self.site,
            chargers=list(self.boxes),
            utc_ms=self.utc_ms,
        )
        self.people.wild = self.wild
        self.senders.append(self.people)  # type: ignore[arg-type]
        self.broker.observers.append(self._play_ledger)
        self.broker.observers.append(self._note_grants)
        for meter, circuit in self.model.meters.items():
            self.house_a[meter] = dict.fromkeys(("L1", "L2", "L3"), 0.0)
            self._house(meter, circuit.limit.limit_a, stream(seed, "house", meter))
            self._read_meter(meter, stream(seed, "meter", meter))
        for circuit in self.model.circuits.values():
            for after_s, _ in circuit.limit.changes(EPOCH_MS, self.plan.minutes * 60):
                # Nobody needs to raise anything for a limit to be exceeded when the limit falls.
                self.loop.at(round(after_s * 1000) + 1, lambda: self.over.look("the contract"))
        self.trouble = Trouble(self, stream(seed, "trouble"), self.severity)
        for box in self.boxes.values():
            random = stream(seed, "visits", box.id)
            self.loop.at(stream(seed, box.id, "first boot").randrange(3_000), box.power_on)
            self.loop.at(random.randrange(3_000, 60_000), lambda b=box, r=random: self._arrive(b, r))

    def _balancers(self) -> Sequence[str]:
        return ("load_balancer",) if self.twin == "none" else ("load_balancer", "twin")

    def _add_balancer(self, name: str, seed: int, number: int) -> AgentProcess:
        agent_type = with_planner(self.planner_kind, stream(seed, "planner"))
        if number and self.twin == "same":
            database = self.agents["load_balancer"].database
        else:
            database = Path(self._folder.name) / f"{name}.sqlite3"
            database.write_bytes(migrated(LoadBalancer))
        process = Resettable(
            self.loop,
            self.broker,
            self.severity.link,
            agent_type,
            self.settings,
            site=self.site,
            seed=seed,
            epoch_ms=EPOCH_MS,
            database=database,
            gate=lambda point: "go" if self.trouble is None else self.trouble.gate(point),
        )
        random = stream(self.plan.seed, "changes", name)
        process.next_settings = lambda: self._next_settings(random)
        if number and stream(self.plan.seed, "client id").random() < 0.8:
            # Else the broker lets only one of the two stay connected at a time.
            process.client.client_id = f"{self.site}-{name}"
        self.agents[name] = process
        return process

    # --- settings that change ---

    @property
    def voltage_v(self) -> float:
        """Nominal voltage of the site."""
        return next(iter(self.model.chargers.values())).voltage_v

    def _next_settings(self, random: Random) -> LoadBalancerSettings:
        """Return the settings of a process that starts again; sometimes they, and the site, are others."""
        if not self.changing or random.random() < 0.4:
            return self.settings
        self._cut_somebody_off(random)
        if self.twin != "none":
            # Two that differ in what a site's owner may choose freely; which of two limits were right nobody could say.
            return LoadBalancer.settings_type.model_validate(with_another_lease(random, self.table))
        known = self._known_wires()
        kept = set() if self.wild is None else {self.wild}
        table = changed(random, self.table, known, self.least_a, kept)
        settings = LoadBalancer.settings_type.model_validate(table)
        if self.wild is not None and wild_charger(as_it_falls_back(table, self.least_a)) is None:
            # No balancer could keep such a site within its limits.
            return self.settings
        self._change(table, settings)
        return settings

    def _cut_somebody_off(self, random: Random) -> None:
        """Whoever cannot be reached while the settings change keeps what it was granted to the last second."""
        if "partition" not in self.plan.faults or random.random() < 0.3:
            return
        client = random.choice(list(self.boxes.values())).client
        client.partition()
        self.loop.at(self.loop.now_ms + random.randrange(30_000, 400_000), client.heal)

    def _known_wires(self) -> dict[str, tuple[str, ...]]:
        """Return the wiring of chargers that have described themselves to the balancer: it counts both then."""
        with closing(sqlite3.connect(f"file:{self.agents['load_balancer'].database}?mode=ro", uri=True)) as database:
            known = {name for (name,) in database.execute("SELECT charger FROM load_balancer_meta")}
        return {name: phases for name, phases in self.wired.items() if name in known}

    def _change(self, table: dict[str, Any], settings: LoadBalancerSettings) -> None:
        self.table, self.settings, site = table, settings, settings.site()
        self.changes += 1
        self.model = as_wired(site, self.wired)
        for name, charger in site.chargers.items():
            self.least_a[name] = max(self.least_a[name], charger.fallback_a)
            self.hung[name] = charger.circuit
        self.grants.changed_ms = self.utc_ms()
        self.over.look("new settings")
        for at_ms in {at_ms - EPOCH_MS + 1 for at_ms in self.grants.ends_ms()}:
            self.loop.at(max(self.loop.now_ms, at_ms), lambda: self.over.look("the end of old grants"))

    def _note_grants(self, user: str, packet: Packet) -> None:
        """Count what balancers order; while settings change, note that and what chargers have done."""
        if user != "load_balancer" and user not in self.boxes:
            return
        address = parse_topic(packet.topic)
        if address.topic is CHARGER_COMMAND:
            self.orders += 1
            command = CHARGER_COMMAND.decode(packet.payload)
            if self.changing and isinstance(command, SetLimit):
                self.grants.forget(self.utc_ms())
                self.grants.ordered(address.ids["charger"], command, self.model)
        elif address.topic is CHARGER_COMMAND_REPLY and self.changing:
            self.grants.replied(user, CHARGER_COMMAND_REPLY.decode(packet.payload), self.utc_ms())

    # --- people, house and ledger ---

    def _arrive(self, box: ChargerBox, random: Random) -> None:
        if self.trouble is not None and self.trouble.over:
            return
        if box.hardware.car is None:
            car = random_car(random, f"{box.id}-{self.loop.now_ms}")
            car.reaction_ms = random.choice([200, 500, 2_000, 4_900])
            car.phases = min(car.phases, box.hardware.ratings.phases)
            box.plug(car, random.choice([20, 32, 32, 32]))
            self.sessions += 1
            self.people.let_charge(box.id)
        self.loop.at(self.loop.now_ms + random.randrange(20_000, 300_000), lambda: self._leave(box, random))

    def _leave(self, box: ChargerBox, random: Random) -> None:
        if self.trouble is not None and self.trouble.over:
            return
        if box.hardware.car is not None:
            box.unplug()
        self.loop.at(self.loop.now_ms + random.randrange(3_000, 60_000), lambda: self._arrive(box, random))

    def _play_ledger(self, user: str, packet: Packet) -> None:
        """Acknowledge every event, so that journals empty and clocks are set."""
        if user not in self.boxes or parse_topic(packet.topic).topic is not CHARGER_EVENT:
            return
        event = CHARGER_EVENT.decode(packet.payload)
        ack = EventAck(ts=self.utc_ms(), boot_id=event.boot_id, seq=event.seq)
        topic = CHARGER_EVENT_ACK.format(self.site, charger=user)
        payload = CHARGER_EVENT_ACK.encode(ack)
        self.loop.at(
            self.loop.now_ms + 5,
            lambda: self.broker.publish("ledger", Packet(topic, payload, 1, False)) if self.broker.up else None,
        )

    def _house(self, meter: str, limit_a: float, random: Random) -> None:
        """Other loads come and go."""
        for phase in self.house_a[meter]:
            self.house_a[meter][phase] = round(random.uniform(0, limit_a * random.choice([0.2, 0.6])), 1)
        self.loop.at(self.loop.now_ms + random.randrange(5_000, 120_000), lambda: self._house(meter, limit_a, random))

    def _read_meter(self, meter: str, random: Random, ill: str = "") -> None:
        """The meter on the wall says what flows, once a second, unless something is wrong with it for a minute."""
        if self.loop.now_ms % 60_000 == 0:
            ill = random.choice(["", "", "", "silent", "mad", "flipped", "null"]) if self.plan.faults else ""
        self.loop.at(self.loop.now_ms + 1_000, lambda: self._read_meter(meter, random, ill))
        if ill == "silent" or not self.broker.up:
            return
        currents: list[float | None] = []
        for phase in ("L1", "L2", "L3"):
            value = self.house_a[meter][phase] + self.drawn_on(self.model.meters[meter].name, phase)
            value += random.uniform(0, 0.2)
            value = {"mad": 9_000.0, "flipped": -value}.get(ill, value)
            currents.append(None if ill == "null" else round(value, 2))
        reading = GridTelemetry(
            ts=self.utc_ms(), current_l1_a=currents[0], current_l2_a=currents[1], current_l3_a=currents[2]
        )
        topic = GRID_TELEMETRY.format(self.site, meter=meter)
        self.broker.publish(meter, Packet(topic, GRID_TELEMETRY.encode(reading), 0, False))

    def drawn_on(self, circuit: str, phase: str) -> float:
        """What the cars of a circuit really draw on a phase. A."""
        total = 0.0
        for name, phases in self.wired.items():
            at = self.hung[name] if self.hung[name] in self.model.circuits else "main"
            if circuit not in self.model.path(at):
                continue
            reading = self.boxes[name].hardware.meter.read()
            if phase in phases and reading is not None:
                total += reading.current_a[phases.index(phase)]
        return total

    # --- running ---

    def run_all(self) -> "Outcome":
        self.build()
        self.loop.run_until(int(self.plan.minutes * 60_000))
        if self.trouble is not None:
            self.trouble.stop()
        self.people.active = False
        self.broker.start()
        if self.scenario.settle:
            self.loop.run_until(self.loop.now_ms + SETTLE_MS)
        return Outcome(
            self.plan.seed,
            self.over.looks,
            self.over.fullest,
            self.orders,
            self.sessions,
            sum(agent.deaths for agent in self.agents.values()),
            sum(box.boots for box in self.boxes.values()),
            int(self.twin != "none"),
            self.changes,
        )

    # --- what the base class does for checks that are not here ---

    def published(self, box: ChargerBox, topic: str, payload: bytes, taken: bool) -> None:
        return

    def received(self, box: ChargerBox, address: Address, payload: bytes, retained: bool) -> None:
        if self.plan.keep_trace:
            self.trace.note(self.loop.now_ms, box.id, f"hears {address.topic.name}", payload[:300])

    def journalled(self, box: ChargerBox, data: bytes) -> None:
        return

    def _on_bus(self, user: str, packet: Packet) -> None:
        if self.plan.keep_trace:
            self.trace.note(self.loop.now_ms, user, packet.topic, packet.payload[:600])
