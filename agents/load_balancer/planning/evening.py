"""Like cars get like currents: a linear program's optimum often is one of many, and it takes one at a corner."""

from collections.abc import Iterable, Sequence

import numpy as np

from agents.load_balancer.allocation.cars import Car
from agents.load_balancer.allocation.network import Floats, Network, alike

LIKE_S = 900.0
"""Cars that told when they leave are alike if they leave within so long of each other; …"""
LIKE_UNTOLD_S = 300.0
"""… others if they have come within so long: who came first is likelier to leave first."""
LIKE_WH = 2000.0
"""Cars are alike if what they want still differs by no more than this."""


def evened(cars: Sequence[Car], network: Network, targets_a: Floats) -> Floats:
    """Return targets in which like cars that are on have the same current, as far as each may have it.

    Alike are cars that load the same limits in the same way, have the same priority, weight and mode, and want about
    the same by about the same time. The sum of such cars stays what it was, so every constraint that was kept still is;
    who is on stays on.
    """
    found = targets_a.copy()
    for members in _groups(cars, network):
        on = [i for i in members if targets_a[i] >= cars[i].floor_a - 1e-6]
        if len(on) > 1:
            found[on] = _level(targets_a[on], [cars[i] for i in on])
    return found


def _level(targets_a: Floats, cars: Sequence[Car]) -> Floats:
    """Share a sum so that all are equal between the least and the most that each can have."""
    least = np.array([car.floor_a for car in cars])
    most = np.maximum(least, np.array([car.upper_a for car in cars]))
    total = float(targets_a.sum())
    low, high = float(least.min()), float(most.max())
    for _ in range(50):
        level = (low + high) / 2
        if float(np.clip(level, least, most).sum()) > total:
            high = level
        else:
            low = level
    evened: Floats = np.clip(low, least, most)
    return evened


def _groups(cars: Sequence[Car], network: Network) -> Iterable[list[int]]:
    able = [i for i, car in enumerate(cars) if car.may_charge]
    if not able:
        return
    _, place = alike(network.matrix[:, able])
    keyed: dict[tuple[object, ...], list[int]] = {}
    for column, i in zip(place, able, strict=True):
        demand = cars[i].demand
        told = (demand.departure_s is None, bool(demand.stays_s), demand.energy_wanted_wh is None)
        key = (int(column), demand.priority, demand.weight, demand.mode, told, demand.phases)
        keyed.setdefault(key, []).append(i)
    for members in keyed.values():
        yield from _near(members, cars)


def _near(members: Sequence[int], cars: Sequence[Car]) -> Iterable[list[int]]:
    """Split cars into those that have come and leave at about the same time, with about the same left to charge."""
    group: list[int] = []
    for i in sorted(members, key=lambda i: (*_when(cars[i]), cars[i].demand.charger)):
        if group and not _alike(cars[group[0]], cars[i]):
            yield group
            group = []
        group.append(i)
    if group:
        yield group


def _when(car: Car) -> tuple[float, float]:
    demand = car.demand
    if demand.departure_s is not None:
        return demand.departure_s, car.wanted_wh
    return (car.stay_s - demand.session_s if demand.stays_s else demand.session_s), car.wanted_wh


def _alike(one: Car, other: Car) -> bool:
    told = one.demand.energy_wanted_wh is not None
    near = abs(_when(one)[0] - _when(other)[0]) <= (LIKE_UNTOLD_S if one.demand.departure_s is None else LIKE_S)
    return near and (not told or abs(one.wanted_wh - other.wanted_wh) <= LIKE_WH)
