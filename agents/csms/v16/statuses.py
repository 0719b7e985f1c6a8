"""StatusNotification (OCPP 1.6, 4.9) in the words of the bus."""

from bus_schema.words import ChargerStatus, Fault, StopReason

_FAULTS: dict[str, Fault] = {
    "ConnectorLockFailure": Fault.LOCK_FAILED,
    "EVCommunicationError": Fault.PILOT_SHORT,
    "GroundFailure": Fault.RESIDUAL_CURRENT,
    "HighTemperature": Fault.OVER_TEMPERATURE,
    "InternalError": Fault.SELF_TEST,
    "OtherError": Fault.SELF_TEST,
    "OverCurrentFailure": Fault.OVER_CURRENT,
    "OverVoltage": Fault.OVER_VOLTAGE,
    "PowerMeterFailure": Fault.METER_SILENT,
    "PowerSwitchFailure": Fault.CONTACTOR_WELDED,
    "ReaderFailure": Fault.READER_SILENT,
    "ResetFailure": Fault.SELF_TEST,
    "UnderVoltage": Fault.UNDER_VOLTAGE,
}
"""ChargePointErrorCode (7.6) → the nearest fault of the bus. LocalListConflict and WeakSignal are none."""


def status_of(status: str) -> ChargerStatus:
    """Return the status; the words are the same (7.7). Raises :class:`ValueError` for another word."""
    return ChargerStatus(status)


def fault_of(status: str, error_code: str) -> Fault | None:
    """Return the fault that a notification tells of; a station that is Faulted without saying why has one too."""
    found = _FAULTS.get(error_code)
    return Fault.SELF_TEST if found is None and status == "Faulted" else found


def fault_detail(error_code: str, info: str | None, vendor_error_code: str | None) -> str:
    """Return the station's own words for a fault, at most 120 characters."""
    return " ".join(part for part in (error_code, vendor_error_code, info) if part)[:120]


def stop_reason_of(reason: str | None) -> StopReason:
    """Return why a transaction ended; a station that says nothing means Local (4.10). ``Reboot`` is a soft reset."""
    if reason == "Reboot":
        return StopReason.SOFT_RESET
    try:
        return StopReason(reason or "Local")
    except ValueError:
        return StopReason.OTHER
