"""What holds for every plan, whatever goes in, and also when the solver fails, is late, raises or lies."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.load_balancer.allocation.model import Demand, Method, Outlook, Plan, Reason, Series, Settings, State
from agents.load_balancer.planning.lp import Program, SolverFailed, highs
from agents.load_balancer.planning.plan import plan
from tests.load_balancer.allocation.sites import broken, demand, demands, fuse, networks

FEW = settings(max_examples=60, deadline=None)
OUTLOOK = Outlook(Series(0.3, ((3600.0, 0.1), (7200.0, -0.05))), Series(4000.0, ((1800.0, 0.0),)))


def fails(program: Program, seconds: float) -> np.ndarray:
    raise SolverFailed("made to fail")


def raises(program: Program, seconds: float) -> np.ndarray:
    raise RuntimeError("made to raise")


def lies(program: Program, seconds: float) -> np.ndarray:
    return np.full(program.cost.shape, 1e6)


def says_nothing(program: Program, seconds: float) -> np.ndarray:
    return np.full(program.cost.shape, np.nan)


SOLVERS = [highs, fails, raises, lies, says_nothing]


@st.composite
def sites(draw):
    cars = draw(demands())
    return cars, draw(networks([car.charger for car in cars]))


def allowed(car: Demand) -> set[float]:
    steps = car.steps_a or tuple(float(a) for a in range(1, 64))
    return {0.0, *(a for a in steps if car.min_a <= a <= car.max_a)}


@FEW
@given(sites(), st.sampled_from(SOLVERS), st.lists(st.floats(0, 4000), min_size=1, max_size=3))
def test_every_plan_keeps_every_constraint_and_offers_only_what_can_be_offered(site, solve, steps_s):
    cars, limits = site
    state, now_s = State(), 0.0
    for step_s in steps_s:
        now_s += step_s
        decided = plan(cars, limits, state, now_s=now_s, outlook=OUTLOOK, solve=solve)
        state = decided.state
        assert broken(decided, limits) == []
        assert set(decided.grants) == {car.charger for car in cars}
        for car in cars:
            assert decided.current_a(car.charger) in allowed(car)
            assert decided.grants[car.charger].explanation


@FEW
@given(sites(), st.randoms())
def test_the_order_in_which_things_are_handed_in_does_not_matter(site, random):
    cars, limits = site
    first = plan(cars, limits, now_s=0.0, outlook=OUTLOOK)
    shuffled = random.sample(cars, len(cars))
    again = plan(shuffled, limits, now_s=0.0, outlook=OUTLOOK)
    assert again.grants == first.grants


def test_of_equal_cars_the_same_ones_charge_in_any_order():
    cars = [demand(f"c{n}", "L1", energy_wanted_wh=9_000.0, departure_s=9_000.0) for n in range(6)]
    limits = fuse("garage", 20, cars)
    assert plan(cars[::-1], limits, now_s=0.0).grants == plan(cars, limits, now_s=0.0).grants


@FEW
@given(sites(), st.sampled_from([highs, fails]))
def test_the_constraint_that_is_named_is_one_that_binds(site, solve):
    cars, limits = site
    decided = plan(cars, limits, now_s=0.0, outlook=OUTLOOK, solve=solve)
    by_name = {limit.name: limit for limit in limits}
    for car in cars:
        grant = decided.grants[car.charger]
        if grant.reason not in (Reason.CONSTRAINT, Reason.WAITS_TURN) or grant.constraint is None:
            continue
        assert grant.constraint in grant.explanation
        above = min(a for a in allowed(car) if a > grant.current_a)
        more = {name: replace(g, current_a=above) if name == car.charger else g for name, g in decided.grants.items()}
        assert broken(replace(decided, grants=more), [by_name[grant.constraint]])


@FEW
@given(sites(), st.sampled_from([highs, fails]))
def test_nothing_is_left_that_a_car_could_have(site, solve):
    """Whoever wants energy as fast as it comes is only held by something that has a name."""
    cars, limits = site
    decided = plan(cars, limits, now_s=0.0, solve=solve)
    for car in cars:
        grant = decided.grants[car.charger]
        if grant.reason is Reason.WAITS_TURN:
            assert grant.constraint is not None


def twins(first: Plan, one: str, other: str) -> tuple[float, float]:
    return first.current_a(one), first.current_a(other)


@FEW
@given(sites(), st.integers(0, 8), st.sampled_from([highs, fails]))
def test_of_two_like_cars_the_one_with_priority_never_gets_less(site, priority, solve):
    cars, limits = site
    low = demand("x", "L1", priority=priority, energy_wanted_wh=9_000, departure_s=9_000)
    high = replace(low, charger="a", priority=9, session="other")
    limits = [replace(each, coefficients={**each.coefficients, "x": 1, "a": 1}) for each in limits]
    limits = [
        each for each in limits if all(complex(c).imag == 0 and complex(c).real > 0 for c in each.coefficients.values())
    ]
    decided = plan([*cars, low, high], limits, now_s=0.0, solve=solve)
    assert decided.current_a("a") >= decided.current_a("x")


@FEW
@given(st.integers(2, 9), st.integers(0, 40), st.sampled_from([highs, fails]))
def test_minimum_currents_go_by_priority(count, limit_a, solve):
    cars = [demand(f"c{n}", "L1", priority=n, energy_wanted_wh=9_000, departure_s=9_000) for n in range(count)]
    decided = plan(cars, fuse("garage", limit_a, cars), now_s=0.0, solve=solve, settings=Settings(few=9))
    charging = [decided.current_a(car.charger) > 0 for car in cars]
    assert charging == sorted(charging)
    assert sum(charging) == min(count, limit_a // 6)


@pytest.mark.parametrize("solve", SOLVERS)
def test_whatever_the_solver_does_the_current_is_used(solve):
    cars = [demand(f"c{n}", "L1", energy_wanted_wh=9_000, departure_s=9_000) for n in range(4)]
    decided = plan(cars, fuse("garage", 63, cars), now_s=0.0, solve=solve)
    assert sum(decided.current_a(car.charger) for car in cars) == 63
    assert (decided.method is Method.WATER_FILLING) == (solve in (fails, raises, says_nothing))
    assert bool(decided.note) == (decided.method is Method.WATER_FILLING)


def test_without_time_there_is_still_a_plan():
    cars = [demand(f"c{n}", "L1") for n in range(4)]
    decided = plan(cars, fuse("garage", 63, cars), now_s=0.0, remaining_s=lambda: 0.0)
    assert decided.method is Method.WATER_FILLING
    assert "no time" in decided.note
    assert sum(decided.current_a(car.charger) for car in cars) == 63


def test_many_cars_are_planned_in_groups_and_keep_the_limits():
    cars = [
        demand(f"c{n:02}", ("L1", "L2", "L3")[n % 3], energy_wanted_wh=9_000.0, departure_s=9_000.0) for n in range(40)
    ]
    limits = fuse("garage", 125, cars)
    decided = plan(cars, limits, now_s=0.0, settings=Settings(groups=10))
    assert decided.method is Method.LP
    assert broken(decided, limits) == []
    assert sum(decided.current_a(car.charger) for car in cars) == 375
