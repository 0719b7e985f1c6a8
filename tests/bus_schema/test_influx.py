"""Points of InfluxDB: types, tags and what is left out on purpose."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from bus_schema import TOPICS, Message, Topic, influx, parse_topic
from bus_schema.examples import EXAMPLES
from bus_schema.topics import CHARGER_EVENT, CHARGER_META, CHARGER_STATE, CHARGER_TELEMETRY
from tests.bus_schema.strategies import of_schema

PYTHON = {"integer": int, "float": float, "boolean": bool, "string": str}
MEASURED = [topic for topic in TOPICS if topic.measurement]


def where(topic):
    """Return an address of this topic."""
    return parse_topic(topic.format("garage", **dict.fromkeys(topic.parameters, "c1")))


def test_tags_and_fields_never_share_a_name():
    for shape in influx.measurements():
        assert not set(shape.tags) & set(shape.fields), shape.name
        assert "time" not in (*shape.tags, *shape.fields) and "ts" not in shape.fields


def test_measurements_are_named_once():
    names = [shape.name for shape in influx.measurements()]
    assert len(set(names)) == len(names) == len(MEASURED)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(MEASURED))
def test_every_point_has_the_types_that_were_promised(data, topic):
    message = topic.decode(json.dumps(data.draw(of_schema(topic.adapter.json_schema()))))
    shape = influx.measurement(topic)
    tags, fields = influx.point(where(topic), message)
    assert tuple(tags) == shape.tags and all(type(value) is str and value for value in tags.values())
    assert set(fields) <= set(shape.fields)
    for name, value in fields.items():
        assert type(value) is PYTHON[shape.fields[name]], name


def test_numbers_keep_their_type_however_the_sender_wrote_them():
    message = CHARGER_TELEMETRY.decode(
        '{"ts":1,"uptime_ms":2,"boot_id":"0123456789ab","offered_current_a":16,"power_w":0,"energy_wh":5}'
    )
    _, fields = influx.point(where(CHARGER_TELEMETRY), message)
    assert fields == {
        "uptime_ms": 2, "boot_id": "0123456789ab", "offered_current_a": 16.0, "power_w": 0.0, "energy_wh": 5,
    }  # fmt: skip
    assert type(fields["power_w"]) is float and type(fields["energy_wh"]) is int


def test_objects_are_flattened_and_lists_are_counted():
    (state,) = (example for topic, example in EXAMPLES if topic is CHARGER_STATE)
    _, fields = influx.point(where(CHARGER_STATE), state)
    assert fields["session_id"] == "0123456789ab-3" and fields["session_energy_wh"] == 4567
    assert fields["faults_count"] == 1 and fields["leases_count"] == 1
    assert "waiting_for_car_s" not in fields  # null is left out, never 0


def test_who_charges_does_not_get_into_influxdb():
    for topic, example in EXAMPLES:
        if topic.measurement:
            assert "04A2B3C4D5E680" not in str(influx.point(where(topic), example))
    assert influx.measurement(CHARGER_EVENT).fields["id_token_type"] == "string"
    assert "id_token_value" not in influx.measurement(CHARGER_EVENT).fields


def test_the_kind_of_event_is_a_tag():
    event = next(example for topic, example in EXAMPLES if topic is CHARGER_EVENT)
    tags, fields = influx.point(where(CHARGER_EVENT), event)
    assert tags["type"] == "session_started" and "type" not in fields


def test_a_topic_without_measurement_says_so():
    with pytest.raises(ValueError, match="no measurement"):
        influx.measurement(CHARGER_META)


def test_contradicting_fields_are_refused():
    class One(Message):
        """A message whose field has the name of its tag."""

        charger: int

    class Two(BaseModel):
        """A message with a field that has no type in InfluxDB."""

        what: bytes

    row = {"name": "n", "pattern": "charger/{charger}/x", "qos": 0, "retained": False, "writers": (), "readers": ()}
    for model, words in ((One, "share the name charger"), (Two, "has no type")):
        with pytest.raises(influx.MeasurementConflict, match=words):
            influx.measurement(Topic(**row, message=model, description="", measurement="m"))
