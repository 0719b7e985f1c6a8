"""What each car should get now for the hours ahead to go well: by the linear program, or by water-filling."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from agents.load_balancer.allocation.cars import Car, presences, wants
from agents.load_balancer.allocation.model import Constraint, History, Mode, Outlook, Settings
from agents.load_balancer.allocation.network import Floats, Indexes, Network, alike
from agents.load_balancer.allocation.solar import SOLAR
from agents.load_balancer.planning.horizon import edges_s
from agents.load_balancer.planning.lp import Groups, Solve, SolverFailed, build
from agents.load_balancer.planning.turns import protected, turn_is_due

PRIORITY_FACTOR = 4.0
"""What a Wh is worth more with each priority that is present above another."""
EARLY = 0.05
"""How much less a Wh is worth at the end of the horizon than now: nobody knows who will come."""
KEEP_VALUE = 0.4
"""What the minimum current of a car that is on is worth more than any current: nobody is switched off for little."""
FINISH_VALUE = 0.05
"""What current above it is worth more for a car that is on than for one that is not: what has begun is finished."""
DUE_VALUE = 2.0
"""What it is worth more for a car whose turn is due, or has only just begun."""
PRICE_SHARE = 0.9
"""What of a Wh's worth the dearest hour costs: a car of the cheap mode still charges then rather than leave without."""


def by_program(
    cars: Sequence[Car],
    started: Sequence[bool],
    network: Network,
    constraints: Sequence[Constraint],
    outlook: Outlook,
    history: History,
    settings: Settings,
    now_s: float,
    solve: Solve,
    seconds: float,
) -> Floats:
    """Return the target of each car in amperes, from the linear program. Raises :class:`SolverFailed`.

    ``started`` tells who charges, or shall from now on.
    """
    wanting = [i for i, car in enumerate(cars) if wants(car) and car.levels_a.size]
    targets = np.zeros(len(cars))
    if not wanting:
        return targets
    chosen = [cars[i] for i in wanting]
    many = len(chosen) > settings.groups
    edges = edges_s(settings.horizon_s, coarse=many)
    share, surely = presences(chosen, history, edges)
    last = int(np.max(np.flatnonzero(share.any(axis=0)), initial=0)) + 1
    edges, share, surely = edges[: last + 1], share[:, :last], surely[:, :last]
    group_of_car = np.arange(len(chosen), dtype=np.intp)
    if many:
        group_of_car = _membership(chosen, network.matrix[:, wanting], (share * surely) @ np.diff(edges))
    values = _values(chosen, [started[i] for i in wanting], settings, now_s)
    groups = _groups(
        chosen, group_of_car, share, surely, edges, network, wanting, constraints, outlook, settings, values
    )
    program, group_of = build(groups)
    found = solve(program, seconds)
    if found.shape != program.cost.shape or not np.all(np.isfinite(found)):
        raise SolverFailed("the solver returned no numbers")
    totals: Floats = np.zeros(groups.floor_a.size)
    np.add.at(totals, group_of, np.maximum(found[: group_of.size], 0.0))
    if not many:
        targets[wanting] = totals
    else:
        targets[wanting] = _shared(chosen, group_of_car, totals)
    return targets


def _membership(chosen: Sequence[Car], matrix: NDArray[np.complex128], expected_s: Floats) -> Indexes:
    """Return a group for each car: like constraints, priority and mode, and about as long to stay."""
    _, place = alike(matrix)
    stay = np.digitize(expected_s, (3600.0, 4 * 3600.0))
    keys = [
        (int(p), car.demand.priority, car.demand.mode.value, int(s), car.demand.weight)
        for p, car, s in zip(place, chosen, stay, strict=True)
    ]
    numbers = {key: n for n, key in enumerate(sorted(set(keys)))}
    return np.array([numbers[key] for key in keys], dtype=np.intp)


def _groups(
    chosen: Sequence[Car],
    membership: Indexes,
    share: Floats,
    surely: Floats,
    edges: Floats,
    network: Network,
    wanting: Sequence[int],
    constraints: Sequence[Constraint],
    outlook: Outlook,
    settings: Settings,
    values: tuple[Floats, Floats, Floats],
) -> Groups:
    count = int(membership.max()) + 1
    first = np.array([int(np.argmax(membership == g)) for g in range(count)])

    def total(values: Floats) -> Floats:
        return np.bincount(membership, weights=values, minlength=count).astype(float)

    most = np.array([min(car.demand.max_a, float(car.levels_a[-1])) for car in chosen])
    now_a = np.array([car.upper_a if car.may_charge else 0.0 for car in chosen])
    floor = np.array([car.floor_a if car.may_charge else 0.0 for car in chosen])
    held = np.array([max(0.0, min(car.upper_a, car.memory.current_a) - car.floor_a) for car in chosen])
    watts = np.array([car.watts_per_a for car in chosen])
    possible = share * most[:, None]
    possible[:, 0] = np.minimum(possible[:, 0], now_a)
    size = total(np.ones(len(chosen)))
    most_a = np.array([total(possible[:, t]) for t in range(share.shape[1])]).T
    weight, floor_factor, above_factor = values
    early = 1 - EARLY * edges[:-1] / settings.horizon_s
    value = weight[:, None] * early * surely * (1 - _price(chosen, outlook, edges))
    floor_value = value[:, 0] * floor_factor
    value[:, 0] *= above_factor
    grouped_value = np.array([total(value[:, t]) for t in range(share.shape[1])]).T / size[:, None]
    limits = np.array([[max(0.0, c.limit.mean(a, b)) for a, b in pairwise(edges)] for c in constraints]).reshape(
        len(constraints), edges.size - 1
    )
    if limits.size:
        limits[:, 0] = network.limits
        for row, constraint in enumerate(constraints):
            if constraint.name == SOLAR:
                limits[row] = np.maximum(limits[row], sum(car.grid_w for car in chosen))
    wanted = np.array([car.wanted_wh for car in chosen])
    matrix = network.matrix[:, wanting][:, first]
    return Groups(
        matrix, limits, most_a, grouped_value, watts[first], total(wanted), total(floor), total(floor_value) / size,
        total(held), np.diff(edges) / 3600.0,
    )  # fmt: skip


