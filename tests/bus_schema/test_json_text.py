"""Strict JSON: the charger's scanner and the contract's reader take the same bytes and read the same values."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import firmware.app.json_text as at_the_charger
from bus_schema import TOPICS, ContractError
from bus_schema.examples import EXAMPLES
from bus_schema.json_text import NotJson, beyond_pydantic, read_json
from bus_schema.message import MAX_MESSAGE_BYTES, MAX_NESTING
from firmware.app import utf8
from tests.bus_schema.json_bytes import damaged, peculiar
from tests.bus_schema.test_firmware_validator import assert_equal, contract

ROOT = Path(__file__).parents[2]


def of_the_contract(data):
    """Return what the contract's reader makes of any JSON, or the class of error."""
    if len(data) > MAX_MESSAGE_BYTES or beyond_pydantic(data):
        return NotJson
    try:
        return read_json(data)
    except NotJson:
        return NotJson


def of_the_charger(data):
    try:
        return at_the_charger.read(data)
    except at_the_charger.NotJson as error:
        assert 0 < len(str(error)) < 80
        return NotJson


def assert_alike(data):
    expected, found = of_the_contract(data), of_the_charger(data)
    assert repr(found) == repr(expected), data[:300]


def test_every_peculiar_byte_string_is_taken_by_both_or_by_none():
    """S4: as JSON, and as a command."""
    taken = 0
    for data in peculiar():
        assert_alike(data)
        assert_equal(data)
        taken += contract(data) is not None
    assert taken > 100


def test_damaged_commands_are_taken_by_both_or_by_none():
    taken = 0
    for data in damaged(4000, seed=1):
        assert_alike(data)
        assert_equal(data)
        taken += contract(data) is not None
    assert 500 < taken < 3500


PIECES = st.sampled_from(
    [
        *(b"{", b"}", b"[", b"]", b",", b":", b'"', b'"a"', b'"b":', b"1", b"-0.5e3", b"0", b"true", b"null", b"NaN"),
        *(
            b" ",
            b"\n",
            b"\\",
            b"\\u",
            b"\\ud83d",
            b"\\ude00",
            b"00e9",
            b"\xed\xa0\x80",
            "é€😀".encode(),
            b"Infinity",
            b"-",
        ),
    ]
)


@settings(max_examples=500)
@given(st.lists(PIECES, max_size=12).map(b"".join) | st.binary(max_size=12))
def test_any_bytes_are_json_for_both_or_for_none(data):
    assert_alike(data)


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=300)
@given(NESTED, st.booleans(), st.sampled_from([None, 1]))
def test_json_is_json_for_both(value, ascii_only, indent):
    try:
        data = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    except UnicodeEncodeError:
        data = json.dumps(value, ensure_ascii=True).encode()
    assert_alike(data)


@given(st.text(st.sampled_from('[]{}"\\a1,:'), max_size=40), st.integers(0, MAX_NESTING + 2))
def test_brackets_in_strings_are_no_levels(text, depth):
    data = (
        (b"[" * depth + json.dumps(text).encode() + b"," + json.dumps(text).encode() + b"]" * depth) if depth else b"1"
    )
    assert (beyond_pydantic(data) is None) == (depth <= MAX_NESTING)
    assert_alike(data)


def _deepest(schema, root):
    if not isinstance(schema, dict):
        return 0
    if "$ref" in schema:
        return _deepest(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], root)
    inner = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("properties", {}).values()]
    inner += [schema.get("items"), schema.get("additionalProperties")]
    return (schema.get("type") in ("object", "array")) + max(_deepest(each, root) for each in inner)


def test_the_deepest_message_leaves_two_levels_for_later_fields():
    schemas = [topic.adapter.json_schema() for topic in TOPICS]
    assert max(_deepest(schema, schema) for schema in schemas) == MAX_NESTING - 2


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize(("topic", "example"), EXAMPLES, ids=lambda value: getattr(value, "name", type(value).__name__))
def test_what_is_no_number_is_refused_in_fields_that_are_ignored_too(topic, example, word):
    """X13."""
    payload = topic.encode(example).decode()
    with pytest.raises(ContractError) as caught:
        topic.decode(payload[:-1] + f',"x_new":[{word}]}}')
    assert caught.value.code == "malformed"
    assert topic.decode(payload[:-1] + f',"x_new":["{word}"]}}') == example


def test_every_character_is_utf_8_and_nothing_else_is():
    """S4: Unicode table 3-7, which Python's strict decoder keeps to."""
    for code in (*range(0x80, 0x3000), *range(0xD000, 0xE100), *range(0xFF00, 0x10200), 0x3FFFF, 0x40000, 0x10FFFF):
        data = chr(code).encode("utf-8", "surrogatepass")
        assert _read(data) == _decode(data), hex(code)
    for lead in range(0x80, 0x100):
        for second in (0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0):
            for rest in (b"", b"\x7f", b"\x80", b"\x80\x7f", b"\x80\x80", b"\xbf\xbf\xbf", b"\xc0\x80"):
                data = bytes((lead, second)) + rest
                assert _read(data) == _decode(data), data


def _read(data):
    try:
        return utf8.read(data)
    except ValueError:
        return None


def _decode(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None
