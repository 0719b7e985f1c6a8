"""Whose turn it is when not all can charge."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from agents.load_balancer.allocation.cars import Car, wants
from agents.load_balancer.allocation.model import Mode, Settings
from agents.load_balancer.allocation.network import Floats, Network
from agents.load_balancer.planning.filling import Filling

KEPT = 0.4
"""A running car keeps its minimum current unless its target is below this share of it."""
OVERDUE = 1.2
"""A car that has waited this much longer than until its first turn is switched on whatever its target is."""
DUE_CHOSEN = 0.3
"""A car whose turn is due is switched on when its target is at least this share of its minimum current."""
CHOSEN = 0.6
"""A car is switched on when its target is at least this share of its minimum current."""


def turn_is_due(car: Car, settings: Settings, now_s: float) -> bool:
    """Whether a car that is off has waited so long that it goes before those that charge."""
    if car.running or car.idle or not wants(car) or not car.may_charge or car.demand.mode is not Mode.FAST:
        return False
    if not car.memory.served:
        return car.demand.session_s >= _first_turn_s(car, settings)
    return now_s - car.memory.since_s >= settings.rotation_s


def _first_turn_s(car: Car, settings: Settings) -> float:
    within_s = car.stay_s * settings.first_turn_share * (1 - car.error)
    if car.demand.departure_s is not None:
        return within_s
    if not car.demand.stays_s:
        return settings.first_turn_s
    # Who tells nothing may leave as early as ever: not without having had anything.
    return min(within_s, max(settings.first_turn_s, settings.first_turn_earliest * car.demand.stays_s[0]))


def _overdue(car: Car, settings: Settings) -> bool:
    return not car.memory.served and car.demand.session_s >= OVERDUE * _first_turn_s(car, settings)


def protected(car: Car, settings: Settings, now_s: float) -> bool:
    """Whether a car was switched on so recently that it is not switched off for another."""
    return car.running and car.memory.served and now_s - car.memory.since_s < settings.min_on_s


def starting(cars: Sequence[Car], network: Network, settings: Settings) -> list[bool]:
    """Return who charges, or shall start now with a minimum current, whatever the program says.

    Where many share a limit, new cars get that up to a share of it only, and then wait for the program to choose them
    or for their turn: were a limit full of minimum currents, nobody would finish, and every car that comes would switch
    another one off.
    """
    asking = [i for i, car in enumerate(cars) if car.may_charge and wants(car) and not car.idle]
    fast = [i for i in asking if cars[i].running or cars[i].demand.mode in (Mode.FAST, Mode.SOLAR_FLOOR)]
    crowded = (network.matrix[:, fast] != 0).sum(axis=1) > settings.few
    limits = np.where(crowded, network.limits * settings.floors_share, network.limits)
    filling = Filling(cars, replace(network, limits=limits))
    filling.admit(sorted(fast, key=lambda i: (not cars[i].running, -cars[i].demand.priority, -cars[i].urgency, i)))
    free = {i for i in fast if cars[i].minimum_is_free}
    return [car.running or i in free or bool(filling.currents_a[i] > 0) for i, car in enumerate(cars)]


def admission(
    cars: Sequence[Car],
    targets: Floats,
    started: Sequence[bool],
    choosy: Collection[int],
    settings: Settings,
    now_s: float,
) -> tuple[list[int], list[int]]:
    """Return who gets a minimum current, in order, and who gets one after them if there is current left.

    Those ``choosy`` charge only if the program says so.
    """
    first: list[tuple[tuple[float, ...], int]] = []
    later: list[tuple[tuple[float, ...], int]] = []
    for i, car in enumerate(cars):
        if not car.may_charge:
            continue
        share = float(targets[i]) / car.floor_a
        if i in choosy and share < (KEPT if car.running else CHOSEN):
            continue
        tier = _tier(car, share, started[i], settings, now_s)
        # Who takes nothing from anybody goes before all priorities.
        key = (tier != _FREE, -car.demand.priority, tier, -min(1.0, share), -car.urgency, i)
        (first if tier < LATER else later).append((key, i))
    return [i for _, i in sorted(first)], [i for _, i in sorted(later)]


LATER = 10
_FREE, _PROTECTED, _DUE, _RUNNING, _CHOSEN, _STARTING = 0, 1, 2, 3, 4, 5
_DROPPED, _WAITING, _RESTING, _IDLE, _FULFILLED = 10, 11, 12, 13, 14


def _tier(car: Car, share: float, started: bool, settings: Settings, now_s: float) -> int:
    for_s = now_s - car.memory.since_s
    if not wants(car):
        return _FULFILLED
    if car.idle:
        return _IDLE
    if started and car.minimum_is_free:
        return _FREE
    if car.running:
        if protected(car, settings, now_s):
            return _PROTECTED
        return _RUNNING if share >= KEPT else _DROPPED
    if turn_is_due(car, settings, now_s) and (share >= DUE_CHOSEN or _overdue(car, settings)):
        return _DUE
    if car.memory.served and for_s < settings.min_off_s:
        return _RESTING
    if share >= CHOSEN:
        return _CHOSEN
    return _STARTING if started else _WAITING
