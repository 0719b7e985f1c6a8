"""Invariant 2 in the simulated world: the real balancer, real charger apps, and everything that goes wrong.

Ten thousand scenarios of ten minutes: ``python -m tests.world.balancing --campaign 10000``.
"""

import pytest

from tests.world.balancing import Scenario, many, run
from tests.world.balancing.mutations import MUTATIONS, caught
from tests.world.faults import KINDS
from tests.world.seeds import PARTS, seeds_of_this_run

SEEDS, MINUTES = 60, 3.0


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
def test_no_scenario_exceeds_a_limit(part: int) -> None:
    scenarios = [Scenario(seed, minutes=MINUTES, settle=False) for seed in seeds_of_this_run(20_001, SEEDS, part)]
    failed = [
        f"{result.problem}\nreplay: python -m tests.world.balancing --seed {result.scenario.seed} --minutes {MINUTES:g}"
        for result in many(scenarios)
        if not result.outcome
    ]
    assert not failed, "\n".join(failed)


def test_settings_change_between_two_lives() -> None:
    """Leases, limits, fallbacks, rotations, volts and the tree: what was granted before counts until it has ended."""
    changes = 0
    for seed in (4, 5, 6):
        result = run(Scenario(seed, minutes=5.0, twin="none", planner="random", settle=False, changing=True))
        assert result.outcome is not None, result.problem
        changes += result.outcome.changes
    assert changes > 3


@pytest.mark.parametrize("twin", ["foreign", "same"])
def test_two_balancers_by_mistake(twin: str) -> None:
    """One on a database of its own, one on the same: together they exceed nothing, and one of them acts."""
    for seed in (1, 2):
        outcome = run(Scenario(seed, minutes=4.0, twin=twin, planner="random", settle=False)).outcome
        assert outcome is not None and outcome.orders > 5


@pytest.mark.parametrize("kind", ["kill", "partition", "power", "hang", "duplicate", "delay", "broker"])
def test_each_fault_alone(kind: str) -> None:
    assert kind in KINDS
    result = run(Scenario(5, minutes=4.0, faults=frozenset({kind}), twin="none", planner="random", settle=False))
    assert result.outcome is not None, result.problem


def test_without_trouble_the_limits_are_used() -> None:
    """A balancer that never granted anything would be safe, too."""
    table = {
        "circuits": {"main": {"limit_a": 40.0}},
        "chargers": {f"c{n}": {"circuit": "main", "fallback_a": 0.0} for n in range(1, 5)},
    }
    outcome = run(Scenario(3, faults=frozenset(), twin="none", planner="real", table=table)).outcome
    assert outcome is not None and outcome.fullest > 0.85


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_the_safety_layer_without_one_of_its_clauses_is_caught(mutation) -> None:  # type: ignore[no-untyped-def]
    hunt = MUTATIONS[mutation]
    # The first seed is one in which it is known to be caught; a change of the balancer may move that elsewhere.
    problems = (caught(mutation, hunt, seed) for seed in (hunt.seed, *range(1, hunt.most)))
    problem = next(filter(None, problems), "")
    assert problem.startswith("Violation: invariant 2"), f"{mutation.__doc__} Nothing was noticed."
