"""Framing: whatever comes is read as something, and what is written can be read."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.runtime.ocpp.frames import (
    Call,
    CallError,
    CallResult,
    Malformed,
    message_ids,
    read_frame,
    write_call,
    write_error,
    write_payload,
    write_result,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
CHARACTERS = st.characters(codec="utf-8")


@given(st.text() | st.binary())
def test_every_string_is_read_as_something(data):
    assert isinstance(read_frame(data), Call | CallResult | CallError | Malformed)


@given(JSON)
def test_every_json_is_read_as_something(value):
    assert isinstance(read_frame(json.dumps(value)), Call | CallResult | CallError | Malformed)


@given(st.lists(st.sampled_from([2, 3, 4, 5, -1, 2.0, True, None, "2", "id", "", {}, [], "Heartbeat", {"a": 1}])))
def test_every_array_of_likely_parts_is_read_as_something(parts):
    frame = read_frame(json.dumps(parts))
    assert isinstance(frame, Call | CallResult | CallError | Malformed)


@given(
    st.text(CHARACTERS, min_size=1, max_size=36),
    st.text(CHARACTERS),
    st.dictionaries(st.text(CHARACTERS), st.text(CHARACTERS) | st.integers(-(2**53), 2**53)),
)
def test_what_is_written_is_read_the_same(id, word, payload):
    assert read_frame(write_call(id, word, write_payload(payload))) == Call(id, word, payload)
    assert read_frame(write_result(id, write_payload(payload))) == CallResult(id, payload)
    assert read_frame(write_error(id, word, word)) == CallError(id, word, word[:255])


@pytest.mark.parametrize("payload", ["", ",null", ",{}", ",[]"])
def test_a_missing_null_or_empty_payload_is_an_empty_one(payload):
    assert read_frame(f'[2,"1","Heartbeat"{payload}]') == Call("1", "Heartbeat", {})
    assert read_frame(f'[3,"1"{payload}]') == CallResult("1", {})


def test_an_unknown_message_type_is_ignored_and_anything_else_is_answered():
    assert read_frame('[5,"1",{}]') == Malformed(None, "unknown message type", ignore=True)
    for text in ("", "{}", "[]", "null", "[2", '["2","1"]', "[true]", "[2.0]", '"x"'):
        frame = read_frame(text)
        assert isinstance(frame, Malformed) and not frame.ignore and frame.kind is None, text


@pytest.mark.parametrize(
    "text", ['[2,"1","A",{"x":NaN}]', '[2,"1","A",{"x":-Infinity}]', '[2,"1","A",{"x":"\\ud800"}]']
)
def test_what_only_python_takes_for_json_is_refused(text):
    assert read_frame(text) == Malformed(None, "not JSON, or nested too deeply")


def test_deep_nesting_and_long_numbers_are_refused():
    assert isinstance(read_frame('[2,"1","A",' + "[" * 200_000), Malformed)
    assert isinstance(read_frame('[2,"1","A",{"x":' + "9" * 5000 + "}]"), Malformed)


def test_a_frame_of_ten_mebibytes_is_refused_unread():
    text = '[2,"1","DataTransfer",{"vendorId":"' + "x" * (10 * 1024 * 1024) + '"}]'
    assert read_frame(text) == Malformed(None, "longer than 1048576 bytes")
    assert isinstance(read_frame("é" * 600_000), Malformed)


def test_binary_is_refused():
    assert read_frame(b'[2,"1","Heartbeat",{}]') == Malformed(None, "a binary message; OCPP-J is text")


def test_the_id_of_a_broken_call_is_kept_for_the_answer():
    frame = read_frame('[2,"abc","Heartbeat",17]')
    assert frame == Malformed("abc", "the payload is not a JSON object", kind=2)


def test_message_ids_fit_and_never_come_again():
    fresh = message_ids(Random(7))
    ids = [fresh() for _ in range(10_000)]
    assert len(set(ids)) == len(ids)
    assert max(map(len, ids)) <= 36
