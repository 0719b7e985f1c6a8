"""What a meter tells at once; the ``Reading`` of the seam."""

from collections import namedtuple

Reading = namedtuple("Reading", ("voltage_v", "current_a", "power_w", "energy_wh"))
"""V and A per phase as tuples, W of all phases, and the meter's lifetime register as whole Wh."""

MAX_VOLTAGE_V, MAX_CURRENT_A, MAX_POWER_W = 500.0, 1000.0, 1_000_000.0
MAX_ENERGY_KWH = 10_000_000.0
"""Beyond any meter that these drivers know; what lies outside was misread."""


def within(value: float, lowest: float, highest: float) -> bool:
    """Whether a value can be one. NaN compares false with everything, so it cannot."""
    return lowest <= value <= highest
