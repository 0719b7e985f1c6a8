"""Lines say what the contract says about points, for every message; and nothing is lost by having the same time."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.influx_logger.agent import MEASURED
from agents.influx_logger.lines import LineWriter
from agents.runtime.agent import Received
from bus_schema import Message, Topic, influx, parse_topic
from bus_schema.examples import EXAMPLES
from bus_schema.topics import AGENT_REJECTED, ALARM, CHARGER_EVENT, CHARGER_TELEMETRY, GRID_TELEMETRY
from tests.bus_schema.strategies import of_schema
from tests.influx_logger.line_protocol import read

NOW_MS = 1_760_000_000_123


def received(topic: Topic[Any], message: Message) -> Received[Any]:
    address = parse_topic(topic.format("garage", **dict.fromkeys(topic.parameters, "c1")))
    return Received(message, address, False, NOW_MS)


def example(topic: Topic[Any]) -> Any:
    return next(message for each, message in EXAMPLES if each is topic)


def test_all_measured_topics_are_heard() -> None:
    assert [shape.topic for shape in influx.measurements()] == list(MEASURED)


@settings(max_examples=120, deadline=None)
@given(st.data(), st.sampled_from(MEASURED))
def test_a_line_is_the_point_of_the_contract(data: st.DataObject, topic: Topic[Any]) -> None:
    each = received(topic, topic.decode(json.dumps(data.draw(of_schema(topic.adapter.json_schema())))))
    tags, fields = influx.point(each.address, each.message)
    line = LineWriter().line(each)
    if not fields:
        assert line is None
        return
    assert line is not None
    name, read_tags, values, time_ns = read(line)
    assert (name, dict(read_tags)) == (topic.measurement, tags)
    broken = {
        key: value.translate({10: " ", 13: " "}) if type(value) is str else value for key, value in fields.items()
    }
    assert values == broken
    assert {key: type(value) for key, value in values.items()} == {key: type(value) for key, value in fields.items()}
    assert time_ns // 1_000_000 == (NOW_MS if each.message.ts is None else each.message.ts)
    assert LineWriter().line(each) == line, "the same message is always the same point"


def test_a_message_without_any_known_value_is_no_point() -> None:
    assert LineWriter().line(received(GRID_TELEMETRY, GRID_TELEMETRY.decode('{"ts": 1}'))) is None


def test_a_charger_without_a_clock_has_the_time_of_arrival() -> None:
    message = example(CHARGER_TELEMETRY).model_copy(update={"ts": None})
    line = LineWriter().line(received(CHARGER_TELEMETRY, message))
    assert line is not None
    assert read(line)[3] == NOW_MS * 1_000_000


def test_events_of_one_millisecond_do_not_overwrite_each_other() -> None:
    event = example(CHARGER_EVENT)
    lines = {LineWriter().line(received(CHARGER_EVENT, event.model_copy(update={"seq": seq}))) for seq in (7, 8)}
    assert len({(read(line)[1], read(line)[3]) for line in lines if line}) == 2


def test_rejections_of_one_millisecond_do_not_overwrite_each_other() -> None:
    rejected = example(AGENT_REJECTED)
    lines = {
        LineWriter().line(received(AGENT_REJECTED, rejected.model_copy(update={"topic": topic}))) for topic in "ab"
    }
    assert len({read(line)[3] for line in lines if line}) == 2


def test_the_end_of_an_alarm_is_a_point_too() -> None:
    alarm = received(ALARM, example(ALARM))
    writer = LineWriter()
    line = writer.line(alarm)
    assert line is not None
    begin, end = read(line), read(writer.cleared(alarm.address, NOW_MS))
    assert begin[:2] == end[:2]
    assert (begin[2]["standing"], end[2], end[3]) == (True, {"standing": False}, NOW_MS * 1_000_000)


def test_invented_ids_do_not_fill_the_memory() -> None:
    writer = LineWriter()
    for number in range(20_000):
        topic = CHARGER_TELEMETRY.format("garage", charger=f"c{number}")
        writer.line(Received(example(CHARGER_TELEMETRY), parse_topic(topic), False, NOW_MS))
    assert len(writer._series) <= 16_384
