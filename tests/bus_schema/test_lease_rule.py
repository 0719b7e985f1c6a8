"""One lease rule: what is made from it, the charger's code and the csms have the same outcome at every step."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus_schema.charger_messages import State
from bus_schema.generate.lease_vectors import CURRENTS_A, REASONS, SOURCES, played
from bus_schema.lease_rule import MAX_LEASES, MAX_REASON, MIN_CURRENT_A
from firmware.app import contract, limits
from tests.csms.lease_player import Play as AtTheCsms
from tests.firmware.app.lease_player import Play as AtTheCharger

FILE = Path(__file__).parents[2] / "bus_schema/generated/lease_vectors.json"
SEQUENCES: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))


def follow(play: AtTheCharger | AtTheCsms, steps: list[dict[str, Any]]) -> None:
    """Play steps and compare after each."""
    for number, step in enumerate(steps):
        assert play.outcome(step) == step["then"], (number, step["do"], steps[: number + 1])


@pytest.mark.parametrize("number", range(len(SEQUENCES)))
def test_every_sequence_ends_alike_everywhere(number: int) -> None:
    sequence = SEQUENCES[number]
    if not sequence["keeps_leases"]:
        follow(AtTheCharger(), sequence["steps"])
    if sequence["keeps_leases"] in (None, True):
        follow(AtTheCsms(), sequence["steps"])


sources = st.sampled_from(SOURCES)
steps = st.one_of(
    st.fixed_dictionaries(
        {
            "do": st.just("set_limit"),
            "source": sources,
            "current_a": st.sampled_from(CURRENTS_A) | st.floats(0, 100).map(lambda value: round(value, 2)),
            "valid_for_s": st.sampled_from([1, 2, 5, 3600]),
            "reason": st.sampled_from(REASONS),
        }
    ),
    st.fixed_dictionaries({"do": st.just("release_limit"), "source": sources}),
    st.fixed_dictionaries(
        {
            "do": st.just("configure"),
            "settings": st.fixed_dictionaries(
                {},
                optional={
                    "required_sources": st.lists(sources, max_size=4),
                    "fallback_current_a": st.sampled_from([0.0, 5.0, 6.0, 8.0, 10.0, 32.0]),
                    "max_current_a": st.sampled_from([6.0, 10.0, 32.0, 80.0]),
                },
            ),
        }
    ),
    st.fixed_dictionaries({"do": st.just("pause"), "source": sources, "reason": st.sampled_from(REASONS)}),
    st.fixed_dictionaries({"do": st.sampled_from(["resume", "restart", "look"])}),
)


timed = st.lists(st.tuples(st.sampled_from([0, 1, 999, 1000, 5000]), steps), max_size=25)


def _sequence(timed_steps: list[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
    at_ms, sequence = 0, []
    for wait_ms, step in timed_steps:
        at_ms += wait_ms
        sequence.append({"at_ms": at_ms, **step})
    return sequence


@settings(max_examples=300)
@given(timed)
def test_whatever_happens_the_three_say_the_same(timed_steps: list[tuple[int, dict[str, Any]]]) -> None:
    sequence = _sequence(timed_steps)
    follow(AtTheCharger(), played(sequence, keeps_leases=False))
    follow(AtTheCsms(), played(sequence, keeps_leases=True))


@settings(max_examples=300)
@given(timed, st.booleans())
def test_the_rule_keeps_what_it_promises(timed_steps: list[tuple[int, dict[str, Any]]], keeps_leases: bool) -> None:
    rows = played(_sequence(timed_steps), keeps_leases)
    required: list[str] = []
    limited, fallback_a, before_a = False, 6.0, 1000.0
    for row in rows:
        then, do = row["then"], row["do"]
        assert len(then["held"]) <= MAX_LEASES and then["limit_reason"]
        assert then["offered_a"] == (then["current_a"] if then["current_a"] >= MIN_CURRENT_A else 0.0)
        if do == "configure" and then["done"]:
            required = row["settings"].get("required_sources", required)
            fallback_a = row["settings"].get("fallback_current_a", fallback_a)
        if do == "set_limit" and row["source"] in required:
            assert then["done"], "a required source always finds a place"
        if do == "look" or (do == "restart" and keeps_leases):
            assert then["current_a"] <= before_a, "time alone never raises"
        elif do == "restart" and limited:
            assert then["current_a"] <= fallback_a, "a restart leaves at most the fallback"
        limited, before_a = bool(then["held"]), then["current_a"]


def test_the_numbers_are_the_contracts() -> None:
    schema = State.model_json_schema()["properties"]
    assert (schema["leases"]["maxItems"], schema["limit_reason"]["maxLength"]) == (MAX_LEASES, MAX_REASON)
    assert (contract.MAX_LEASES, contract.MAX_TEXT, limits.MIN_CURRENT_A) == (MAX_LEASES, MAX_REASON, MIN_CURRENT_A)
