"""The fixed words of the contract: states, faults, reasons and codes.

They are the words of OCPP 1.6 and IEC 61851-1 wherever those have one.
"""

from enum import StrEnum


class CpState(StrEnum):
    """State of the control pilot (IEC 61851-1, annex A), as the charger has classified it."""

    A = "A"
    """No vehicle."""
    B = "B"
    """Vehicle connected, not ready to take energy."""
    C = "C"
    """Vehicle ready, no ventilation needed."""
    D = "D"
    """Vehicle ready, ventilation needed: refused by every charger of this project."""
    E = "E"
    """Pilot short-circuited to earth, or no supply."""
    F = "F"
    """The charger signals that it is not available (steady -12 V)."""
    UNKNOWN = "unknown"
    """The level cannot be classified; the contactor is open."""


class ChargerStatus(StrEnum):
    """ChargePointStatus of OCPP 1.6, section 7.7."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


class IdTokenType(StrEnum):
    """Kind of identification, so that OCPP 1.6's idTag and 2.0.1's idToken both fit."""

    RFID = "rfid"
    """A card's UID as upper-case hexadecimal digits."""
    APP = "app"
    """A user of an app or of the console."""
    BACKEND = "backend"
    """An idTag that the OCPP backend sent with a remote start."""
    PAYMENT = "payment"
    """A paid session (QR code)."""
    PLUG_AND_CHARGE = "plug_and_charge"
    """A contract certificate (ISO 15118)."""
    NO_AUTHORIZATION = "no_authorization"
    """Nobody was asked: free charging. The word is OCPP 2.0.1's NoAuthorization."""


class Fault(StrEnum):
    """What can be wrong with a charger. Each maps to one OCPP 1.6 error code (:data:`OCPP_ERROR_CODE`)."""

    PILOT_SHORT = "pilot_short"
    DIODE_MISSING = "diode_missing"
    VENTILATION_REQUIRED = "ventilation_required"
    CABLE_SHORT = "cable_short"
    RESIDUAL_CURRENT = "residual_current"
    RESIDUAL_CURRENT_SELF_TEST = "residual_current_self_test"
    GROUND_LOST = "ground_lost"
    CONTACTOR_WELDED = "contactor_welded"
    CONTACTOR_STUCK_OPEN = "contactor_stuck_open"
    OVER_TEMPERATURE = "over_temperature"
    OVER_CURRENT = "over_current"
    OVER_VOLTAGE = "over_voltage"
    UNDER_VOLTAGE = "under_voltage"
    METER_SILENT = "meter_silent"
    METER_IMPLAUSIBLE = "meter_implausible"
    READER_SILENT = "reader_silent"
    LOCK_FAILED = "lock_failed"
    HEARTBEAT_LOST = "heartbeat_lost"
    EMERGENCY_STOP = "emergency_stop"
    SELF_TEST = "self_test"
    JOURNAL_FULL = "journal_full"


OCPP_ERROR_CODE: dict[Fault, str] = {
    Fault.PILOT_SHORT: "EVCommunicationError",
    Fault.DIODE_MISSING: "EVCommunicationError",
    Fault.VENTILATION_REQUIRED: "OtherError",
    Fault.CABLE_SHORT: "EVCommunicationError",
    Fault.RESIDUAL_CURRENT: "GroundFailure",
    Fault.RESIDUAL_CURRENT_SELF_TEST: "GroundFailure",
    Fault.GROUND_LOST: "GroundFailure",
    Fault.CONTACTOR_WELDED: "PowerSwitchFailure",
    Fault.CONTACTOR_STUCK_OPEN: "PowerSwitchFailure",
    Fault.OVER_TEMPERATURE: "HighTemperature",
    Fault.OVER_CURRENT: "OverCurrentFailure",
    Fault.OVER_VOLTAGE: "OverVoltage",
    Fault.UNDER_VOLTAGE: "UnderVoltage",
    Fault.METER_SILENT: "PowerMeterFailure",
    Fault.METER_IMPLAUSIBLE: "PowerMeterFailure",
    Fault.READER_SILENT: "ReaderFailure",
    Fault.LOCK_FAILED: "ConnectorLockFailure",
    Fault.HEARTBEAT_LOST: "InternalError",
    Fault.EMERGENCY_STOP: "OtherError",
    Fault.SELF_TEST: "InternalError",
    Fault.JOURNAL_FULL: "InternalError",
}
"""Our fault → ChargePointErrorCode of OCPP 1.6, section 7.6; our own word goes into vendorErrorCode."""


