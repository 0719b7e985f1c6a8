"""The table of topics is consistent with itself and with the design."""

import pytest

from bus_schema import TOPICS, Role
from bus_schema.docstrings import field_docstrings
from bus_schema.fields import variants
from bus_schema.generate.acl import DEVICES
from bus_schema.ids import is_id
from bus_schema.message import ChargerMessage, Message
from bus_schema.topic import AGENT_ROLES
from bus_schema.topics import topic_named, topics_read_by, topics_written_by

RETAINED = {
    "charger_online",
    "charger_meta",
    "charger_state",
    "charger_decision",
    "charger_wish",
    "charger_backend_list",
    "circuit_load",
    "shadow_decision",
    "shadow_comparison",
    "alarm",
    "agent_health",
    "broker_status",
    "agent_claim",
}
CLEARABLE = {"charger_wish", "alarm"}

each_topic = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)


def test_names_and_patterns_are_unique():
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)
    shapes = {tuple("+" if level[0] == "{" else level for level in topic.levels) for topic in TOPICS}
    assert len(shapes) == len(TOPICS)


def test_no_fixed_level_stands_beside_an_id():
    """Otherwise an id that is spelt like the fixed level would address another topic."""
    for topic in TOPICS:
        for other in TOPICS:
            for mine, theirs in zip(topic.levels, other.levels, strict=False):
                if mine != theirs:
                    assert (mine[0] == "{") == (theirs[0] == "{"), (topic.pattern, other.pattern)
                    break


@each_topic
def test_a_pattern_is_made_of_ids(topic):
    for level in topic.levels:
        assert is_id(level.strip("{}")), level
    assert len(set(topic.parameters)) == len(topic.parameters)


def test_only_what_describes_the_present_is_retained():
    assert {topic.name for topic in TOPICS if topic.retained} == RETAINED
    assert {topic.name for topic in TOPICS if topic.clearable} == CLEARABLE


def test_commands_events_and_replies_are_never_retained():
    for name in ("charger_command", "charger_command_reply", "charger_event", "charger_event_ack", "access_request"):
        assert not topic_named(name).retained


@each_topic
def test_everything_but_measured_values_is_sent_at_least_once(topic):
    assert topic.qos == (0 if topic.name in ("charger_telemetry", "grid_telemetry", "agent_ocpp") else 1)


@each_topic
def test_somebody_writes_and_somebody_reads(topic):
    assert topic.writers and topic.readers
    assert len(set(topic.writers)) == len(topic.writers) and len(set(topic.readers)) == len(topic.readers)
    assert topic.description.endswith(".") or topic.description.endswith("?")


@each_topic
def test_own_levels_are_levels_of_the_pattern(topic):
    for own in (topic.own_level, topic.own_read_level):
        assert own == "" or own in topic.parameters


@each_topic
def test_a_device_writes_only_under_its_own_id(topic):
    for role in DEVICES:
        if role in topic.writers:
            assert topic.own_level == role
        if role in topic.readers:
            assert role in topic.parameters


@each_topic
def test_an_agent_speaks_only_under_its_own_name(topic):
    if "agent" in topic.parameters and topic.name != "agent_query":
        assert topic.own_level == "agent"


def test_the_ledger_alone_lets_a_charger_forget():
    assert topic_named("charger_event_ack").writers == (Role.LEDGER,)


def test_nobody_who_only_listens_may_command():
    for role in (Role.LEDGER, Role.INFLUX_LOGGER, Role.ANALYTICS, Role.CHARGER, Role.METER, Role.CSMS):
        assert role not in topic_named("charger_command").writers


def test_a_charger_reads_nothing_but_commands_and_receipts():
    assert {topic.name for topic in topics_read_by(Role.CHARGER)} == {"charger_command", "charger_event_ack"}
    assert not list(topics_read_by(Role.METER))
    assert {topic.name for topic in topics_written_by(Role.METER)} == {"grid_telemetry"}


def test_a_technician_cannot_speak_for_a_charger_or_an_agent():
    assert {topic.name for topic in topics_written_by(Role.TECHNICIAN)} == {
        "charger_command",
        "charger_wish",
        "agent_query",
    }


def test_every_agent_reports_its_health():
    assert topic_named("agent_health").writers == AGENT_ROLES


@each_topic
def test_what_chargers_write_tells_boot_and_uptime(topic):
    for model in variants(topic.message):
        assert issubclass(model, Message)
        assert (Role.CHARGER in topic.writers) == issubclass(model, ChargerMessage)


def test_every_field_is_described_and_no_message_repeats_another_ones_name():
    names = [model.__name__ for topic in TOPICS for model in variants(topic.message)]
    assert len(set(names)) == len(names)
    for topic in TOPICS:
        for model in variants(topic.message):
            assert set(model.model_fields) - {"op", "type"} <= set(field_docstrings(model)), model.__name__


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(KeyError, match="charger_state"):
        topic_named("nonsense")
