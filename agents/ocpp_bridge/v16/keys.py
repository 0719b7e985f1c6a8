"""The configuration keys of OCPP 1.6 (chapter 9 and the security whitepaper): types, ranges, defaults."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MAX_VALUE = 500
"""Longest value of a key (7.25 CiString500)."""

Allows = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Key:
    """One configuration key."""

    name: str
    default: str
    rule: str
    """What values are allowed, in words."""
    allows: Allows
    read_only: bool = False
    write_only: bool = False
    """Never shown: a secret."""


def _whole(name: str, default: int, low: int = 0, high: int = 2_147_483_647) -> Key:
    def allows(text: str) -> bool:
        return re.fullmatch(r"\+?[0-9]{1,10}", text.strip()) is not None and low <= int(text) <= high

    return Key(name, str(default), f"a whole number from {low} to {high}", allows)


def _yes_no(name: str, default: bool) -> Key:
    return Key(name, str(default).lower(), "true or false", lambda text: text.strip().lower() in ("true", "false"))


def _only(name: str, value: bool, why: str) -> Key:
    """A key of the protocol that this kind of charger can have in one way only."""
    word = str(value).lower()
    return Key(name, word, f"only {word}: {why}", lambda text: text.strip().lower() == word)


def _measurands(name: str, default: str) -> Key:
    def allows(text: str) -> bool:
        # The names of the keys are wanted by every agent that reads site.toml, OCPP's own library by few.
        from agents.ocpp_bridge.v16.measurands import InvalidMeasurands, parse_measurands

        try:
            parse_measurands(text)
        except InvalidMeasurands:
            return False
        return len(text) <= MAX_VALUE

    return Key(name, default, "measurands of this charger, separated by commas", allows)


def _fixed(name: str, value: str) -> Key:
    return Key(name, value, "cannot be changed", lambda _text: False, read_only=True)


_ROTATION = re.compile(r"(\d\.)?(NotApplicable|Unknown|RST|RTS|SRT|STR|TRS|TSR)")


def _rotation_allows(text: str) -> bool:
    return bool(text) and all(_ROTATION.fullmatch(part.strip()) for part in text.split(","))


SUPPORTED_PROFILES = (
    "Core",
    "FirmwareManagement",
    "LocalAuthListManagement",
    "Reservation",
    "SmartCharging",
    "RemoteTrigger",
)

MAX_LOCAL_LIST = 10_000
MAX_SEND_LOCAL_LIST = 2_000
MAX_STACK_LEVEL = 100
MAX_PERIODS = 100
MAX_PROFILES = 30
MAX_CERTIFICATES = 20
MAX_CHAIN_BYTES = 10_000
MAX_MEASURANDS = 16

_ALL = (
    # Core
    _yes_no("AllowOfflineTxForUnknownId", False),
    _yes_no("AuthorizationCacheEnabled", True),
    _yes_no("AuthorizeRemoteTxRequests", False),
    _whole("ClockAlignedDataInterval", 0, 0, 86_400),
    _whole("ConnectionTimeOut", 60, 1, 86_400),
    Key(
        "ConnectorPhaseRotation",
        "",
        "for example 1.RST: NotApplicable, Unknown, RST, RTS, SRT, STR, TRS or TSR per connector",
        _rotation_allows,
    ),
    _fixed("ConnectorPhaseRotationMaxLength", "2"),
    _fixed("GetConfigurationMaxKeys", "60"),
    _whole("HeartbeatInterval", 0, 0, 604_800),
    _yes_no("LocalAuthorizeOffline", True),
    _yes_no("LocalPreAuthorize", False),
    _whole("MaxEnergyOnInvalidId", 0, 0, 1_000_000),
    _measurands("MeterValuesAlignedData", "Energy.Active.Import.Register"),
    _fixed("MeterValuesAlignedDataMaxLength", str(MAX_MEASURANDS)),
    _measurands("MeterValuesSampledData", "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage"),
    _fixed("MeterValuesSampledDataMaxLength", str(MAX_MEASURANDS)),
    _whole("MeterValueSampleInterval", 60, 0, 86_400),
    _whole("MinimumStatusDuration", 0, 0, 3600),
    _fixed("NumberOfConnectors", "1"),
    _whole("ResetRetries", 3, 0, 100),
    _only("StopTransactionOnEVSideDisconnect", True, "a session ends when the car is unplugged"),
    _yes_no("StopTransactionOnInvalidId", True),
    _measurands("StopTxnAlignedData", ""),
    _fixed("StopTxnAlignedDataMaxLength", str(MAX_MEASURANDS)),
    _measurands("StopTxnSampledData", ""),
    _fixed("StopTxnSampledDataMaxLength", str(MAX_MEASURANDS)),
    _fixed("SupportedFeatureProfiles", ",".join(SUPPORTED_PROFILES)),
    _fixed("SupportedFeatureProfilesMaxLength", str(len(SUPPORTED_PROFILES))),
    _whole("TransactionMessageAttempts", 3, 1, 1000),
    _whole("TransactionMessageRetryInterval", 60, 0, 86_400),
    _only("UnlockConnectorOnEVSideDisconnect", True, "the lock opens when the car is unplugged"),
    _whole("WebSocketPingInterval", 20, 0, 86_400),
    # Local Auth List Management
    _yes_no("LocalAuthListEnabled", True),
    _fixed("LocalAuthListMaxLength", str(MAX_LOCAL_LIST)),
    _fixed("SendLocalListMaxLength", str(MAX_SEND_LOCAL_LIST)),
    # Reservation
    _fixed("ReserveConnectorZeroSupported", "false"),
    # Smart Charging
    _fixed("ChargeProfileMaxStackLevel", str(MAX_STACK_LEVEL)),
    _fixed("ChargingScheduleAllowedChargingRateUnit", "Current,Power"),
    _fixed("ChargingScheduleMaxPeriods", str(MAX_PERIODS)),
    _fixed("MaxChargingProfilesInstalled", str(MAX_PROFILES)),
    _fixed("ConnectorSwitch3to1PhaseSupported", "false"),
    # Firmware Management
    _fixed("SupportedFileTransferProtocols", "HTTP,HTTPS"),
    # Security whitepaper
    _fixed("AdditionalRootCertificateCheck", "false"),
    Key(
        "AuthorizationKey",
        "",
        "16 to 40 bytes as hexadecimal digits, or as text",
        lambda text: 16 <= len(text) <= 100,
        write_only=True,
    ),
    _fixed("CertificateSignedMaxChainSize", str(MAX_CHAIN_BYTES)),
    _fixed("CertificateStoreMaxLength", str(MAX_CERTIFICATES)),
    Key("CpoName", "", "1 to 255 characters", lambda text: 1 <= len(text) <= 255),
    _whole("SecurityProfile", 0, 0, 3),
)

KEYS: Mapping[str, Key] = {key.name: key for key in _ALL}
"""Every key that is offered, by name."""

_BY_LOWER = {name.lower(): key for name, key in KEYS.items()}


def find_key(name: str) -> Key | None:
    """Return the key of that name; case does not matter (CiString)."""
    return _BY_LOWER.get(name.strip().lower())


class Configuration:
    """The values of one charge point's keys."""

    def __init__(self, defaults: Mapping[str, str], kept: Mapping[str, str]) -> None:
        """``defaults`` are the site's own, ``kept`` what a backend has set."""
        self._values = {name: key.default for name, key in KEYS.items()}
        for source in (defaults, kept):
            self._values.update({name: text for name, text in source.items() if name in KEYS})

    def __getitem__(self, name: str) -> str:
        """Return a value as text."""
        return self._values[name]

    def set(self, name: str, value: str) -> None:
        """Change a value; whether it is allowed is the caller's business."""
        self._values[name] = value

    def number(self, name: str) -> int:
        """Return the value of a key that is a whole number."""
        return int(self._values[name])

    def flag(self, name: str) -> bool:
        """Return the value of a key that is true or false."""
        return self._values[name].strip().lower() == "true"
