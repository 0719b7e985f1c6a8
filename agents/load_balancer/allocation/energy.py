"""How much energy a car still wants."""

from collections.abc import Sequence

import numpy as np

from agents.load_balancer.allocation.model import Demand

UNKNOWN_ENERGIES_WH = (5_000.0, 10_000.0, 15_000.0, 20_000.0, 30_000.0)
"""Energies assumed before there is history. Each past session counts as one more."""
MORE_WH = 3_000.0
"""Assumed to come for a car that has had more than all of history."""


def wanted_wh(demand: Demand, energies_wh: Sequence[float]) -> float:
    """Return the energy that the car still wants, 0 once its wish is fulfilled.

    Without a wish it is the mean of what those past sessions took beyond that took as much, never 0: those expected of
    this car, where there are any. Of them the upper half counts, because a car may have left before it was full: were
    the lower half believed, who got little once would be given little again.
    """
    if demand.energy_wanted_wh is not None:
        return max(0.0, demand.energy_wanted_wh - demand.energy_delivered_wh)
    expected = demand.energies_wh
    past = np.asarray(expected[len(expected) // 2 :] or (*UNKNOWN_ENERGIES_WH, *energies_wh))
    more = past[past > demand.energy_delivered_wh] - demand.energy_delivered_wh
    return float(more.mean()) if more.size else MORE_WH
