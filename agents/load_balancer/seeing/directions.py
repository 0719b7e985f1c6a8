"""Which way the currents of a grid meter flow, where it gives them without a sign (C6).

Meters behind a Dutch P1 port, and many others, give amperes as amounts; only their power is negative when the site
feeds in. Pure.
"""

from collections.abc import Sequence
from itertools import product

NOISE_W = 150.0
NOISE_SHARE = 0.15
"""Power and the sum of volts times amperes may differ by so much: power factor, and moments of measuring."""


def directed(currents_a: Sequence[float], voltages_v: Sequence[float], power_w: float, step_a: float) -> list[float]:
    """Return the currents with the signs that the power demands, as they are where it demands none.

    ``currents_a`` and ``voltages_v`` are those of the phases, ``power_w`` is the sum that the meter says, negative when
    the site feeds in; ``step_a`` is what the meter rounds currents to. Signs change only where no current has one and
    exactly one choice fits the power: a current that is wrongly counted as fed in would free what is not there.
    """
    if min(currents_a) < 0:
        return list(currents_a)
    watts = [current_a * volts for current_a, volts in zip(currents_a, voltages_v, strict=True)]
    tolerance_w = NOISE_W + NOISE_SHARE * sum(watts) + step_a / 2 * sum(voltages_v)
    if abs(sum(watts) - power_w) <= tolerance_w:
        return list(currents_a)
    choices = [[1.0, -1.0] if value > 0 else [1.0] for value in watts]
    fitting = [
        signs
        for signs in product(*choices)
        if abs(sum(sign * value for sign, value in zip(signs, watts, strict=True)) - power_w) <= tolerance_w
    ]
    if len(fitting) != 1:
        return list(currents_a)
    return [sign * current_a for sign, current_a in zip(fitting[0], currents_a, strict=True)]
