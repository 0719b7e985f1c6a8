"""Payloads: what is read, what is refused, and what a refusal says."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus_schema import MAX_MESSAGE_BYTES, TOPICS, ContractError
from bus_schema.command import UpdateLocalList
from bus_schema.examples import EXAMPLES, examples_of
from bus_schema.fields import discriminator, variants
from bus_schema.message import MAX_NESTING
from bus_schema.topics import CHARGER_COMMAND, CHARGER_STATE, CHARGER_TELEMETRY
from tests.bus_schema.strategies import anything, nearly_commands, of_schema

SECRET = "hunter2secret"
CODES = {"too_large", "malformed", "wrong_type"}


def refusal(topic, payload):
    """Return the error that reading ``payload`` gives."""
    with pytest.raises(ContractError) as caught:
        topic.decode(payload)
    assert caught.value.code in CODES
    assert 0 < len(str(caught.value)) <= 400
    return caught.value


@pytest.mark.parametrize(("topic", "example"), EXAMPLES, ids=lambda value: getattr(value, "name", type(value).__name__))
def test_every_example_survives_the_way_there_and_back(topic, example):
    payload = topic.encode(example)
    assert topic.decode(payload) == example
    assert type(topic.decode(payload)) is type(example)


def test_every_member_of_every_union_has_an_example():
    for topic in TOPICS:
        assert {type(example) for example in examples_of(topic)} == set(variants(topic.message)), topic.name


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(TOPICS))
def test_every_valid_message_survives_the_way_there_and_back(data, topic):
    message = topic.decode(json.dumps(data.draw(of_schema(topic.adapter.json_schema()))))
    assert topic.decode(topic.encode(message)) == message


@settings(deadline=None)
@given(st.sampled_from(EXAMPLES), st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), anything))
def test_unknown_fields_are_ignored(pair, extra):
    topic, example = pair
    known = set(type(example).model_fields)
    payload = {**{f"x_{name}": value for name, value in extra.items()}, **example.model_dump(mode="json")}
    assert known.isdisjoint(f"x_{name}" for name in extra)
    try:
        text = json.dumps(payload, allow_nan=False)
    except ValueError:
        assert refusal(topic, json.dumps(payload)).code in ("malformed", "too_large")
        return
    try:
        assert topic.decode(text) == example
    except ContractError as error:
        assert error.code == "too_large" or "1e400" in str(extra) or _has_huge(extra)  # JSON that no reader takes


def _has_huge(value):
    if isinstance(value, dict):
        return any(map(_has_huge, value.values()))
    if isinstance(value, list):
        return any(map(_has_huge, value))
    return isinstance(value, int) and abs(value) >= 10**400


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(TOPICS), st.binary(max_size=200) | st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_arbitrary_bytes_only_ever_raise_a_contract_error(topic, payload):
    refusal(topic, payload)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(TOPICS), anything)
def test_arbitrary_json_only_ever_raises_a_contract_error(topic, value):
    refusal(topic, json.dumps(value))


@settings(max_examples=300, deadline=None)
@given(nearly_commands())
def test_nearly_valid_commands_are_read_or_refused(command):
    try:
        CHARGER_COMMAND.decode(json.dumps(command))
    except ContractError as error:
        assert error.code in CODES


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "malformed"),
        (b"{", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"\x00", "malformed"),
        (b"[" * 4000, "malformed"),
        (b'{"a":NaN}', "malformed"),
        (b'{"a":[-Infinity]}', "malformed"),
        (b'{"a":"NaN"}', "wrong_type"),
        (b"[" * MAX_NESTING + b"]" * MAX_NESTING, "wrong_type"),
        (b"[" * (MAX_NESTING + 1) + b"]" * (MAX_NESTING + 1), "malformed"),
        (b'{"a":"\\ud800"}', "malformed"),
        ('{"a":"\ud800"}', "malformed"),
        (b"null", "wrong_type"),
        (b"[]", "wrong_type"),
        (b"{}", "wrong_type"),
        (b'"text"', "wrong_type"),
        (b" " * (MAX_MESSAGE_BYTES + 1), "too_large"),
        (b"x" * 1_048_576, "too_large"),
        ("é" * 2049, "too_large"),
    ],
)
@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_what_is_no_message_is_refused_with_its_code(topic, payload, code):
    assert refusal(topic, payload).code == code


def spoiled(topic, **changes):
    """Return the first example's payload with some fields replaced."""
    return json.dumps({**examples_of(topic)[0].model_dump(mode="json"), **changes})


