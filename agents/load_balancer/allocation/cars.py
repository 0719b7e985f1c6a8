"""What the allocation works with: each demand together with what is remembered and expected of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from agents.load_balancer.allocation.energy import wanted_wh
from agents.load_balancer.allocation.model import Demand, History, Memory, Mode, Outlook, Settings, State
from agents.load_balancer.allocation.network import Floats
from agents.load_balancer.allocation.staying import CROWDING, USUAL_STAY_S, expected_stay_s, presence

ON_A = 0.5
"""A car that draws less is taken to draw nothing."""
FINE = 4
"""Points in time that a step of the horizon is looked at."""
SOON_S = 300.0
"""Nobody is taken to leave sooner: who should have left by now has no more than this to lose."""
UNLIKELY = 0.01
"""Whoever is there with less probability is not planned for."""
PROBE_S = 240.0
"""A car that draws less than it was offered is offered more again no sooner than this, and only what nobody else needs:
what it takes may have changed."""
PROBE_IDLE_S = 60.0
"""The same for one that draws nothing: it may need more to begin."""
EARLY_SHARE = 0.1
"""A car is hardly expected to leave before this share of its stays was over."""
SETTLE_S = 15.0
"""After its offer was raised a car may take this long to follow (IEC 61851-1 allows 5 s, some need longer)."""


@dataclass(frozen=True, slots=True)
class Car:
    """One demand, ready to be planned."""

    demand: Demand
    memory: Memory
    levels_a: Floats
    """What can be offered besides 0, ascending; empty if nothing can."""
    upper_a: float
    """The most to offer now: draw, ramp and what is left to charge considered."""
    beyond_a: float
    """The most to offer of what nobody else needs: what it draws now does not limit that."""
    wanted_wh: float
    watts_per_a: float
    error: float
    idle: bool
    """Has drawn nothing of what was offered for a while."""
    stay_s: float
    """Roughly how long it stays, from plug-in to plug-out."""
    urgency: float
    """The share of its remaining time that it must charge at its most; 1 and more: no time to lose."""
    shaded: bool = False
    """Waits for the sun."""
    grid_w: float = 0.0
    """What it is given of its minimum whether the sun brings it or not."""
    sun: str = ""
    """What keeps it from charging by the sun, or on without it, in words."""

    @property
    def running(self) -> bool:
        """Was let charge by the last plan."""
        return self.memory.current_a > 0

    @property
    def floor_a(self) -> float:
        """The least current that can be offered."""
        return float(self.levels_a[0])

    @property
    def minimum_is_free(self) -> bool:
        """Whether its minimum current counts against the limits, whether it gets it or not; the sun is never free."""
        return (
            bool(self.levels_a.size) and self.floor_a <= self.demand.reserved_a and self.demand.mode is not Mode.SOLAR
        )

    @property
    def scheduled_now(self) -> bool:
        """Whether its schedule lets it charge now."""
        after = self.demand.not_after_s
        return self.demand.not_before_s <= 0 and (after is None or after > 0)

    @property
    def may_charge(self) -> bool:
        """Whether it can be offered anything now."""
        able = bool(self.levels_a.size) and self.upper_a >= self.floor_a
        return able and self.scheduled_now and not self.shaded

    def level_below(self, current_a: float) -> float:
        """Return the highest level of at most ``current_a``; 0 if there is none."""
        at = int(np.searchsorted(self.levels_a, current_a + 1e-9, side="right"))
        return float(self.levels_a[at - 1]) if at else 0.0

    def level_above(self, current_a: float) -> float | None:
        """Return the next level above ``current_a``, whatever ``upper_a`` is; None at the highest."""
        at = int(np.searchsorted(self.levels_a, current_a + 1e-9, side="right"))
        return float(self.levels_a[at]) if at < self.levels_a.size else None


def prepare(
    demands: Sequence[Demand], state: State, history: History, settings: Settings, now_s: float, period_s: float
) -> list[Car]:
    """Return the cars in the order of their chargers' names, so that the order handed in does not matter."""
    levels: dict[tuple[float, float], Floats] = {}
    return [
        _car(demand, state.chargers, history, settings, now_s, period_s, levels)
        for demand in sorted(demands, key=lambda demand: demand.charger)
    ]


