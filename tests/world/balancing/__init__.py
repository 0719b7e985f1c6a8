"""Balanced sites in the simulated world: the real load balancer, real charger apps, and everything that goes wrong.

``python -m tests.world.balancing --seed N`` replays one; ``--campaign 10000`` runs many and counts violations of
invariant 2. A site of a few chargers on a random tree, with random phases, contracts, transformers and meters, is drawn
from the seed; so are the faults, whether a second balancer is started by mistake, and whether the planner is the real
one or one that asks for anything.
"""

from tests.world.balancing.running import Result, many, run
from tests.world.balancing.scenario import Outcome, Scenario
from tests.world.balancing.world import BalancedWorld

__all__ = ["BalancedWorld", "Outcome", "Result", "Scenario", "many", "run"]
