"""Balanced sites in the simulated world: the real load balancer, real charger apps, and everything that goes wrong.

``python -m tests.world.balancing --seed N`` replays one; ``--campaign 10000`` runs many and counts violations of
invariant 2. A site of a few chargers on a random tree, with random phases, contracts, transformers and meters, is drawn
from the seed; so are the faults, whether a second balancer is started by mistake, and whether the planner is the real
one or one that asks for anything.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from agents.load_balancer import LoadBalancer
from agents.load_balancer.allocation.model import Constraint, Demand, Grant, Method, Plan, Reason, State
from agents.load_balancer.site import Site, fixed_limit
from agents.runtime.agent import Context
from bus_schema import Address
from bus_schema.balancing import GridTelemetry
from bus_schema.event import EventAck
from bus_schema.topics import CHARGER_EVENT, CHARGER_EVENT_ACK, GRID_TELEMETRY
from firmware.app.settings import Settings as ChargerAppSettings
from firmware.sim.meter import VirtualMeter
from firmware.sim.ratings import Ratings
from tests.world.agent_process import AgentProcess
from tests.world.broker import Packet
from tests.world.campaign import _impatience
from tests.world.charger_box import ChargerBox
from tests.world.checks.base import Violation
from tests.world.checks.over_the_limit import NeverOverTheLimit
from tests.world.drivers import random_car
from tests.world.entropy import stream
from tests.world.faults import KINDS, Trouble
from tests.world.senders import Sender
from tests.world.world import EPOCH_MS, World
from tests.world.world import Plan as WorldPlan

FIELDS = ("boots", "deaths", "looks", "orders", "sessions", "twos")

SETTLE_MS = 150_000
"""After the trouble: orders that nobody answered have run out, claims are settled, cars charge."""


@dataclass(frozen=True)
class Scenario:
    """What a balanced world is made of; what is None is drawn from the seed."""

    seed: int
    minutes: float = 10.0
    faults: frozenset[str] = frozenset(KINDS)
    twin: str | None = None
    """A second balancer: ``none``, ``foreign`` (a database of its own), ``same`` (the same database)."""
    planner: str | None = None
    """``real`` or ``random``."""
    settle: bool = True
    """Whether the world goes on for a while after the trouble."""
    keep_trace: int = 0
    table: dict[str, Any] | None = None
    """The section ``[load_balancer]``; drawn if None."""
    wild: bool = False
    """Whether c1 of that table has not been told to wait for the balancer; drawn without a table."""


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
        self.settings = LoadBalancer.settings_type.model_validate(table)
        self.model: Site = self.settings.site()
        twin = random.choice(["none", "none", "none", "foreign", "same"])
        self.twin = twin if scenario.twin is None else scenario.twin
        self.wild = wild_charger(self.model) if scenario.table is None or scenario.wild else None
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
            box = self.add_charger(name, ratings, VirtualMeter(len(charger.phases)))
            settings = ChargerAppSettings(box.storage)
            required = () if name == self.wild else ("load_balancer",)
            settings.change({"required_sources": required, "fallback_current_a": charger.fallback_a})
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
        for meter, circuit in self.model.meters.items():
            self.house_a[meter] = dict.fromkeys(("L1", "L2", "L3"), 0.0)
            self._house(meter, circuit.limit.limit_a, stream(seed, "house", meter))
            self._read_meter(meter)
        self.trouble = Trouble(self, stream(seed, "trouble"), self.severity)
        for box in self.boxes.values():
            random = stream(seed, "visits", box.id)
            self.loop.at(stream(seed, box.id, "first boot").randrange(3_000), box.power_on)
            self.loop.at(random.randrange(3_000, 60_000), lambda b=box, r=random: self._arrive(b, r))

    def _balancers(self) -> Sequence[str]:
        return ("load_balancer",) if self.twin == "none" else ("load_balancer", "twin")

    def _add_balancer(self, name: str, seed: int, number: int) -> AgentProcess:
        agent_type = with_planner(self.planner_kind, stream(seed, "planner"))
        if name == "twin" and self.twin == "same":
            process = AgentProcess(
                self.loop,
                self.broker,
                self.severity.link,
                agent_type,
                self.settings,
                site=self.site,
                seed=seed,
                epoch_ms=EPOCH_MS,
                database=self.agents["load_balancer"].database,
                gate=lambda point: "go" if self.trouble is None else self.trouble.gate(point),
            )
        else:
            process = self._own_database(agent_type, name, seed)
        if number and stream(self.plan.seed, "client id").random() < 0.8:
            # Else the broker lets only one of the two stay connected at a time.
            process.client.client_id = f"{self.site}-{name}"
        self.agents[name] = process
        return process

    def _own_database(self, agent_type: type[LoadBalancer], name: str, seed: int) -> AgentProcess:
        from tests.world.world import _migrated

        database = Path(self._folder.name) / f"{name}.sqlite3"
        database.write_bytes(_migrated(LoadBalancer))
        return AgentProcess(
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
        if not packet.topic.endswith("/event") or user not in self.boxes:
            if packet.topic.endswith("/command") and user == "load_balancer":
                self.orders += 1
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

    def _read_meter(self, meter: str) -> None:
        """The meter on the wall says what flows, once a second, unless something is wrong with it."""
        self.loop.at(self.loop.now_ms + 1_000, lambda: self._read_meter(meter))
        random = stream(self.plan.seed, "meter", meter, self.loop.now_ms // 60_000)
        ill = random.choice(["", "", "", "silent", "mad", "flipped", "null"]) if self.plan.faults else ""
        if ill == "silent" or not self.broker.up:
            return
        currents: list[float | None] = []
        for phase in ("L1", "L2", "L3"):
            value = self.house_a[meter][phase] + self.drawn_on(self.model.meters[meter].name, phase)
            value += stream(self.plan.seed, "noise", self.loop.now_ms, phase).uniform(0, 0.2)
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
        for name in self.model.below[circuit]:
            phases = self.model.chargers[name].phases
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


class People(Sender):
    """Access, which lets everybody charge, and a technician who limits, pauses, stops and resets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wild: str | None = None
        """A charger that has not been told to wait for the balancer."""
        self.again(10_000, 60_000, self._meddle)

    def let_charge(self, charger: str, tries: int = 3) -> None:
        """Authorise the car that was just plugged in; again, should the charger not have heard."""
        if tries and self.active:
            token = {"type": "no_authorization", "value": ""}
            self.send(charger, self.command("authorize", id_token=token, caps={}, connection_timeout_s=20))
            self.again(2_000, 9_000, lambda: self.let_charge(charger, tries - 1))

    def _meddle(self) -> None:
        charger, random = self.random.choice(self.chargers), self.random
        if self.wild is not None and random.random() < 0.5:
            # Then nothing limits it any more: no lease, and no memory that there was one.
            self.send(self.wild, self.command("release_limit") | {"source": "load_balancer"})
        kind = random.random()
        if kind < 0.3:
            command = self.command("set_limit", current_a=random.choice([0, 6, 10, 32]), valid_for_s=60)
            self.again(5_000, 30_000, lambda: self.send(charger, self.command("release_limit")))
        elif kind < 0.4:
            command = self.command("pause", reason="")
        elif kind < 0.8:
            command = self.command("resume")
        elif kind < 0.85:
            command = self.command("stop")
        else:
            command = self.command("reset", kind=random.choice(["soft", "hard"]))
        self.send(charger, command)
        self.again(5_000, 60_000, self._meddle)


