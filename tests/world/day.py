"""A whole day without trouble: cars that come and go by a timetable, with the real chargers, ledger and access."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from agents.access.agent import Access
from agents.ledger.agent import Ledger
from bus_schema.units import NOMINAL_VOLTAGE_V
from firmware.sim.car import VirtualCar
from firmware.sim.meter import VirtualMeter
from firmware.sim.ratings import Ratings
from tests.world.charger_box import ChargerBox
from tests.world.checks.base import Check
from tests.world.drivers import KNOWN_CARDS
from tests.world.world import CHECKS, Plan, World

CALTECH = Path(__file__).parent / "data" / "caltech-2018-09-05.csv"
CALTECH_V = 208.0
CALTECH_STATIONS = 54
"""Stations of the garage; those without a stretch of 0.5 kWh that day have no row, and their names are not known."""

PARKED_ON_MS = 15 * 60_000
"""How long a car stays after its last current, unless the next one comes before."""

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Stay:
    """One car at one charger. Times are the world's."""

    charger: str
    arrives_ms: int
    leaves_ms: int
    energy_wh: float
    current_a: float
    phases: int = 1


def caltech_stays(path: Path = CALTECH) -> list[Stay]:
    """Return the stretches of the record as stays of cars."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    begins: dict[str, list[int]] = {}
    for row in rows:
        begins.setdefault(row["station"], []).append(int(row["first_current_min"]) * 60_000)
    stays = []
    for row in rows:
        arrives_ms = int(row["first_current_min"]) * 60_000
        # Rates are kept per 5 minutes: the last one goes on until the next.
        over_ms = (int(row["last_current_min"]) + 5) * 60_000
        next_ms = min((ms for ms in begins[row["station"]] if ms > arrives_ms), default=over_ms + DAY_MS)
        leaves_ms = min(over_ms + PARKED_ON_MS, next_ms - 60_000)
        energy_wh, current_a = float(row["energy_kwh"]) * 1000, float(row["peak_a"])
        stays.append(Stay(row["station"].lower(), arrives_ms + 60_000, leaves_ms + 60_000, energy_wh, current_a))
    return stays


def caltech_day() -> "Day":
    """Return the recorded day with all stations of the garage."""
    stays = caltech_stays()
    unnamed = CALTECH_STATIONS - len({stay.charger for stay in stays})
    idle = [f"ca-idle-{number + 1}" for number in range(unnamed)]
    return Day(stays, phases=1, supply_v=CALTECH_V, idle=idle)


def workplace_stays(random: Random, chargers: int) -> list[Stay]:
    """Return a busy day: two cars at each charger, each four hours at full current and a while longer."""
    stays = []
    for number in range(chargers):
        for shift in range(2):
            arrives_ms = shift * DAY_MS // 2 + random.randrange(6 * 3_600_000)
            hours = random.uniform(3, 5)
            leaves_ms = arrives_ms + int((hours + random.uniform(0.1, 0.9)) * 3_600_000)
            current_a, phases = random.choice([(10.0, 1), (16.0, 3), (16.0, 1), (32.0, 1), (11.0, 3)])
            energy_wh = NOMINAL_VOLTAGE_V * current_a * phases * hours
            stays.append(Stay(f"c{number + 1}", arrives_ms, leaves_ms, energy_wh, current_a, phases))
    return stays


class Day(World):
    """A world that goes by a timetable. ``idle`` are chargers to which nobody comes."""

    def __init__(
        self,
        stays: Iterable[Stay],
        *,
        seed: int = 1,
        phases: int = 3,
        supply_v: float = NOMINAL_VOLTAGE_V,
        checks: tuple[type[Check], ...] = CHECKS,
        idle: Iterable[str] = (),
    ) -> None:
        super().__init__(Plan(seed, faults=frozenset(), commands=False, checks=checks, trace=False))
        self._stays = list(stays)
        self._idle = list(idle)
        self._phases, self._supply_v = phases, supply_v
        self.cars: list[tuple[Stay, VirtualCar]] = []

    def build(self) -> None:
        cards = [{"uid": uid} for uid in KNOWN_CARDS]
        for agent_type, settings in ((Ledger, {}), (Access, {"cards": cards})):
            self.add_agent(agent_type, settings)
        ratings = Ratings(phases=self._phases, phase_rotation=("L1", "L2", "L3")[: self._phases])
        for name in sorted({*self._idle, *(stay.charger for stay in self._stays)}):
            self.add_charger(name, ratings, VirtualMeter(self._phases, supply_v=self._supply_v, source_ohm=0.0))
        for agent in self.agents.values():
            agent.start()
        for position, box in enumerate(self.boxes.values()):
            self.loop.at(position * 137 % 5_000, box.power_on)
        for stay in self._stays:
            self.loop.at(stay.arrives_ms, lambda s=stay: self._arrive(s))

    def run_day(self) -> None:
        """Run until the last car has left, and let everything settle."""
        self.build()
        self.loop.run_until(max(stay.leaves_ms for stay in self._stays) + 60_000)
        self.settle()

    def _arrive(self, stay: Stay) -> None:
        box = self.boxes[stay.charger]
        car = VirtualCar.needing(stay.energy_wh, stay.current_a, stay.phases, name=f"{stay.charger}@{stay.arrives_ms}")
        self.cars.append((stay, car))
        box.plug(car, 32)
        self.plugged(box, car)
        self.loop.at(self.loop.now_ms + 3_000, lambda: box.card(KNOWN_CARDS[0]))
        self.loop.at(stay.leaves_ms, lambda: self._leave(box))

    def _leave(self, box: ChargerBox) -> None:
        self.unplugged(box, box.unplug())
