"""Every fault: what it forbids while it stands, and what ends it. One row for each word of the contract.

The comment at a row is the OCPP 1.6 error code that the contract gives it, then where the rule is from: OE open_evse
8.2.3, SE SmartEVSE-3.5, WB Tinkerforge evse-v2-bricklet, EV EVerest, ours where none of them has one. It stands in a
comment because the charger itself has no use for it and little memory.
"""

from .contract import (
    FAULT_CABLE_SHORT,
    FAULT_CONTACTOR_STUCK_OPEN,
    FAULT_CONTACTOR_WELDED,
    FAULT_DIODE_MISSING,
    FAULT_EMERGENCY_STOP,
    FAULT_GROUND_LOST,
    FAULT_HEARTBEAT_LOST,
    FAULT_JOURNAL_FULL,
    FAULT_LOCK_FAILED,
    FAULT_METER_IMPLAUSIBLE,
    FAULT_METER_SILENT,
    FAULT_OVER_CURRENT,
    FAULT_OVER_TEMPERATURE,
    FAULT_OVER_VOLTAGE,
    FAULT_PILOT_SHORT,
    FAULT_READER_SILENT,
    FAULT_RESIDUAL_CURRENT,
    FAULT_RESIDUAL_CURRENT_SELF_TEST,
    FAULT_SELF_TEST,
    FAULT_UNDER_VOLTAGE,
    FAULT_VENTILATION_REQUIRED,
)

NOTHING, START, ENERGY = 0, 1, 2
"""What a fault forbids: nothing; a new session; energy, and with it a new session."""

ITSELF, UNPLUGGED, RETRIED, SERVICE = 0, 1, 2, 3
"""What ends a fault: its cause goes away; somebody pulls the plug; that, or :mod:`retries` tries again with the same
car; a technician repairs and restarts the charger (at its boot the cause is looked for again), or configures it."""

FAULT_TABLE = {
    # EVCommunicationError. Pilot shorted to earth, state E: open within 3 s, close 30 s after its end (SE, WB).
    FAULT_PILOT_SHORT: (ENERGY, ITSELF),
    # EVCommunicationError. No diode behind the pilot: a wet plug, not a car (WB).
    FAULT_DIODE_MISSING: (ENERGY, UNPLUGGED),
    # OtherError. The car asks for ventilation, state D: refused for as long as it stays (ours).
    FAULT_VENTILATION_REQUIRED: (ENERGY, UNPLUGGED),
    # EVCommunicationError. Proximity shorted: not a cable of 63 A (WB).
    FAULT_CABLE_SHORT: (ENERGY, ITSELF),
    # GroundFailure. Latched; closing again by itself is a setting, off (OE tries six times, 5 min apart). A trip within
    # 2 s of closing is locked until the power is cycled: the native module says so (OE).
    FAULT_RESIDUAL_CURRENT: (ENERGY, RETRIED),
    # GroundFailure. The device did not trip under test, or not let go: locked until the power is cycled (OE, WB).
    FAULT_RESIDUAL_CURRENT_SELF_TEST: (ENERGY, SERVICE),
    # GroundFailure. Protective earth is missing, where a board measures it: latched, six retries, 5 min apart (OE).
    FAULT_GROUND_LOST: (ENERGY, RETRIED),
    # PowerSwitchFailure. The contacts do not open: locked until service (WB).
    FAULT_CONTACTOR_WELDED: (ENERGY, SERVICE),
    # PowerSwitchFailure. The contacts do not close: the next car tries again (ours).
    FAULT_CONTACTOR_STUCK_OPEN: (ENERGY, UNPLUGGED),
    # HighTemperature. Stop at 71 °C, again at 62 °C (OE).
    FAULT_OVER_TEMPERATURE: (ENERGY, ITSELF),
    # OverCurrentFailure. More than 110 % + 0.5 A for 7 s (EV); three retries, 5 min apart (ours).
    FAULT_OVER_CURRENT: (ENERGY, RETRIED),
    # OverVoltage. More than 10 % above nominal for 5 s, until it is 1.5 % inside (ours).
    FAULT_OVER_VOLTAGE: (ENERGY, ITSELF),
    # UnderVoltage. More than 10 % below nominal for 5 s, until it is 1.5 % inside (ours).
    FAULT_UNDER_VOLTAGE: (ENERGY, ITSELF),
    # PowerMeterFailure. No reading for 30 s: no energy that nobody counts (ours).
    FAULT_METER_SILENT: (ENERGY, ITSELF),
    # PowerMeterFailure. Its power and its register disagree by more than half over 500 Wh; three retries, 5 min apart,
    # and a register that comes back ends it at once: no energy that nobody counts (ours).
    FAULT_METER_IMPLAUSIBLE: (ENERGY, RETRIED),
    # ReaderFailure. Cards are not read; the bus still authorises (ours).
    FAULT_READER_SILENT: (NOTHING, ITSELF),
    # ConnectorLockFailure. The lock did not open when told to: the next unlock that succeeds ends it (ours).
    FAULT_LOCK_FAILED: (START, ITSELF),
    # InternalError. The application was late by 2 s; it stands for 5 s after its return (ours).
    FAULT_HEARTBEAT_LOST: (ENERGY, ITSELF),
    # OtherError. The session ends; letting go of the button starts nothing (ISO 13850).
    FAULT_EMERGENCY_STOP: (ENERGY, UNPLUGGED),
    # InternalError. Self-test at boot: settings or flash cannot be read; until it is configured or restarted (ours).
    FAULT_SELF_TEST: (ENERGY, SERVICE),
    # InternalError. No room for a session's record: what goes on goes on, nothing new begins (ours).
    FAULT_JOURNAL_FULL: (START, ITSELF),
}
"""Fault → what it forbids, what ends it."""
