"""Recorded messages of version 1 must be understood for ever, with the same meaning.

A line is ``{what, topic, payload, message, expect}``. Lines are added, never changed: chargers in the field go on
sending what they once sent.
"""

import json
from pathlib import Path

import pytest

from bus_schema import TOPICS, parse_topic
from bus_schema.fields import variants
from bus_schema.influx import measurements

CORPUS = Path(__file__).parent / "corpus" / "v1"
LINES = [
    (path.stem, json.loads(line))
    for path in sorted(CORPUS.glob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize(("topic", "line"), LINES, ids=[f"{topic}: {line['what']}" for topic, line in LINES])
def test_a_recorded_message_still_means_the_same(topic, line):
    address = parse_topic(line["topic"])
    assert address.topic.name == topic
    message = address.topic.decode(line["payload"])
    assert type(message).__name__ == line["message"]
    dumped = message.model_dump(mode="json")
    for name, value in line["expect"].items():
        assert _holds(dumped[name], value), (name, dumped[name], value)


def _holds(now, then):
    """Tell whether everything that was said then is still said; objects may have grown."""
    if isinstance(then, dict) and isinstance(now, dict):
        return all(name in now and _holds(now[name], value) for name, value in then.items())
    if isinstance(then, list) and isinstance(now, list):
        return len(now) == len(then) and all(map(_holds, now, then))
    return type(now) is type(then) and now == then


def test_every_message_of_every_topic_is_recorded():
    recorded = {(topic, line["message"]) for topic, line in LINES}
    assert recorded >= {(topic.name, model.__name__) for topic in TOPICS for model in variants(topic.message)}


def test_no_field_in_influxdb_ever_changes_its_type_or_disappears():
    """InfluxDB refuses a point whose field has another type than the stored one.

    If this fails because a field is new, add it to the recorded file; never change what stands there.
    """
    now = {shape.name: {"tags": list(shape.tags), "fields": shape.fields} for shape in measurements()}
    recorded = json.loads((CORPUS / "influx_types.json").read_text(encoding="utf-8"))
    for name, shape in recorded.items():
        assert now[name]["tags"] == shape["tags"], name
        assert {field: now[name]["fields"].get(field) for field in shape["fields"]} == shape["fields"], name
    assert now == recorded, "a field is new: record it in tests/bus_schema/corpus/v1/influx_types.json"