def _car(
    demand: Demand,
    memories: Mapping[str, Memory],
    history: History,
    settings: Settings,
    now_s: float,
    period_s: float,
    known_levels: dict[tuple[float, float], Floats],
) -> Car:
    memory = memories.get(demand.charger)
    if memory is None or memory.session != demand.session:
        memory = Memory(demand.session, demand.offered_a or 0.0, now_s, now_s - settings.raise_wait_s, drew_s=now_s)
        if demand.energy_delivered_wh > 0:
            memory = replace(memory, served=True)
    elif demand.offered_a is not None and demand.offered_a < memory.current_a:
        memory = replace(memory, current_a=demand.offered_a)
    memory = _drawing(demand, memory, settings, now_s)
    levels_a = _levels(demand, settings, known_levels)
    if memory.least_a is not None:
        levels_a = levels_a[levels_a > memory.least_a]
    watts_per_a = demand.voltage_v * len(demand.phases)
    left_wh = wanted_wh(demand, history.energies_wh)
    upper_a = beyond_a = float(levels_a[-1]) if levels_a.size else 0.0
    if levels_a.size:
        floor_a = float(levels_a[0])
        upper_a = min(upper_a, _ramp(memory, floor_a, settings, now_s, period_s))
        if demand.energy_wanted_wh is not None and left_wh > 0:
            # Within one period it can take no more than this; the rest would lie idle.
            upper_a = min(upper_a, max(floor_a, np.ceil(left_wh * 3600.0 / period_s / watts_per_a)))
        beyond_a = upper_a
        if memory.cap_a is not None:
            # Up to a whole level: an offer that is just what the car draws would not show that it draws no more.
            at = min(int(np.searchsorted(levels_a, memory.cap_a - 1e-9)), levels_a.size - 1)
            upper_a = min(upper_a, float(levels_a[at]))
            beyond_a = _beyond(memory, upper_a, beyond_a, now_s)
    error = _error(demand, settings)
    idle = now_s - memory.drew_s >= settings.idle_s
    stay_s = _stay_s(demand)
    full_w = max(1.0, watts_per_a * min(demand.max_a, float(levels_a[-1]))) if levels_a.size else 1.0
    left_s = max(SOON_S, stay_s * (1 - error / 2) - demand.session_s)
    urgency = left_wh * 3600.0 / full_w / left_s
    return Car(demand, memory, levels_a, upper_a, beyond_a, left_wh, watts_per_a, error, idle, stay_s, urgency)


def _error(demand: Demand, settings: Settings) -> float:
    """Return by which share of its stay a car may leave earlier than is expected."""
    if demand.departure_s is None and demand.stays_s:
        stay_s = expected_stay_s(demand.stays_s, demand.session_s, 0.5)
        return 1 - expected_stay_s(demand.stays_s, demand.session_s, EARLY_SHARE) / stay_s
    return settings.departure_error if demand.departure_error is None else demand.departure_error


def _stay_s(demand: Demand) -> float:
    if demand.departure_s is None and demand.stays_s:
        return expected_stay_s(demand.stays_s, demand.session_s, 0.5)
    if demand.departure_s is None:
        return max(demand.session_s, USUAL_STAY_S)
    return demand.session_s + max(0.0, demand.departure_s)


def _levels(demand: Demand, settings: Settings, known: dict[tuple[float, float], Floats]) -> Floats:
    if demand.steps_a is not None:
        steps = np.asarray(demand.steps_a)
        chosen: Floats = steps[(steps >= demand.min_a) & (steps <= demand.max_a)]
        return chosen
    key = (demand.min_a, demand.max_a)
    if key not in known:
        step = settings.resolution_a
        first, last = np.ceil(demand.min_a / step - 1e-9), np.floor(demand.max_a / step + 1e-9)
        known[key] = np.arange(first, last + 1) * step
    return known[key]