@pytest.mark.parametrize("value", [-1, -0.0001, 1000.1, "9.0", True, None, [], {}, 10**400])
def test_a_current_is_a_number_in_its_range(value):
    for topic, field in ((CHARGER_STATE, "offered_current_a"), (CHARGER_COMMAND, "current_a")):
        assert refusal(topic, spoiled(topic, **{field: value})).code == "wrong_type"
        assert field in str(refusal(topic, spoiled(topic, **{field: value})))


@pytest.mark.parametrize("value", [1.0, 1.5, "1", True, -1, 2**53])
def test_a_register_is_a_whole_number_that_every_reader_keeps_exact(value):
    assert refusal(CHARGER_TELEMETRY, spoiled(CHARGER_TELEMETRY, energy_wh=value)).code == "wrong_type"


@pytest.mark.parametrize("value", ["true", 1, 0, "yes", None])
def test_a_truth_is_not_a_number_or_a_word(value):
    assert refusal(CHARGER_STATE, spoiled(CHARGER_STATE, contactor_closed=value)).code == "wrong_type"


def test_too_large_is_refused_on_the_way_out_too():
    (example,) = examples_of(CHARGER_STATE)
    with pytest.raises(ContractError) as caught:
        CHARGER_STATE.encode(example.model_copy(update={"limit_reason": "x" * MAX_MESSAGE_BYTES}))
    assert caught.value.code == "too_large"


@pytest.mark.parametrize(
    "command",
    [
        {"op": SECRET},
        {"op": [SECRET]},
        {"op": "authorize", "id_token": {"type": SECRET, "value": "x"}},
        {"op": "authorize", "id_token": {"type": "rfid", "value": SECRET * 9}},
        {"op": "authorize", "id_token": SECRET},
        {"op": "authorize", "id_token": {"type": "rfid", "value": "x"}, "caps": {"energy_wh": SECRET}},
        {"op": "reset", "kind": SECRET},
        {"op": "configure", "settings": {SECRET: 1}},
        {"op": "configure", "settings": {"max_current_a": SECRET}},
        {"op": "configure", "settings": {"required_sources": [SECRET.upper()]}},
        {"op": "configure", "settings": SECRET},
        {"op": "update_firmware", "url": SECRET, "version": "1", "sha256": SECRET, "signature": SECRET},
        {"op": "stop", "session_id": SECRET + "/#"},
        {"op": "pause", "id": SECRET + " "},
    ],
)
def test_a_refusal_never_repeats_what_was_sent(command):
    base = {"ts": 1, "id": "a", "source": "technician", "deadline_ts": 2}
    error = refusal(CHARGER_COMMAND, json.dumps({**base, **command}))
    assert SECRET not in str(error).lower()
    assert SECRET not in repr(error.__cause__) and error.__suppress_context__


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(TOPICS), st.data())
def test_a_refusal_never_repeats_a_word_wherever_it_stood(topic, data):
    example = data.draw(st.sampled_from(examples_of(topic))).model_dump(mode="json")
    name = data.draw(st.sampled_from(sorted(example)))
    wrong = data.draw(st.sampled_from([f"{SECRET}/#", [f"{SECRET}/#"], {f"{SECRET}/#": f"{SECRET}/#"}]))
    try:
        topic.decode(json.dumps({**example, name: wrong}))
    except ContractError as error:
        assert SECRET not in str(error)


