"""The dialect OCPP 1.6J."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from ocpp.v16 import call, call_result, datatypes

from agents.runtime.ocpp.dialect import Action, Dialect
from agents.runtime.ocpp.errors import Violation
from agents.runtime.ocpp.shapes import Nested

FROM_CHARGE_POINT = (
    "Authorize",
    "BootNotification",
    "DataTransfer",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "LogStatusNotification",
    "MeterValues",
    "SecurityEventNotification",
    "SignCertificate",
    "SignedFirmwareStatusNotification",
    "StartTransaction",
    "StatusNotification",
    "StopTransaction",
)
"""Actions that a charge point may call."""

FROM_CENTRAL_SYSTEM = (
    "CancelReservation",
    "CertificateSigned",
    "ChangeAvailability",
    "ChangeConfiguration",
    "ClearCache",
    "ClearChargingProfile",
    "DataTransfer",
    "DeleteCertificate",
    "ExtendedTriggerMessage",
    "GetCompositeSchedule",
    "GetConfiguration",
    "GetDiagnostics",
    "GetInstalledCertificateIds",
    "GetLocalListVersion",
    "GetLog",
    "InstallCertificate",
    "RemoteStartTransaction",
    "RemoteStopTransaction",
    "ReserveNow",
    "Reset",
    "SendLocalList",
    "SetChargingProfile",
    "SignedUpdateFirmware",
    "TriggerMessage",
    "UnlockConnector",
    "UpdateFirmware",
)
"""Actions that a central system may call."""

NESTED: Nested = {
    (call.MeterValues, "meter_value"): datatypes.MeterValue,
    (call.StopTransaction, "transaction_data"): datatypes.MeterValue,
    (datatypes.MeterValue, "sampled_value"): datatypes.SampledValue,
    (call.RemoteStartTransaction, "charging_profile"): datatypes.ChargingProfile,
    (call.SetChargingProfile, "cs_charging_profiles"): datatypes.ChargingProfile,
    (datatypes.ChargingProfile, "charging_schedule"): datatypes.ChargingSchedule,
    (datatypes.ChargingSchedule, "charging_schedule_period"): datatypes.ChargingSchedulePeriod,
    (call_result.GetCompositeSchedule, "charging_schedule"): datatypes.ChargingSchedule,
    (call.SendLocalList, "local_authorization_list"): datatypes.AuthorizationData,
    (datatypes.AuthorizationData, "id_tag_info"): datatypes.IdTagInfo,
    (call_result.Authorize, "id_tag_info"): datatypes.IdTagInfo,
    (call_result.StartTransaction, "id_tag_info"): datatypes.IdTagInfo,
    (call_result.StopTransaction, "id_tag_info"): datatypes.IdTagInfo,
    (call_result.GetConfiguration, "configuration_key"): datatypes.KeyValue,
    (call.DeleteCertificate, "certificate_hash_data"): datatypes.CertificateHashData,
    (call_result.GetInstalledCertificateIds, "certificate_hash_data"): datatypes.CertificateHashData,
    (call.SignedUpdateFirmware, "firmware"): datatypes.Firmware,
    (call.GetLog, "log"): datatypes.LogParameters,
}
"""What the package's dataclasses hold where they say Dict or List."""


@cache
def _schema(action: str, response: bool) -> Mapping[str, Any]:
    name = f"{action}Response.json" if response else f"{action}.json"
    # Some of the package's files begin with a byte order mark.
    text = files("ocpp.v16.schemas").joinpath(name).read_text(encoding="utf-8-sig")
    schema: dict[str, Any] = json.loads(text)
    return schema


V16 = Dialect(
    subprotocol="ocpp1.6",
    actions={
        name: Action(name, getattr(call, name), getattr(call_result, name), _schema, NESTED)
        for name in sorted({*FROM_CHARGE_POINT, *FROM_CENTRAL_SYSTEM})
    },
    words={
        # OCPP-J 1.6, table 7. "Formation" and "Occurence" are spelt as there.
        Violation.FORMATION: "FormationViolation",
        Violation.OCCURRENCE: "OccurenceConstraintViolation",
        Violation.PROPERTY: "PropertyConstraintViolation",
        Violation.TYPE: "TypeConstraintViolation",
        Violation.UNKNOWN_ACTION: "NotImplemented",
        Violation.NOT_SUPPORTED: "NotSupported",
        Violation.PROTOCOL: "ProtocolError",
        Violation.SECURITY: "SecurityError",
        Violation.INTERNAL: "InternalError",
        Violation.GENERIC: "GenericError",
    },
)
"""OCPP 1.6J."""
