"""The balancer's planner: the real one, or one that asks for anything."""

from collections.abc import Sequence
from random import Random
from typing import Any

from agents.load_balancer.agent import LoadBalancer
from agents.load_balancer.allocation.model import Constraint, Demand, Grant, Method, Plan, Reason, State
from agents.runtime.agent import Context


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