def test_settings_are_refused_by_name_and_expectation():
    base = {"ts": 1, "id": "a", "source": "technician", "deadline_ts": 2, "op": "configure"}
    for settings_patch, words in (
        ({"max_current_a": 81}, "max_current_a: Input should be less than or equal to 80"),
        ({"connection_timeout_s": 60.0}, "connection_timeout_s: Input should be a valid integer"),
        ({"required_sources": ["BAD"]}, "required_sources: String should match pattern"),
        ({"nonsense": 1}, "unknown setting; a charger has: allow_offline_tx_for_unknown_id"),
        ({}, "at least 1 item"),
    ):
        assert words in str(refusal(CHARGER_COMMAND, json.dumps({**base, "settings": settings_patch})))


def test_an_unknown_operation_is_answered_with_those_that_exist():
    base = {"ts": 1, "id": "a", "source": "technician", "deadline_ts": 2}
    assert "'op' is not one of 'set_limit'" in str(refusal(CHARGER_COMMAND, json.dumps({**base, "op": "explode"})))
    assert "'op' is missing" in str(refusal(CHARGER_COMMAND, json.dumps(base)))


def _longest(schema, root):
    """Return the largest value (in plain ASCII) that a schema allows."""
    if "$ref" in schema:
        return _longest(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], root)
    if "anyOf" in schema:
        return max((_longest(option, root) for option in schema["anyOf"]), key=lambda value: len(json.dumps(value)))
    if "const" in schema or "enum" in schema:
        return schema.get("const") or max(schema["enum"], key=len)
    match schema["type"]:
        case "object":
            return {name: _longest(field, root) for name, field in schema.get("properties", {}).items()}
        case "array":
            return [_longest(schema["items"], root)] * schema["maxItems"]
        case "string":
            lengths = {r"^[a-z0-9][a-z0-9_-]{0,31}$": 32, r"^[0-9a-f]{12}$": 12, r"^[0-9]{1,3}\.[0-9]{1,3}$": 7}
            return "x" * schema.get("maxLength", lengths.get(schema.get("pattern"), 64))
        case "integer":
            return schema.get("maximum", 2**53)
        case "number":
            return -123.456789012345
        case "boolean":
            return False
    return None


# Whoever sends pieces of a list makes them as large as they may be (tests/access/test_local_lists.py).
IN_PIECES = (UpdateLocalList,)


@pytest.mark.parametrize(
    "model",
    [model for topic in TOPICS for model in variants(topic.message) if model not in IN_PIECES],
    ids=lambda model: model.__name__,
)
def test_the_largest_message_that_the_fields_allow_fits(model):
    schema = model.model_json_schema()
    payload = json.dumps(_longest(schema, schema), separators=(",", ":"))
    assert len(payload) <= MAX_MESSAGE_BYTES, len(payload)


def _leaves(schema, path):
    """Yield every part of a JSON schema that has a type, with where it stands."""
    if isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            yield path, schema
        for name, part in schema.items():
            yield from _leaves(part, f"{path}.{name}")
    elif isinstance(schema, list):
        for part in schema:
            yield from _leaves(part, path)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_nothing_in_a_message_is_without_bounds(topic):
    """An unbounded integer would overflow somebody's database; an unbounded list would never fit the message."""
    for path, leaf in _leaves(topic.adapter.json_schema(), topic.name):
        if leaf["type"] in ("integer", "number"):
            assert {"minimum", "maximum"} <= set(leaf), path
        elif leaf["type"] == "array":
            assert "maxItems" in leaf, path
        elif leaf["type"] == "string":
            bounded = leaf.get("pattern", "").endswith("}$")
            assert bounded or {"maxLength", "enum", "const"} & set(leaf), path


def test_unions_are_told_apart_by_one_field():
    assert {topic.name: discriminator(topic) for topic in TOPICS if len(variants(topic.message)) > 1} == {
        "charger_event": "type",
        "charger_command": "op",
        "agent_query": "op",
    }
