"""Rights that nobody needs (fault X6): what the table of topics lets an agent do is what its code does.

What an agent reads follows from its handlers. What it writes follows from its source: the topics that its folder names
outside of handlers' decorators, and what the runtime writes in its name.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

from agents.registry import AGENTS, load_agent
from bus_schema import TOPICS, Role, Topic, topics
from bus_schema.topics import CHARGER_COMMAND, topics_read_by, topics_written_by

ROOT = Path(__file__).parents[2]
EVERY_AGENTS = {"agent_health", "agent_rejected", "alarm"}
"""What the runtime writes in every agent's name."""

EXCEPTIONS = {
    ("technician", "charger_wish"): "no page asks for a wish yet: a technician publishes it with mosquitto_pub",
    ("ledger", "charger_meta"): "the rating of a charger bounds the energy that its events may claim",
}
"""Rights that may be unused, and why they are there all the same."""


def handled(agent: str) -> set[str]:
    """Return the names of the topics that an agent has handlers for."""
    kind = load_agent(agent)
    marks = (mark for name in dir(kind) for mark in getattr(getattr(kind, name), "_subscriptions", ()))
    return {mark.topic.name for mark in marks}


@cache
def named(folder: str) -> frozenset[str]:
    """Return the names of the topics that a folder's code names, but for those that only handlers' decorators do."""
    found: set[str] = set()
    for file in (ROOT / folder).rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        skipped = {node for function in functions for each in function.decorator_list for node in ast.walk(each)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node not in skipped:
                constant = CHARGER_COMMAND if node.id == "CommandSender" else getattr(topics, node.id, None)
                if isinstance(constant, Topic):
                    found.add(constant.name)
    return frozenset(found)


@pytest.mark.parametrize("agent", AGENTS)
def test_an_agent_may_read_what_it_handles_and_nothing_else(agent: str) -> None:
    granted = {topic.name for topic in topics_read_by(Role(agent)) if (agent, topic.name) not in EXCEPTIONS}
    assert granted == handled(agent) - {name for who, name in EXCEPTIONS if who == agent}


@pytest.mark.parametrize("agent", AGENTS)
def test_an_agent_may_write_nothing_that_its_code_does_not_name(agent: str) -> None:
    folder = "agents/" + load_agent(agent).__module__.split(".")[1]
    granted = {topic.name for topic in topics_written_by(Role(agent))}
    assert granted >= EVERY_AGENTS
    assert granted - EVERY_AGENTS <= named(folder)


def test_a_technician_may_write_nothing_that_the_command_line_does_not() -> None:
    granted = {topic.name for topic in topics_written_by(Role.TECHNICIAN)}
    assert granted - {name for who, name in EXCEPTIONS if who == Role.TECHNICIAN} <= named("agents/cli")


@pytest.mark.parametrize("role", [Role.PAYMENT, Role.ANALYTICS])
def test_an_agent_that_is_not_written_yet_may_do_what_every_agent_does(role: Role) -> None:
    assert role not in AGENTS, "it is written: its rights follow from its code now"
    assert {topic.name for topic in topics_written_by(role)} == EVERY_AGENTS
    assert not list(topics_read_by(role))


def test_the_exceptions_are_rights() -> None:
    rights = {(str(role), topic.name) for topic in TOPICS for role in (*topic.writers, *topic.readers)}
    assert set(EXCEPTIONS) <= rights
