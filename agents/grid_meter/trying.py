"""What a person who tries a meter should be told: what contradicts itself, and what a load that was switched on shows.

Pure.
"""

from bus_schema.balancing import GridTelemetry

PHASES = ("L1", "L2", "L3")

LEAST_V, MOST_V = 90.0, 300.0
"""Between phase and neutral: from a supply of 100 V to one of 277 V, each with 10 %."""

SEEN_A = 2.0
"""A change that a household's other loads rarely make within some seconds; a kettle makes 8 A."""


def doubts(read: GridTelemetry) -> list[str]:
    """Say what does not make sense in a reading that could be published: voltages, and V·I against power."""
    found: list[str] = []
    apparent_va = 0.0
    for phase in PHASES:
        voltage, current = _voltage(read, phase), _current(read, phase)
        apparent_va += abs(voltage * current)
        if not LEAST_V <= voltage <= MOST_V:
            found.append(f"{phase} has {voltage:.0f} V: is the phase connected?")
    if read.power_w is not None and abs(read.power_w) > 1.1 * apparent_va + 50.0:
        found.append(f"{read.power_w:.0f} W is more than voltages and currents make ({apparent_va:.0f} VA)")
    return found


def verdict(before: GridTelemetry, after: GridTelemetry) -> tuple[bool, list[str]]:
    """Say what a load shows that was switched on between two readings, and whether signs are right.

    A load draws: where currents fall instead, the meter is taken the wrong way round, on all phases or on one. That
    the phases have their right names only the person knows who has switched the load on.
    """
    changes_a = {phase: _current(after, phase) - _current(before, phase) for phase in PHASES}
    risen = [phase for phase in PHASES if changes_a[phase] >= SEEN_A]
    fallen = [phase for phase in PHASES if changes_a[phase] <= -SEEN_A]
    told = [f"{phase} {changes_a[phase]:+.1f} A" for phase in (*risen, *fallen)]
    if not told:
        return False, [
            f"No phase has changed by {SEEN_A:.0f} A or more. Is the load on, and behind this meter? A meter that is "
            "not where the circuit begins does not see it."
        ]
    if fallen and not risen:
        return False, [
            ", ".join(told),
            "Currents fall where they should rise: the meter is mounted the other way round. Set inverted = true, "
            "unless a current transformer is the wrong way round.",
        ]
    if fallen:
        wrong = " and ".join(fallen)
        return False, [
            ", ".join(told),
            f"{wrong} fell while {' and '.join(risen)} rose: turn the current transformer of {wrong} round, or the "
            "meter's inputs of current and voltage are not of the same phase.",
        ]
    power = "" if before.power_w is None or after.power_w is None else f", {after.power_w - before.power_w:+.0f} W"
    return True, [
        ", ".join(told) + power,
        f"Signs are right. Is the load connected to {' and '.join(risen)}? If to another phase, set phase_order.",
    ]


def _current(read: GridTelemetry, phase: str) -> float:
    return float(getattr(read, f"current_{phase.lower()}_a") or 0.0)


def _voltage(read: GridTelemetry, phase: str) -> float:
    return float(getattr(read, f"voltage_{phase.lower()}_v") or 0.0)
