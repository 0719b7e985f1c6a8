"""The firmware's validator, which reads generated tables, accepts exactly what the contract's own reader accepts."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bus_schema import ContractError
from bus_schema.charger_settings import ChargerSettings
from bus_schema.examples import examples_of
from bus_schema.topics import CHARGER_COMMAND
from firmware.app.contract import CODES, COMMANDS, MAX_MESSAGE_BYTES
from firmware.app.validation import Refused, read_command
from tests.bus_schema.strategies import commands, nearly_commands

BASE = '"ts":1,"id":"a","source":"technician","deadline_ts":2'
VALID = {"ts": 1, "id": "a", "source": "technician", "deadline_ts": 2}


def contract(payload):
    """Return what the contract reads, as plain values, or None."""
    try:
        return CHARGER_COMMAND.decode(payload).model_dump(mode="json")
    except ContractError:
        return None


def firmware(payload):
    """Return what the charger reads, as plain values, or None."""
    try:
        command = read_command(payload)
    except Refused as refused:
        assert refused.code in CODES and refused.code != "ok" and 0 < len(refused.reason) <= 400
        return None
    return json.loads(json.dumps(command))


def assert_equal(payload):
    """Both accept with the same meaning, or both refuse."""
    ours, theirs = contract(payload), firmware(payload)
    assert theirs == ours, payload[:300]


def _bounds(schema):
    """Yield every number and length that stands as a limit anywhere in the contract, and its neighbours."""
    if isinstance(schema, dict):
        for word in ("minimum", "maximum"):
            if isinstance(schema.get(word), int | float):
                limit = schema[word]
                yield from (limit, limit - 1, limit + 1, float(limit), limit + 0.0001, limit - 0.0001)
        for word in ("minLength", "maxLength"):
            if word in schema:
                yield from ("a" * length for length in range(max(0, schema[word] - 1), schema[word] + 2))
        for part in schema.values():
            yield from _bounds(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _bounds(part)


ANYTHING = [
    *dict.fromkeys(json.dumps(value) for value in _bounds(CHARGER_COMMAND.adapter.json_schema())),
    *("null", "true", "false", "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1E1", "-0", "-0.0", "[]", "{}"),
    *map(
        json.dumps,
        ["", " ", "x", "X", "a b", "é", "🚗", "\x00", "a\n", "-a", "_a", "a/b", "+", "#", "~", "\x7f", "\x1c"],
    ),
    *map(
        json.dumps,
        ["a" * 31, "a" * 32, "a" * 33, "f" * 63, "f" * 64, "f" * 65, "g" * 64, "F" * 64, "🚗" * 64, "🚗" * 65],
    ),
    *map(json.dumps, ["soft", "Soft", "rfid", "RFID", "state", "events", "no_authorization", "set_limit"]),
    *map(json.dumps, ["http://", "http://x", "https://x", "ftp://x", "ftps://x", "mqtt://x", "file://x", "http://x y"]),
    *map(json.dumps, ["http://" + "a" * 505, "http://" + "a" * 506, "HTTP://x", " http://x", "http://x\u3000"]),
    *map(json.dumps, [["a"], ["a"] * 4, ["a"] * 5, ["A"], [1], [None], [["a"]], {"a": 1}, {"energy_wh": 1}]),
    *map(json.dumps, [{"type": "rfid", "value": "x"}, {"type": "rfid"}, {"value": "x"}, {"type": "x", "value": "x"}]),
    *map(json.dumps, [[{"type": "rfid", "value": "x"}] * count for count in (1, 20, 21)]),
    *map(json.dumps, [[{"id_token": {"type": "rfid", "value": "x"}}] * count for count in (1, 20, 21)]),
    *map(json.dumps, [[{"id_token": {"type": "rfid"}}], [{"id_token": None}], [{}], [[]], [{"type": "rfid"}]]),
    *map(json.dumps, [{"max_current_a": 6, "idle_end_s": 0}, {"max_current_a": 6, "nonsense": 0}]),
]
"""JSON texts at and beside every limit of the contract: each is tried in every field."""


def _with_every_field(command):
    """Yield the command with ``@`` in place of each field, at any depth, once."""
    for name, value in command.items():
        yield {**command, name: "@"}
        if isinstance(value, dict):
            for inner in _with_every_field(value):
                yield {**command, name: inner}
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for inner in _with_every_field(value[0]):
                yield {**command, name: [inner]}


COMPLETE = [
    *(example.model_dump(mode="json") for example in examples_of(CHARGER_COMMAND)),
    {**VALID, "op": "configure", "settings": ChargerSettings().model_dump(mode="json")},
]


@pytest.mark.parametrize("command", COMPLETE, ids=lambda command: command["op"])
def test_every_field_takes_the_same_values(command):
    accepted = 0
    for place in _with_every_field(command):
        text = json.dumps(place)
        for value in ANYTHING:
            payload = text.replace('"@"', value, 1).encode()
            assert_equal(payload)
            accepted += contract(payload) is not None
    assert accepted > len(command)


@pytest.mark.parametrize("command", COMPLETE, ids=lambda command: command["op"])
def test_every_field_is_missed_by_both_or_by_none(command):
    for place in _with_every_field(command):
        assert_equal(json.dumps(_without_marker(place)).encode())


def _without_marker(value):
    """Return the object without the field that holds ``@``."""
    if isinstance(value, list):
        return [_without_marker(part) for part in value]
    if not isinstance(value, dict):
        return value
    return {name: _without_marker(part) for name, part in value.items() if part != "@"}


@settings(max_examples=300, deadline=None)
@given(commands)
def test_every_valid_command_means_the_same_to_both(command):
    payload = json.dumps(command).encode()
    if len(payload) <= MAX_MESSAGE_BYTES:
        assert contract(payload) is not None
    assert_equal(payload)


@settings(max_examples=300, deadline=None)
@given(nearly_commands(), st.booleans())
@example({"op": "get_log", **VALID, "url": "http://a\x1cb"}, False)
@example({"op": "get_log", **VALID, "url": "http://a\u2003b"}, False)
@example({"op": "get_log", **VALID, "url": "http://"}, False)
@example({"op": "configure", **VALID, "settings": {"max_current_a": 10**400}}, False)
@example({"op": "configure", **VALID, "settings": {"stop_by_same_card": 1}}, False)
@example({"op": "authorize", **VALID, "id_token": {"type": "rfid", "value": "🚗" * 64}}, False)
@example({"op": "authorize", **VALID, "id_token": {"type": "rfid", "value": "🚗" * 65}}, True)
@example({"op": "authorize", **VALID, "id_token": {"type": "rfid", "value": "x"}, "caps": None}, True)
def test_nearly_valid_commands_are_accepted_by_both_or_by_none(command, ascii_only):
    assert_equal(json.dumps(command, ensure_ascii=ascii_only).encode())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=100) | st.text(max_size=50).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_arbitrary_bytes_are_refused_by_both(payload):
    assert contract(payload) is None and firmware(payload) is None


@settings(max_examples=300, deadline=None)
@given(commands, st.data())
def test_damaged_json_is_accepted_by_both_or_by_none(command, data):
    payload = bytearray(json.dumps(command).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at : at + data.draw(st.integers(0, 1))] = data.draw(st.binary(max_size=2))
    assert_equal(bytes(payload))


@pytest.mark.parametrize(
    "payload",
    [
        '{"op":"resume","op":"pause",%s}',
        '{"op":"nonsense","op":"pause",%s}',
        '{"op":"pause","op":"nonsense",%s}',
        '{"op":"set_limit",%s,"current_a":NaN,"valid_for_s":1}',
        '{"op":"set_limit",%s,"current_a":-Infinity,"valid_for_s":1}',
        '{"op":"set_limit",%s,"current_a":1e999,"valid_for_s":1}',
        '{"op":"set_limit",%s,"current_a":1E1,"valid_for_s":1}',
        '{"op":"set_limit",%s,"current_a":6,"valid_for_s":1E1}',
        '{"op":"set_limit",%s,"current_a":6,"valid_for_s":10.0}',
        '{"op":"set_limit",%s,"current_a":-0.0,"valid_for_s":1}',
        '{"op":"set_limit",%s,"current_a":"6","valid_for_s":1}',
        '{"op":"set_limit",%s,"current_a":6,"current_a":"7","valid_for_s":1}',
        '{"op":"set_limit",%s,"current_a":"6","current_a":7,"valid_for_s":1}',
        '{"op":"set_limit",%s,"current_a":06,"valid_for_s":1}',
        '{"op":"pause",%s,"reason":"\\ud83d\\ude00"}',
        '{"op":"pause",%s,"reason":"\\ud83d"}',
        '{"op":"pause",%s,"reason":"\\ude00\\ud83d"}',
        '{"op":"pause",%s,"reason":"\\\\ud83d"}',
        '{"op":"pause",%s,"x":NaN}',
        '{"op":"pause",%s,"reason":"a\nb"}',
        '{"op":"pause",%s,"reason":"a\x00b"}',
        '{"op":"pause",%s,}',
        '{"op":"pause",%s} x',
        ' \n\t{"op":"pause",%s}\r\n ',
        '\ufeff{"op":"pause",%s}',
        "{'op':'pause',%s}",
        '{"op":"configure",%s,"settings":{"max_current_a":6,"max_current_a":99}}',
        '{"op":"configure",%s,"settings":{"max_current_a":99,"max_current_a":6}}',
    ],
)
def test_peculiar_json_is_accepted_by_both_or_by_none(payload):
    assert_equal((payload % BASE).encode())


def test_the_size_limit_is_the_same():
    for size in (MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES + 1):
        payload = f'{{"op":"pause",{BASE}}}'.encode().ljust(size)
        assert (contract(payload) is None) == (size > MAX_MESSAGE_BYTES)
        assert_equal(payload)


def test_both_know_the_same_operations():
    assert set(COMMANDS) == {example.op for example in examples_of(CHARGER_COMMAND)}
