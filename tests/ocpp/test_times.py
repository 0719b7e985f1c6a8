"""Times: lenient in, UTC out."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.runtime.ocpp import format_time, parse_time
from agents.runtime.ocpp.times import InvalidTime

NOON = 1_769_860_800_000


@pytest.mark.parametrize(
    ("text", "more_ms"),
    [
        ("2026-01-31T12:00:00Z", 0),
        ("2026-01-31T12:00:00", 0),
        ("2026-01-31 12:00:00z", 0),
        ("2026-01-31T12:00Z", 0),
        ("2026-01-31T13:00:00+01:00", 0),
        ("2026-01-31T13:00:00+01", 0),
        ("2026-01-31T06:30:00-0530", 0),
        ("2026-01-31T12:00:00.5Z", 500),
        ("2026-01-31T12:00:00.123456789Z", 123),
        ("2026-01-31T12:00:00,25+00:00", 250),
        ("2026-01-31T12:00:60Z", 59_000),
        ("2026-01-31T24:00:00Z", 12 * 3_600_000),
    ],
)
def test_fractions_and_offsets_are_accepted(text, more_ms):
    assert parse_time(text) == NOON + more_ms


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-02-30T00:00:00Z", "2026-01-31", "2026-01-31T25:00:00Z", "0001-01-01T00:00:00+14:00"]
)
def test_anything_else_is_an_error(text):
    with pytest.raises(InvalidTime):
        parse_time(text)


@given(st.text())
def test_no_text_breaks_it(text):
    with contextlib.suppress(InvalidTime):
        parse_time(text)


@given(st.integers(0, 253_402_300_799_999))
def test_what_is_written_is_utc_and_read_the_same(ms):
    text = format_time(ms)
    assert text.endswith("Z") and parse_time(text) == ms
