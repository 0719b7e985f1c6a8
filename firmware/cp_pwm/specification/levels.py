"""Which state a positive plateau of the pilot means."""

A, B, C, D, E, F, UNKNOWN = "A", "B", "C", "D", "E", "F", "unknown"

STATES = (A, B, C, D, E, F, UNKNOWN)
"""All states, in the order of the native module's numbers."""

NOMINAL_MV = {A: 12_000, B: 9_000, C: 6_000, D: 3_000, E: 0, F: -12_000}
"""Nominal plateaus (OE). mV."""

ENTER_MV = 1_100
"""Distance from nominal within which a level is taken for a state (Y). mV."""

STAY_MV = 1_300
"""Distance within which a level stays what it was: hysteresis, so that noise on an edge does not flicker (ours; WB has
10 % of the resistance). Two bands stay 400 mV apart. mV."""


def classify(high_mv: int, before: str) -> str:
    """Return the state that ``high_mv`` means, given what it meant before; what fits no band is unknown."""
    if before != UNKNOWN and abs(high_mv - NOMINAL_MV[before]) <= STAY_MV:
        return before
    for state, nominal_mv in NOMINAL_MV.items():
        if abs(high_mv - nominal_mv) <= ENTER_MV:
            return state
    return UNKNOWN
