"""Running balanced worlds: one, or many one after the other or on several processes."""

import gc
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.world.balancing.scenario import Outcome, Scenario
from tests.world.balancing.world import BalancedWorld
from tests.world.campaign import impatience
from tests.world.checks.base import Violation


@dataclass(frozen=True)
class Result:
    """How a balanced world went."""

    scenario: Scenario
    outcome: Outcome | None
    problem: str
    trace: tuple[str, ...] = ()


def run(scenario: Scenario, before: Callable[[BalancedWorld], None] | None = None) -> Result:
    """Run a world to its end or its first violation; whatever else is raised is raised here."""
    with impatience(), BalancedWorld(scenario) as world:
        if before is not None:
            before(world)
        try:
            return Result(scenario, world.run_all(), "", tuple(world.trace.lines))
        except Violation as violation:
            return Result(scenario, None, f"Violation: {violation}", tuple(world.trace.lines))


def many(scenarios: Sequence[Scenario], processes: int = 1) -> Iterator[Result]:
    """Run worlds, on several processes if more than one is wanted; results come as they are ready."""
    if processes == 1:
        yield from map(tried, scenarios)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(tried, scenarios, chunksize=4)


def tried(scenario: Scenario) -> Result:
    """Run a world. An error of the code under test is a failure of its seed."""
    # A world is thrown away as a whole: looking for garbage within one only takes time.
    gc.disable()
    try:
        return run(scenario)
    except Exception as error:  # noqa: BLE001 - whatever is raised is a failure of this seed
        return Result(scenario, None, f"{type(error).__name__}: {error}")
    finally:
        gc.enable()
        gc.collect()
