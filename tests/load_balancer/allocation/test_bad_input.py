"""What no plan can be made from is refused by name; what is merely odd costs nothing."""

import math
from dataclasses import replace

import pytest

from agents.load_balancer.allocation.circuits import constraints
from agents.load_balancer.allocation.model import (
    PHASES,
    BadInput,
    CircuitLimit,
    Constraint,
    History,
    Outlook,
    Series,
    State,
)
from agents.load_balancer.planning.plan import plan
from tests.load_balancer.allocation.sites import demand, fuse

CAR = demand(
    "a",
    "L1",
    energy_wanted_wh=9_000.0,
    departure_s=9_000.0,
    drawn_a=6.0,
    offered_a=8.0,
    departure_error=0.1,
    not_after_s=9e3,
)
NUMBERS = [name for name in CAR.__dataclass_fields__ if isinstance(getattr(CAR, name), (int, float))]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_none_is_refused_by_name(name, value):
    with pytest.raises(BadInput, match=f"{name} of charger a is {value}"):
        plan([replace(CAR, **{name: value})], [], now_s=0.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"priority": 10}, "priority of charger a is 10: give a number, 0 to 9"),
        ({"max_a": -1.0}, "max_a of charger a is -1"),
        ({"energy_delivered_wh": -1.0}, "energy_delivered_wh"),
        ({"weight": 0.0}, "weight"),
        ({"phases": ()}, "phases of charger a"),
        ({"phases": ("L1", "L1")}, "phases of charger a"),
        ({"steps_a": (16.0, 8.0)}, "steps_a of charger a"),
        ({"steps_a": ()}, "steps_a of charger a"),
        ({"steps_a": (math.nan,)}, "steps_a of charger a"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(change, words):
    with pytest.raises(BadInput, match=words):
        plan([replace(CAR, **change)], [], now_s=0.0)


@pytest.mark.parametrize(
    "bad",
    [
        Constraint("x", {"a": 1}, Series(math.nan)),
        Constraint("x", {"a": 1}, Series(1.0, ((60.0, math.inf),))),
        Constraint("x", {"a": 1}, Series(1.0, ((60.0, 1.0), (30.0, 1.0)))),
        Constraint("x", {"a": complex(0, math.nan)}, Series(1.0)),
    ],
)
def test_a_limit_that_is_no_number_is_refused(bad):
    with pytest.raises(BadInput, match="x"):
        plan([CAR], [bad], now_s=0.0)


def test_what_is_named_twice_is_refused():
    with pytest.raises(BadInput, match="charger a is handed in twice"):
        plan([CAR, CAR], [], now_s=0.0)
    with pytest.raises(BadInput, match="two constraints are called phase L1"):
        plan([CAR], fuse("x", 10, [CAR])[:1] * 2, now_s=0.0)


@pytest.mark.parametrize(
    "options",
    [
        {"now_s": math.nan},
        {"now_s": 0.0, "period_s": 0.0},
        {"now_s": 0.0, "outlook": Outlook(price_per_kwh=Series(math.nan))},
        {"now_s": 0.0, "outlook": Outlook(solar_surplus_w=Series(math.nan))},
        {"now_s": 0.0, "history": History(stays_s=(-1.0,))},
    ],
)
def test_times_and_forecasts_are_checked(options):
    with pytest.raises(BadInput):
        plan([CAR], [], **options)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ([CircuitLimit("a", "b"), CircuitLimit("b", "a")], "is above itself"),
        ([CircuitLimit("a", "nowhere")], "circuit a is below nowhere"),
        ([CircuitLimit("a"), CircuitLimit("a")], "same name"),
        (
            [CircuitLimit("a", members=frozenset("x")), CircuitLimit("b", members=frozenset("x"))],
            "charger x is on circuits a and b",
        ),
    ],
)
def test_a_tree_that_is_none_is_refused(tree, words):
    with pytest.raises(BadInput, match=words):
        constraints(tree, [])


def test_a_tree_counts_what_is_below():
    cars = [demand("one", "L2"), demand("three", *PHASES)]
    tree = [
        CircuitLimit(
            "site", None, frozenset({"three"}), {"L1": Series(100.0), "L2": Series(100.0)}, limit_va=Series(9e3)
        ),
        CircuitLimit("row", "site", frozenset({"one", "absent"}), {"L2": Series(16.0)}),
    ]
    found = {each.name: each.coefficients for each in constraints(tree, cars)}
    assert found == {
        "phase L1 of circuit site": {"three": 1},
        "phase L2 of circuit site": {"one": 1, "three": 1},
        "the power limit of circuit site": {"one": 230, "three": 690},
        "phase L2 of circuit row": {"one": 1},
    }


@pytest.mark.parametrize("limit_a", [0.0, -20.0])
def test_a_limit_of_nothing_gives_nothing(limit_a):
    decided = plan([CAR], fuse("garage", limit_a, [CAR]), now_s=0.0)
    assert decided.current_a("a") == 0
    assert "phase L1 of circuit garage is full" in decided.grants["a"].explanation


@pytest.mark.parametrize("departure_s", [0.0, -5.0, -1e7])
def test_a_car_that_should_have_left_still_charges(departure_s):
    assert plan([replace(CAR, departure_s=departure_s, drawn_a=None)], [], now_s=0.0).current_a("a") == 32


def test_nobody_there():
    decided = plan([], fuse("garage", 10, []), now_s=0.0)
    assert decided.grants == {}
    assert decided.current_a("a") == 0


@pytest.mark.parametrize("now_s", [-1e9, 0.0, 99.0, 1e9])
def test_a_clock_that_jumps_switches_nobody_off_and_on(now_s):
    cars = [demand(f"c{n}", "L1", energy_delivered_wh=500.0, drawn_a=6.5) for n in range(4)]
    limits = fuse("garage", 13, cars)
    before = plan(cars, limits, State(), now_s=100.0)
    before = plan(cars, limits, before.state, now_s=110.0)
    after = plan(cars, limits, before.state, now_s=now_s)
    on = {name for name, grant in before.grants.items() if grant.current_a > 0}
    assert {name for name, grant in after.grants.items() if grant.current_a > 0} == on
    assert after.state.now_s == now_s
