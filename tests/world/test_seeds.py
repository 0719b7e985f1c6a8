"""Short worlds in which everything goes wrong. A failing seed is printed with the command that replays it.

Invariants 3, 4, 5, 7 and 11, and what the virtual pilot shows of 1 and the bus of 9, are checked in every step:
see ``tests/world/checks``. Thousands of seeds: ``python -m tests.world --campaign 3000``.
"""

import pytest

from tests.world.campaign import replay_command, run_many
from tests.world.faults import KINDS
from tests.world.seeds import PARTS, seeds_of_this_run
from tests.world.world import Plan

SEEDS = 60


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
def test_no_seed_breaks_an_invariant(part: int) -> None:
    plans = [Plan(seed, minutes=10.0) for seed in seeds_of_this_run(10_001, SEEDS, part)]
    failed = [result.text for result in run_many(plans, processes=1) if not result.ok]
    assert not failed, "\n\n".join(failed)


@pytest.mark.parametrize("kind", KINDS)
def test_each_fault_alone(kind: str) -> None:
    """What is found here has one cause."""
    results = list(run_many([Plan(seed, minutes=5.0, faults=frozenset({kind})) for seed in (1, 2)], processes=1))
    assert all(result.ok for result in results), "\n\n".join(result.text for result in results)


def test_every_commit_tries_worlds_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_seeds() -> list[int]:
        return sorted(seed for part in range(PARTS) for seed in seeds_of_this_run(1, 30, part))

    monkeypatch.delenv("CHARGEBUS_SEED", raising=False)
    monkeypatch.delenv("CHARGEBUS_WORLDS", raising=False)
    assert all_seeds() == list(range(1, 31))
    monkeypatch.setenv("CHARGEBUS_SEED", "2")
    assert all_seeds() == list(range(61, 91))
    monkeypatch.setenv("CHARGEBUS_WORLDS", "4")
    assert all_seeds() == list(range(241, 361))


def test_the_replay_command_names_everything_that_differs() -> None:
    assert replay_command(Plan(7)) == "python -m tests.world --seed 7"
    plan = Plan(7, chargers=3, minutes=2.5, faults=frozenset({"kill", "busy"}))
    assert replay_command(plan) == "python -m tests.world --seed 7 --chargers 3 --minutes 2.5 --faults busy,kill"
    assert replay_command(Plan(7, faults=frozenset())).endswith("--faults none")