@dataclass(frozen=True)
class Outcome:
    """What came of a balanced world."""

    seed: int
    looks: int
    fullest: float
    orders: int
    sessions: int
    deaths: int
    boots: int
    twos: int


def random_site(random: Random) -> dict[str, Any]:
    """Return the section ``[load_balancer]`` of a small site that can be kept safe."""
    count = random.randrange(3, 7)
    fallback_a = random.choice([0.0, 0.0, 6.0])
    names = [f"c{number + 1}" for number in range(count)]
    circuits: dict[str, Any] = {"main": {}}
    if random.random() < 0.6:
        circuits["wing"] = {"parent": "main"}
    chargers: dict[str, Any] = {}
    for name in names:
        phases = random.choice([1, 3, 3])
        rotation = ["L1", "L2", "L3"]
        random.shuffle(rotation)
        chargers[name] = {
            "circuit": random.choice(list(circuits)),
            "phases": phases,
            "rotation": rotation[:phases],
            "rated_a": random.choice([16.0, 32.0, 32.0]),
            "fallback_a": fallback_a,
        }
    # Now and then there is room for one charger that nobody has told to wait for the balancer.
    wild_a = random.choice([0.0, 0.0, 0.0, chargers["c1"]["rated_a"]])
    least = max(16.0, count * fallback_a) + wild_a
    for circuit in circuits.values():
        circuit["limit_a"] = round(least + random.uniform(0, 24.0), 1)
        if random.random() < 0.25:
            circuit["meter"] = f"m{circuit.get('parent', 'root')}"
        if random.random() < 0.25:
            circuit["transformer_kva"] = round(0.69 * (least + random.uniform(0, 24.0)), 2)
        if random.random() < 0.2:
            circuit["unbalance_a"] = max(20.0, count * fallback_a) + wild_a
        if random.random() < 0.3:
            # EPOCH_MS is 2026-09-01T08:00:00Z.
            lowest = round(max(6.0, count * fallback_a) + wild_a + random.uniform(0, 6.0), 1)
            circuit["contract"] = [{"hours": "08:05-08:09", "limit_a": min(lowest, circuit["limit_a"])}]
    return {"circuits": circuits, "chargers": chargers, "lease_s": random.choice([20, 60])}