def _values(
    chosen: Sequence[Car], started: Sequence[bool], settings: Settings, now_s: float
) -> tuple[Floats, Floats, Floats]:
    """Return what a Wh is worth for each car, and how much more now as minimum current, and now above it."""
    ranks = {p: r for r, p in enumerate(sorted({car.demand.priority for car in chosen}))}
    weight = np.array([car.demand.weight * PRIORITY_FACTOR ** ranks[car.demand.priority] for car in chosen])
    floor, above = np.zeros(len(chosen)), np.zeros(len(chosen))
    for i, (car, on) in enumerate(zip(chosen, started, strict=True)):
        if car.idle or car.demand.mode in (Mode.CHEAP, Mode.SOLAR):
            continue
        first = car.minimum_is_free or turn_is_due(car, settings, now_s) or protected(car, settings, now_s)
        floor[i] = DUE_VALUE if first else KEEP_VALUE * on
        above[i] = FINISH_VALUE * on
    return weight, 1 + floor, 1 + above


def _price(chosen: Sequence[Car], outlook: Outlook, edges: Floats) -> Floats:
    """Return what a Wh costs in each step, as a share of its worth: only cars of the cheap mode mind."""
    steps = edges.size - 1
    cheap = np.array([car.demand.mode is Mode.CHEAP for car in chosen], dtype=float)
    if outlook.price_per_kwh is None or not cheap.any():
        return np.zeros((len(chosen), steps))
    prices = np.array([outlook.price_per_kwh.mean(a, b) for a, b in pairwise(edges)])
    spread = prices.max() - prices.min()
    scaled = (prices - prices.min()) / spread if spread > 0 else np.zeros(steps)
    return cheap[:, None] * PRICE_SHARE * scaled


def _shared(chosen: Sequence[Car], membership: Indexes, totals: Floats) -> Floats:
    """Share each group's current: minimum currents to who charges and who is urgent, the rest by urgency."""
    targets = np.zeros(len(chosen))
    urgency = [car.urgency for car in chosen]
    order = sorted(range(len(chosen)), key=lambda i: (not chosen[i].running, -urgency[i]))
    left = totals.copy()
    for i in order:
        car, group = chosen[i], int(membership[i])
        if car.may_charge and left[group] >= car.floor_a * 0.999:
            targets[i] = car.floor_a
            left[group] -= car.floor_a
    for i in sorted(order, key=lambda i: -urgency[i]):
        if targets[i] > 0:
            more = min(left[int(membership[i])], chosen[i].upper_a - targets[i])
            targets[i] += more
            left[int(membership[i])] -= more
    return targets


def by_water_filling(cars: Sequence[Car], network: Network) -> Floats:
    """Return targets without a solver: all rise together by weight until something is full, which stops its own."""
    upper = np.array([car.upper_a if car.may_charge and wants(car) else 0.0 for car in cars])
    speed = np.array([car.demand.weight * (0.2 + min(2.0, car.urgency)) if u > 0 else 0.0
                      for car, u in zip(cars, upper, strict=True)])  # fmt: skip
    load = np.abs(network.matrix)
    targets = np.zeros(len(cars))
    rising = upper > 0
    for _ in range(len(cars) + len(network.names)):
        if not rising.any():
            break
        pace = np.where(rising, speed, 0.0)
        fill = load @ pace
        free = network.limits - load @ targets
        with np.errstate(divide="ignore", invalid="ignore"):
            until_full = np.where(fill > 1e-12, np.maximum(free, 0.0) / fill, np.inf)
            until_upper = np.where(rising, (upper - targets) / np.maximum(pace, 1e-12), np.inf)
        advance = min(float(np.min(until_full, initial=np.inf)), float(until_upper.min()))
        targets = np.minimum(upper, targets + pace * advance)
        full = until_full <= advance + 1e-9
        rising &= ~(until_upper <= advance + 1e-9) & ~(load[full] > 0).any(axis=0)
    return targets
