"""Who may command under which name (fault X6): one rule, the same for agents in Python and for chargers."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bus_schema import Role
from bus_schema.command import AGENTS, PEOPLE_SOURCE, may_speak_as, person_behind
from firmware.app.senders import may_speak_as as charger_lets_speak
from firmware.app.senders import name_person

IDS = st.sampled_from([*map(str, Role), "anna", "anna-lee", "c1", "local"]) | st.from_regex(
    r"[a-z0-9][a-z0-9_-]{0,31}", fullmatch=True
)


@pytest.mark.parametrize(
    ("sender", "source"),
    [*((agent, agent) for agent in AGENTS), ("technician", "technician"), ("anna", "technician"), ("ems", "ems")],
)
def test_agents_speak_for_themselves_and_people_as_technicians(sender, source):
    assert may_speak_as(sender, source)


@given(st.sampled_from(AGENTS), IDS)
@example("console", "load_balancer")
@example("console", "technician")
def test_an_agent_speaks_for_nobody_else(sender, source):
    assert may_speak_as(sender, source) == (sender == source)


@given(IDS.filter(lambda sender: sender not in AGENTS), st.sampled_from(AGENTS))
@example("technician", "load_balancer")
@example("load", "load_balancer")
@example("load_balancer-2", "load_balancer")
def test_nobody_else_speaks_as_an_agent(sender, source):
    assert not may_speak_as(sender, source)


@given(IDS, IDS, st.none() | IDS)
@example("anna", "technician", "ben")
@example("console", "console", "anna")
def test_chargers_have_the_same_rule(sender, source, on_behalf_of):
    assert charger_lets_speak(sender, source) == may_speak_as(sender, source)
    if may_speak_as(sender, source):
        command = {"source": source, "on_behalf_of": on_behalf_of}
        name_person(command, sender)
        assert command["on_behalf_of"] == person_behind(sender, source, on_behalf_of)


@given(st.text(max_size=40).filter(lambda text: not text or not text[0].isalnum()))
@example("")
@example("a/b")
@example("Anna")
@example("x" * 33)
def test_a_sender_that_is_no_id_speaks_for_nobody(sender):
    assert not charger_lets_speak(sender, sender)
    assert not charger_lets_speak(sender, PEOPLE_SOURCE)


def test_only_an_agent_is_believed_when_it_names_a_person():
    assert person_behind("console", "console", "anna") == "anna"
    assert person_behind("load_balancer", "load_balancer", None) is None
    assert person_behind("ben", "technician", "anna") == "ben"
    assert person_behind("technician", "technician", "anna") is None
