"""The plan: checks, targets, whose turn, currents, reasons, memory."""

from collections.abc import Callable, Collection, Sequence

import numpy as np

from agents.load_balancer.allocation.cars import Car, choosy, prepare, wants
from agents.load_balancer.allocation.model import (
    BadInput,
    Constraint,
    Demand,
    History,
    Method,
    Outlook,
    Plan,
    Settings,
    State,
)
from agents.load_balancer.allocation.network import Floats, Network
from agents.load_balancer.allocation.solar import by_the_sun, solar_constraints
from agents.load_balancer.planning.checking import check_constraints, check_demands, check_outlook
from agents.load_balancer.planning.evening import evened
from agents.load_balancer.planning.explaining import explain
from agents.load_balancer.planning.filling import Filling
from agents.load_balancer.planning.lp import Solve, SolverFailed, highs
from agents.load_balancer.planning.memory import next_state, with_seen
from agents.load_balancer.planning.targets import by_program, by_water_filling
from agents.load_balancer.planning.turns import admission, starting

SOLVER_SHARE = 0.7
"""Of the time that is left when the solver starts, what it may take."""
SOLVER_MAX_S = 5.0
"""The solver's time when the caller sets none."""


def plan(
    demands: Sequence[Demand],
    constraints: Sequence[Constraint],
    state: State | None = None,
    *,
    now_s: float,
    period_s: float = 10.0,
    outlook: Outlook | None = None,
    history: History | None = None,
    settings: Settings | None = None,
    remaining_s: Callable[[], float] | None = None,
    solve: Solve = highs,
    hold: bool = False,
) -> Plan:
    """Return a current for every demand, which keeps every constraint, with reasons.

    ``now_s`` is any count of seconds; when it goes back or jumps, nothing is taken to have lasted. ``period_s`` is the
    time until the next plan. ``remaining_s`` tells the seconds left until the plan must be there: when the solver does
    not finish within them, or fails in any way, the plan is made by water-filling. With ``hold`` nobody gets more than
    they had, newcomers get a minimum current if there is room, and what is too much is cut from the least urgent: that
    takes no solver and disturbs few. Raises :class:`BadInput`.
    """
    outlook, history, settings = outlook or Outlook(), history or History(), settings or Settings()
    if not np.isfinite(now_s) or not np.isfinite(period_s) or period_s <= 0:
        raise BadInput(f"now_s is {now_s} and period_s {period_s}: give finite seconds, a period above 0")
    check_demands(demands)
    check_constraints(constraints)
    check_outlook(outlook, history)
    state = with_seen(state or State(), demands, now_s)
    past = History((*history.stays_s, *state.seen.stays_s), (*history.energies_wh, *state.seen.energies_wh))
    cars = by_the_sun(prepare(demands, state, past, settings, now_s, period_s), outlook, settings, now_s)
    every = [*constraints, *solar_constraints(cars, outlook)]
    network = Network.of(every, [car.demand.charger for car in cars])
    started = starting(cars, network, settings)
    if hold:
        filling = _hold(cars, network, started, outlook, settings, now_s)
        return Plan(
            explain(cars, filling, settings), Method.HOLD, "", next_state(state, cars, filling.currents_a, now_s)
        )
    method, note = Method.LP, ""
    try:
        seconds = SOLVER_MAX_S if remaining_s is None else SOLVER_SHARE * remaining_s()
        targets = by_program(cars, started, network, every, outlook, past, settings, now_s, solve, seconds)
        targets = evened(cars, network, targets)
    except (SolverFailed, ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError) as problem:
        # Whatever breaks in the solver costs quality for one period, never a plan.
        method, note = Method.WATER_FILLING, f"{type(problem).__name__}: {problem}"
        targets = by_water_filling(cars, network)
    waiting = {i for i, car in enumerate(cars) if method is Method.LP and wants(car) and choosy(car, outlook)}
    filling = _fill(cars, network, targets, started, waiting, settings, now_s)
    grants = explain(cars, filling, settings)
    return Plan(grants, method, note, next_state(state, cars, filling.currents_a, now_s))


def _hold(
    cars: Sequence[Car],
    network: Network,
    started: Sequence[bool],
    outlook: Outlook,
    settings: Settings,
    now_s: float,
) -> Filling:
    targets = np.zeros(len(cars))
    for i, (car, starts) in enumerate(zip(cars, started, strict=True)):
        if car.running:
            targets[i] = min(car.memory.current_a, car.upper_a)
        elif starts and (car.minimum_is_free or not car.memory.served) and not choosy(car, outlook):
            targets[i] = car.floor_a
    first, later = admission(cars, targets, started, (), settings, now_s)
    kept = [i for i in (*first, *later) if targets[i] > 0]
    filling = Filling(cars, network)
    filling.admit(kept)
    order = sorted(kept, key=lambda i: (-cars[i].demand.priority, -cars[i].urgency, i))
    filling.raise_to(order, targets)
    filling.raise_to(order, np.array([min(car.memory.current_a, car.beyond_a) for car in cars]))
    return filling


def _fill(
    cars: Sequence[Car],
    network: Network,
    targets: Floats,
    started: Sequence[bool],
    waiting: Collection[int],
    settings: Settings,
    now_s: float,
) -> Filling:
    filling = Filling(cars, network)
    first, later = admission(cars, targets, started, waiting, settings, now_s)
    upper = np.array([targets[i] if i in waiting else car.upper_a for i, car in enumerate(cars)])
    filling.admit(first)
    short = sorted(first, key=lambda i: (-cars[i].demand.priority, -float(targets[i]), i))
    filling.raise_to(short, np.minimum(targets, upper))
    filling.raise_by_levels(short, np.minimum(np.ceil(targets - 1e-6), upper))
    filling.raise_by_levels(sorted(short, key=lambda i: (-cars[i].demand.priority, -cars[i].urgency, i)), upper)
    # What they cannot use, others can.
    filling.admit(later)
    filling.raise_by_levels([i for i in later if wants(cars[i])], upper)
    filling.raise_by_levels([i for i in later if not wants(cars[i])], upper)
    beyond = np.array([0.0 if i in waiting else car.beyond_a for i, car in enumerate(cars)])
    filling.raise_by_levels([i for i in (*first, *later) if wants(cars[i])], beyond)
    return filling
