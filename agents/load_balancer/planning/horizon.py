"""The hours ahead, in steps that grow."""

import numpy as np

from agents.load_balancer.allocation.network import Floats

FINE_S = (300, 300, 600, 600, 900, 900, 1800, 1800, 1800)
COARSE_S = (300, 900, 1800, 3600, 3600)
"""For many chargers: fewer steps, since each costs all of them."""
HOUR_S = 3600.0


def edges_s(horizon_s: float, coarse: bool) -> Floats:
    """Return the edges of the steps from 0 to at least ``horizon_s``: minutes first, hours later."""
    lengths = [float(s) for s in (COARSE_S if coarse else FINE_S)]
    last = (3 if coarse else 1) * HOUR_S
    while sum(lengths) < horizon_s:
        lengths.append(last)
    return np.concatenate([[0.0], np.cumsum(lengths)])
