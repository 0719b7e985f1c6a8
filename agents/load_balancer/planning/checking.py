"""Refuses what no plan can be made from, by name; corrects nothing silently."""

import cmath
import math
from collections.abc import Sequence

from agents.load_balancer.allocation.model import BadInput, Constraint, Demand, History, Outlook


def check_demands(demands: Sequence[Demand]) -> None:
    """Raise :class:`BadInput` for a demand that is not finite, not positive where it must be, or named twice."""
    seen: set[str] = set()
    for demand in demands:
        if demand.charger in seen:
            raise BadInput(f"charger {demand.charger} is handed in twice")
        seen.add(demand.charger)
        _check_demand(demand)


def _check_demand(demand: Demand) -> None:
    ranges = (
        ("voltage_v", demand.voltage_v, 1.0, math.inf),
        ("min_a", demand.min_a, 0.1, math.inf),
        ("max_a", demand.max_a, 0.0, math.inf),
        ("session_s", demand.session_s, 0.0, math.inf),
        ("offered_a", demand.offered_a, 0.0, math.inf),
        ("drawn_a", demand.drawn_a, 0.0, math.inf),
        ("energy_wanted_wh", demand.energy_wanted_wh, 0.0, math.inf),
        ("energy_delivered_wh", demand.energy_delivered_wh, 0.0, math.inf),
        ("departure_s", demand.departure_s, -math.inf, math.inf),
        ("departure_error", demand.departure_error, 0.0, 1.0),
        ("priority", demand.priority, 0, 9),
        ("reserved_a", demand.reserved_a, 0.0, math.inf),
        ("weight", demand.weight, 0.01, 100.0),
        ("not_before_s", demand.not_before_s, -math.inf, math.inf),
        ("not_after_s", demand.not_after_s, -math.inf, math.inf),
    )
    for name, value, lowest, highest in ranges:
        if value is None:
            continue
        if not math.isfinite(value) or not lowest <= value <= highest:
            raise BadInput(f"{name} of charger {demand.charger} is {value}: give a number, {lowest:g} to {highest:g}")
    for name, values in (("stays_s", demand.stays_s), ("energies_wh", demand.energies_wh)):
        if list(values) != sorted(values) or not all(math.isfinite(value) and value > 0 for value in values):
            raise BadInput(f"{name} of charger {demand.charger} are {values}: give positive numbers, ascending")
    if not demand.phases or len(set(demand.phases)) != len(demand.phases):
        raise BadInput(f"phases of charger {demand.charger} are {demand.phases}: name each once, at least one")
    steps = demand.steps_a
    if steps is not None and (
        not steps or list(steps) != sorted(set(steps)) or not all(math.isfinite(s) and s > 0 for s in steps)
    ):
        raise BadInput(f"steps_a of charger {demand.charger} are {steps}: give positive amperes, ascending")


def check_constraints(constraints: Sequence[Constraint]) -> None:
    """Raise :class:`BadInput` for a coefficient or a limit that is no finite number, or a name given twice."""
    seen: set[str] = set()
    for constraint in constraints:
        if constraint.name in seen:
            raise BadInput(f"two constraints are called {constraint.name}")
        seen.add(constraint.name)
        constraint.limit.check(f"the limit of {constraint.name}", lowest=-math.inf)
        for charger, coefficient in constraint.coefficients.items():
            if not cmath.isfinite(coefficient):
                raise BadInput(f"the coefficient of {charger} in {constraint.name} is {coefficient}")


def check_outlook(outlook: Outlook, history: History) -> None:
    """Raise :class:`BadInput` for a forecast or a history that is no finite number. Prices may be negative."""
    if outlook.price_per_kwh is not None:
        outlook.price_per_kwh.check("price_per_kwh", lowest=-math.inf)
    if outlook.solar_surplus_w is not None:
        outlook.solar_surplus_w.check("solar_surplus_w", lowest=-math.inf)
    for name, values in (("stays_s", history.stays_s), ("energies_wh", history.energies_wh)):
        if not all(math.isfinite(value) and value >= 0 for value in values):
            raise BadInput(f"{name} of the history must be finite and at least 0")
