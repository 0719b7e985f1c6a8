"""OCPP 1.6 as a dialect: complete, and the package's classes fit its schemas."""

import pytest
from ocpp.v16 import call, call_result, datatypes

from agents.runtime.ocpp.errors import Violation
from agents.runtime.ocpp.v16 import V16
from agents.runtime.ocpp.v16.dialect import FROM_CENTRAL_SYSTEM, FROM_CHARGE_POINT, NESTED


def test_all_39_actions():
    assert len(V16.actions) == 39
    assert len(FROM_CHARGE_POINT) == 14 and len(FROM_CENTRAL_SYSTEM) == 26
    assert set(FROM_CHARGE_POINT) & set(FROM_CENTRAL_SYSTEM) == {"DataTransfer"}


def properties(schema, path="", definitions=None):
    definitions = definitions or schema.get("definitions", {})
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[1]]
    for name, part in schema.get("properties", {}).items():
        yield f"{path}{name}"
        yield from properties(part, f"{path}{name}.", definitions)
        yield from properties(part.get("items", {}), f"{path}{name}.", definitions)


def wire_names(cls, path=""):
    from agents.runtime.ocpp.shapes import Shape

    shape = Shape(cls, NESTED)
    for wire, (_name, inner) in shape._by_wire.items():
        yield f"{path}{wire}"
        if inner is not None:
            yield from wire_names(inner.cls, f"{path}{wire}.")


@pytest.mark.parametrize("name", sorted(V16.actions))
@pytest.mark.parametrize("response", [False, True])
def test_every_field_of_the_schemas_has_its_name_and_no_other(name, response):
    action = V16.actions[name]
    cls = action.response_type if response else action.request_type
    assert set(wire_names(cls)) == set(properties(action.load_schema(name, response)))


def test_the_error_words_of_1_6_are_spelt_as_the_protocol_spells_them():
    assert V16.words[Violation.FORMATION] == "FormationViolation"
    assert V16.words[Violation.OCCURRENCE] == "OccurenceConstraintViolation"
    assert V16.words[Violation.UNKNOWN_ACTION] == "NotImplemented"
    assert V16.words[Violation.NOT_SUPPORTED] == "NotSupported"
    assert set(V16.words) == set(Violation)


def test_a_state_of_charge_keeps_its_name():
    shape = V16.actions["MeterValues"].request
    value = datatypes.SampledValue("50", measurand="SoC", unit="Percent")
    request = call.MeterValues(1, [datatypes.MeterValue("2026-01-01T00:00:00Z", [value])])
    payload = shape.to_payload(request)
    assert payload["meterValue"][0]["sampledValue"] == [{"value": "50", "measurand": "SoC", "unit": "Percent"}]
    assert shape.from_payload(payload) == request


def test_a_security_event_without_technical_information_is_read():
    event = V16.actions["SecurityEventNotification"].request.from_payload({"type": "x", "timestamp": "t"})
    assert event == call.SecurityEventNotification("x", "t", None)


@pytest.mark.parametrize(
    ("payload", "violation"),
    [
        ({"type": "Soft"}, None),
        ({"type": "Soft", "vendorThing": 1}, None),
        ({}, Violation.OCCURRENCE),
        ({"type": 1}, Violation.TYPE),
        ({"type": "Warm"}, Violation.PROPERTY),
        ({"type": ["Soft"]}, Violation.TYPE),
    ],
)
def test_what_is_wrong_has_its_own_word(payload, violation):
    problem = V16.actions["Reset"].lenient_request.problem(payload)
    assert (problem and problem[0]) == violation


def test_strict_out_and_lenient_in():
    action = V16.actions["SetChargingProfile"]
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.25, "comment": ""}],
        },
    }
    payload = {"connectorId": 1, "csChargingProfiles": profile}
    assert action.lenient_request.problem(payload) is None
    assert action.strict_request.problem(payload) is not None


@pytest.mark.parametrize("unit", ["Celcius", "Celsius"])
def test_both_spellings_of_celsius_are_accepted(unit):
    value = {"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": "1", "unit": unit}]}
    check = V16.actions["MeterValues"].lenient_request
    assert check.problem({"connectorId": 0, "meterValue": [value]}) is None


def test_integers_that_no_database_keeps_are_refused():
    check = V16.actions["RemoteStopTransaction"].lenient_request
    assert check.problem({"transactionId": 2**70}) is not None
    assert check.problem({"transactionId": 2**31}) is None


def test_problems_never_repeat_the_payload():
    secret = "SECRET-CARD"
    for payload in ({"idTag": [secret]}, {"idTag": secret * 3}, {secret: 1}):
        problem = V16.actions["Authorize"].strict_request.problem(payload)
        assert problem is not None and secret not in problem[1]


def test_responses_and_requests_are_the_packages_own_classes():
    assert V16.by_request[call.Heartbeat].response_type is call_result.Heartbeat