def _drawing(demand: Demand, memory: Memory, settings: Settings, now_s: float) -> Memory:
    """Learn from what the car draws: less than offered is a cap, all of it lifts the cap."""
    drawn_a, offered_a = demand.drawn_a, memory.current_a
    if drawn_a is None or offered_a <= 0:
        return replace(memory, drew_s=now_s if offered_a <= 0 else memory.drew_s) if drawn_a is not None else memory
    memory = _beginning(memory, drawn_a, settings, now_s)
    if drawn_a >= offered_a - settings.draw_margin_a / 2:
        return replace(memory, cap_a=None)
    if now_s - memory.raised_s < SETTLE_S or drawn_a >= offered_a - settings.draw_margin_a:
        return memory
    cap_a = drawn_a + settings.draw_margin_a
    if memory.cap_a is not None and memory.cap_a - settings.draw_margin_a < cap_a <= memory.cap_a:
        # What wavers by less than the margin is the same: the offer does not waver with it.
        return memory
    return replace(memory, cap_a=cap_a)


def _beginning(memory: Memory, drawn_a: float, settings: Settings, now_s: float) -> Memory:
    """Learn how much the car must be offered to begin: some take nothing at 6 A, and say nothing about it."""
    offered_a = memory.current_a
    if drawn_a >= ON_A:
        took_a = offered_a if memory.took_a is None else min(memory.took_a, offered_a)
        refused_a = None if memory.refused_a is not None and memory.refused_a >= took_a else memory.refused_a
        return replace(memory, drew_s=now_s, took_a=took_a, refused_a=refused_a)
    refused = now_s - max(memory.raised_s, memory.drew_s) >= settings.idle_s
    if refused and (memory.took_a is None or offered_a < memory.took_a):
        return replace(memory, refused_a=max(memory.refused_a or 0.0, offered_a))
    return memory


def _beyond(memory: Memory, upper_a: float, most_a: float, now_s: float) -> float:
    """Return what a car that draws less than it was offered may be offered of what nobody else needs."""
    if memory.current_a > upper_a:
        return min(memory.current_a, most_a)
    wait_s = PROBE_IDLE_S if now_s - memory.drew_s >= PROBE_IDLE_S else PROBE_S
    return most_a if now_s - max(memory.raised_s, memory.cut_s) >= wait_s else upper_a


def _ramp(memory: Memory, floor_a: float, settings: Settings, now_s: float, period_s: float) -> float:
    """Return how far the current may have risen by now: after a cut not at all for a while, then slowly."""
    if memory.current_a <= 0:
        return max(floor_a, settings.raise_a_per_s * period_s)
    if now_s - memory.cut_s < settings.raise_wait_s:
        return max(floor_a, memory.current_a)
    return max(floor_a, memory.current_a + settings.raise_a_per_s * period_s)


def presences(cars: Sequence[Car], history: History, edges_s: Floats) -> tuple[Floats, Floats]:
    """Return for each car and step of the horizon the share of it that it may charge in, and how surely it is there."""
    fine = np.linspace(0.0, 1.0, FINE + 1)[:-1] + 0.5 / FINE
    times = (edges_s[:-1, None] + np.diff(edges_s)[:, None] * fine).ravel()
    demands = [car.demand for car in cars]
    there = presence(
        np.array([d.session_s for d in demands]),
        np.array([np.nan if d.departure_s is None else d.departure_s for d in demands]),
        # Who waits for a cheap hour must not gamble on leaving later than told.
        np.array([0.0 if car.demand.mode is Mode.CHEAP else car.error for car in cars]),
        # Who waits for a cheap hour does not mind who else may come until then.
        np.array([0.0 if d.mode is Mode.CHEAP else CROWDING for d in demands]),
        history.stays_s,
        times,
        [d.stays_s if d.departure_s is None else () for d in demands],
    )
    for i, demand in enumerate(demands):
        after = demand.not_after_s
        if demand.not_before_s > 0 or after is not None:
            there[i] *= (times >= demand.not_before_s) & (times < (np.inf if after is None else after))
    there = there.reshape(len(cars), -1, FINE)
    possible = (there > UNLIKELY).sum(axis=2)
    return possible / FINE, there.sum(axis=2) / np.maximum(possible, 1)


def choosy(car: Car, outlook: Outlook) -> bool:
    """Whether the car charges only when the program says so: it waits for a cheap hour, and knows until when."""
    demand = car.demand
    known = demand.energy_wanted_wh is not None and demand.departure_s is not None
    return demand.mode is Mode.CHEAP and known and outlook.price_per_kwh is not None


def wants(car: Car) -> bool:
    """Whether the car is to be planned for: its wish is open. A fulfilled one gets what nobody else wants."""
    return car.wanted_wh > 0