class StopReason(StrEnum):
    """Why a session ended. The capitalised words are OCPP 1.6's Reason; the others are ours."""

    EV_DISCONNECTED = "EVDisconnected"
    LOCAL = "Local"
    REMOTE = "Remote"
    DE_AUTHORIZED = "DeAuthorized"
    EMERGENCY_STOP = "EmergencyStop"
    HARD_RESET = "HardReset"
    SOFT_RESET = "SoftReset"
    POWER_LOSS = "PowerLoss"
    UNLOCK_COMMAND = "UnlockCommand"
    OTHER = "Other"
    ENERGY_CAP = "energy_cap"
    TIME_CAP = "time_cap"
    IDLE = "idle"


class ReplyStage(StrEnum):
    """How far a charger is with a command. ``accepted`` may be followed by ``done`` or ``failed``."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"


class ReplyCode(StrEnum):
    """Why a command was answered as it was, for programs; the reply's ``reason`` says it in words."""

    OK = "ok"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    NOT_ALLOWED = "not_allowed"
    """Whoever sent the command may not use this source."""
    UNKNOWN_OPERATION = "unknown_operation"
    OUT_OF_RANGE = "out_of_range"
    DEADLINE_PASSED = "deadline_passed"
    ISSUED_BEFORE_BOOT = "issued_before_boot"
    CLOCK_UNSET = "clock_unset"
    NOT_SUPPORTED = "not_supported"
    UNKNOWN_SETTING = "unknown_setting"
    NO_SESSION = "no_session"
    OTHER_SESSION = "other_session"
    ALREADY_AUTHORIZED = "already_authorized"
    NO_LEASE = "no_lease"
    UNAVAILABLE = "unavailable"
    RESERVED = "reserved"
    UNKNOWN_RESERVATION = "unknown_reservation"
    FAULTED = "faulted"
    OCCUPIED = "occupied"
    JOURNAL_FULL = "journal_full"
    HARDWARE = "hardware"
    TRANSFER = "transfer"
    """A file could not be fetched or put."""
    BAD_IMAGE = "bad_image"
    """A firmware image that this charger must not take: unsigned, for another board, older, damaged."""
    BAD_CERTIFICATE = "bad_certificate"
    """A certificate that this charger must not take, or with which the broker does not let it in."""
    VERSION_MISMATCH = "version_mismatch"
    """The charger has another version of the local list than the change is for."""
    LIST_FULL = "list_full"
    """There is no room in the local list; nothing was changed."""


class FirmwareStatus(StrEnum):
    """FirmwareStatus of OCPP 1.6 (section 7.25 and the security whitepaper), as far as a charger here takes it."""

    DOWNLOADING = "Downloading"
    DOWNLOAD_PAUSED = "DownloadPaused"
    """A car charges; the download begins anew when it has left."""
    DOWNLOADED = "Downloaded"
    DOWNLOAD_FAILED = "DownloadFailed"
    SIGNATURE_VERIFIED = "SignatureVerified"
    INVALID_SIGNATURE = "InvalidSignature"
    INSTALL_VERIFICATION_FAILED = "InstallVerificationFailed"
    """Signed, but not for this charger, or damaged on its way onto the flash."""
    INSTALL_SCHEDULED = "InstallScheduled"
    """Waits until no car charges, or until ``not_before_ts``."""
    INSTALLING = "Installing"
    INSTALL_REBOOTING = "InstallRebooting"
    """The new firmware runs on trial, or is about to."""
    INSTALLED = "Installed"
    INSTALLATION_FAILED = "InstallationFailed"


class Severity(StrEnum):
    """How bad an alarm is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Verdict(StrEnum):
    """What an agent answers to an access request."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """This agent does not know the token: another may."""


class Phase(StrEnum):
    """A phase of the site's supply."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
