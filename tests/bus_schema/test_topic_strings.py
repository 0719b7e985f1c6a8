"""Topics: from ids to strings and back, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus_schema import ROOT, TOPICS, ContractError, InvalidId, parse_topic
from bus_schema.ids import is_id
from tests.bus_schema.strategies import ids

HOSTILE = [
    "", "+", "#", "a/b", "a+", "c1/#", "/", " ", "a b", "A", "C1", "é", "c1\x00", "c1\n", "\ud800", "-a", "_a", "$SYS",
    "a" * 33, "..", "%u", "{charger}", "🚗", "١",
]  # fmt: skip


@given(st.data(), ids, st.sampled_from(TOPICS))
def test_formatting_and_parsing_are_inverse(data, site, topic):
    given_ids = {name: data.draw(ids) for name in topic.parameters}
    text = topic.format(site, **given_ids)
    address = parse_topic(text)
    assert (address.topic, address.site, address.ids) == (topic, site, given_ids)
    assert text.startswith(f"{ROOT}/{site}/") and len(text.encode()) <= 256


@given(st.text() | st.lists(st.sampled_from(["ev", "v1", "charger", "c1", "state", "+", "#", "", "é"])).map("/".join))
def test_whatever_parses_formats_to_itself(text):
    try:
        address = parse_topic(text)
    except ContractError as error:
        assert error.code == "unknown_topic"
    else:
        assert address.topic.format(address.site, **address.ids) == text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_id_never_becomes_a_level(hostile):
    for topic in TOPICS:
        good = dict.fromkeys(topic.parameters, "c1")
        with pytest.raises(InvalidId, match="site id"):
            topic.format(hostile, **good)
        with pytest.raises(InvalidId):
            topic.filter(hostile)
        for name in topic.parameters:
            with pytest.raises(InvalidId, match=f"{name} id"):
                topic.format("garage", **{**good, name: hostile})
            with pytest.raises(InvalidId):
                topic.filter("garage", **{name: hostile})
            if hostile != "":
                text = topic.format("garage", **{**good, name: "target"}).replace("target", hostile)
                with pytest.raises(ContractError, match="not in the contract"):
                    parse_topic(text)


@given(st.text())
def test_an_id_is_what_the_pattern_says(text):
    allowed = "abcdefghijklmnopqrstuvwxyz0123456789"
    expected = 1 <= len(text) <= 32 and text[0] in allowed and all(letter in allowed + "_-" for letter in text)
    assert is_id(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "ev",
            "ev/v1",
            "ev/v1/garage",
            "ev/v1/garage/",
            "ev/v2/garage/charger/c1/state",
            "ev/v1/garage/charger/c1",
        ),
        *("ev/v1/garage/charger/c1/state/", "/ev/v1/garage/charger/c1/state", "ev/v1/GARAGE/charger/c1/state"),
        *("ev/v1/garage/charger/c1/state/x", "ev/v1//charger/c1/state", "ev/v1/+/charger/c1/state", "x" * 100_000),
    ],
)
def test_what_is_not_in_the_table_is_unknown(text):
    with pytest.raises(ContractError) as caught:
        parse_topic(text)
    assert caught.value.code == "unknown_topic"
    assert len(str(caught.value)) < 400


def test_missing_and_unknown_ids_are_named():
    (state,) = (topic for topic in TOPICS if topic.name == "charger_state")
    with pytest.raises(TypeError, match="charger"):
        state.format("garage")
    with pytest.raises(TypeError, match="meter"):
        state.format("garage", charger="c1", meter="m")
    with pytest.raises(TypeError, match="chager"):
        state.filter("garage", chager="c1")


def test_a_filter_leaves_open_what_is_not_given():
    (answer,) = (topic for topic in TOPICS if topic.name == "agent_answer")
    assert answer.filter() == "ev/v1/+/agent/+/answer/+"
    assert answer.filter("garage", asker="console") == "ev/v1/garage/agent/+/answer/console"
