"""Faults that the native module finds by itself, as bits; their names are the contract's."""

PILOT_SHORT = 1 << 0
DIODE_MISSING = 1 << 1
VENTILATION_REQUIRED = 1 << 2
CABLE_SHORT = 1 << 3
RESIDUAL_CURRENT = 1 << 4
RESIDUAL_CURRENT_SELF_TEST = 1 << 5
CONTACTOR_WELDED = 1 << 6
CONTACTOR_STUCK_OPEN = 1 << 7
HEARTBEAT_LOST = 1 << 8
OVER_TEMPERATURE = 1 << 9
EMERGENCY_STOP = 1 << 10
GROUND_LOST = 1 << 11

NAMES = (
    "pilot_short",
    "diode_missing",
    "ventilation_required",
    "cable_short",
    "residual_current",
    "residual_current_self_test",
    "contactor_welded",
    "contactor_stuck_open",
    "heartbeat_lost",
    "over_temperature",
    "emergency_stop",
    "ground_lost",
)
"""Word of the contract for each bit, lowest first."""


def fault_names(faults: int) -> tuple[str, ...]:
    """Return the words for the bits that are set, lowest first."""
    return tuple(name for bit, name in enumerate(NAMES) if faults >> bit & 1)
