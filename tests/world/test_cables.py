"""What cable and charger allow is what an only car gets: real balancer, real charger application, a quiet site."""

from random import Random
from typing import Any

import pytest

from firmware.sim.car import VirtualCar
from tests.world.agent_process import AgentProcess
from tests.world.balancing.people import People
from tests.world.balancing.scenario import Scenario
from tests.world.balancing.world import BalancedWorld
from tests.world.charger_box import ChargerBox

MINUTES = 14.0
BALANCER_COMES_MS = 7_000
"""Its first order then reaches the charger while that waits, as it does for 5 s after each change of its offer."""
SETTLED_MIN = 12.5
"""Of these at least cars charge as fast as they may."""
VOLTS = 3 * 230.0


class Friendly(People):
    """Lets everybody charge, and nothing else."""

    def _meddle(self) -> None:
        return


class QuietSite(BalancedWorld):
    """A car that wants 32 A comes and stays."""

    cable_a = 32

    def _add_balancer(self, name: str, seed: int, number: int) -> AgentProcess:
        process = super()._add_balancer(name, seed, number)
        start = process.start
        process.start = lambda: self.loop.at(BALANCER_COMES_MS, start)  # type: ignore[method-assign]
        return process

    def _arrive(self, box: ChargerBox, random: Random) -> None:
        box.plug(VirtualCar.needing(30_000.0, max_current_a=32.0, phases=3), self.cable_a)
        self.people.let_charge(box.id)


def charged_wh(cable_a: int, monkeypatch: pytest.MonkeyPatch, limit_a: float = 63.0, chargers: int = 1) -> list[int]:
    """Return what each charger's meter has counted after 14 minutes."""
    monkeypatch.setattr("tests.world.balancing.world.People", Friendly)
    monkeypatch.setattr(QuietSite, "cable_a", cable_a)
    names = [f"c{number}" for number in range(1, chargers + 1)]
    table: dict[str, Any] = {
        "circuits": {"main": {"limit_a": limit_a}},
        "chargers": {name: {"circuit": "main"} for name in names},
    }
    scenario = Scenario(
        3, minutes=MINUTES, faults=frozenset(), twin="none", planner="real", table=table, settle=False, changing=False
    )
    with QuietSite(scenario) as world:
        world.run_all()
        readings = [world.boxes[name].hardware.meter.read() for name in names]
        return [reading.energy_wh for reading in readings if reading is not None]


@pytest.mark.parametrize("cable_a", [13, 20, 32])
def test_a_cable_carries_what_it_can(cable_a: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """C1: every cable but one of 32 A was left at the fallback of 6 A for the whole session."""
    (energy_wh,) = charged_wh(cable_a, monkeypatch)
    assert cable_a * VOLTS * SETTLED_MIN / 60 <= energy_wh <= cable_a * VOLTS * MINUTES / 60


def test_what_a_cable_cannot_carry_is_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """C1: two cars with cables of 20 A on 40 A."""
    energies_wh = charged_wh(20, monkeypatch, limit_a=40.0, chargers=2)
    assert len(energies_wh) == 2 and min(energies_wh) >= 19.5 * VOLTS * SETTLED_MIN / 60