def wild_charger(site: Site) -> str | None:
    """Return c1 if there is room for all that it can draw beside everybody's fallback, at all times."""
    wild = site.chargers["c1"]
    for number, weight in site.rows_of["c1"]:
        row, others = site.rows[number], site.fallback_sums[number] - weight * wild.fallback_a
        circuit = site.circuits[row.circuit]
        if others + weight * wild.rated_a > fixed_limit(circuit, row, circuit.limit.lowest()):
            return None
    return "c1"


def with_planner(kind: str, random: Random) -> type[LoadBalancer]:
    """Return the real balancer with the real planner, or one that asks for whatever comes to its mind."""
    if kind == "real":
        return LoadBalancer

    class Adventurous(LoadBalancer):
        def __init__(self, context: Context[Any]) -> None:
            super().__init__(context)
            self.decider.planner = RandomPlanner(random)

    return Adventurous


class RandomPlanner:
    """Plans that keep no limit and change for no reason: what is left is the safety layer."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._last: dict[str, float] = {}

    def __call__(
        self, demands: Sequence[Demand], constraints: Sequence[Constraint], state: State | None, **_: Any
    ) -> Plan:
        random = self._random
        currents = {}
        for demand in demands:
            kept = self._last.get(demand.charger)
            if kept is None or random.random() < 0.4:
                kept = random.choice([0.0, 6.0, 10.0, 16.0, 32.0, 32.0, random.uniform(0, 40)])
            currents[demand.charger] = kept
        self._last = currents
        grants = {
            name: Grant(name, current_a, Reason.CHARGER_MAX, None, f"{current_a:g} A: by chance")
            for name, current_a in currents.items()
        }
        return Plan(grants, Method.WATER_FILLING, "", State())


@dataclass(frozen=True)
class Result:
    """How a balanced world went."""

    scenario: Scenario
    outcome: Outcome | None
    problem: str
    trace: tuple[str, ...] = ()


def run(scenario: Scenario, before: Callable[[BalancedWorld], None] | None = None) -> Result:
    """Run a world to its end or its first violation; whatever else is raised is raised here."""
    with _impatience(), BalancedWorld(scenario) as world:
        if before is not None:
            before(world)
        try:
            return Result(scenario, world.run_all(), "", tuple(world.trace.lines))
        except Violation as violation:
            return Result(scenario, None, f"Violation: {violation}", tuple(world.trace.lines))


def many(scenarios: Sequence[Scenario]) -> Iterator[Result]:
    """Run worlds one after the other. An error of the code under test is a failure of its seed."""
    for scenario in scenarios:
        try:
            yield run(scenario)
        except Exception as error:  # noqa: BLE001 - whatever is raised is a failure of this seed
            yield Result(scenario, None, f"{type(error).__name__}: {error}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.world.balancing", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--campaign", type=int, default=0, help="run so many seeds, from --seed on")
    parser.add_argument("--twin", choices=("none", "foreign", "same"))
    parser.add_argument("--planner", choices=("real", "random"))
    parser.add_argument("--no-faults", action="store_true")
    parser.add_argument("--trace", type=int, default=0)
    options = parser.parse_args(arguments)
    base = Scenario(options.seed, options.minutes, twin=options.twin, planner=options.planner)
    if options.no_faults:
        base = replace(base, faults=frozenset())
    began_s = time.process_time()
    if not options.campaign:
        result = run(replace(base, keep_trace=options.trace))
        print(*result.trace, sep="\n")
        print(result.outcome or result.problem)
        print(f"{time.process_time() - began_s:.2f} s of one core")
        return 0 if result.outcome else 1
    failed, totals, fullest = 0, Counter[str](), 0.0
    for result in many([replace(base, seed=base.seed + n) for n in range(options.campaign)]):
        if result.outcome is None:
            failed += 1
            print(f"seed {result.scenario.seed}: {result.problem}", flush=True)
        else:
            fullest = max(fullest, result.outcome.fullest)
            totals.update({name: getattr(result.outcome, name) for name in FIELDS})
    took_s = time.process_time() - began_s
    sums = ", ".join(f"{totals[name]} {name}" for name in FIELDS)
    print(
        f"{options.campaign} scenarios of {options.minutes:g} min, {failed} failed, {took_s / options.campaign:.2f} s "
        f"of one core each: {sums}; a limit was used up to {100 * fullest:.1f} %"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
