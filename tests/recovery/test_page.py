"""The recovery page: every section names tests that exist, every command can be typed, every quoted word is printed."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache

import pytest

from tests.cli.test_named_commands import parse
from tests.deploy.site import ROOT
from tests.named_tests import named, that_do_not_exist

PAGE = (ROOT / "docs/recovery.md").read_text()
SECTIONS = {part.splitlines()[0]: part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]}
COMMANDS = [
    (title, line)
    for title, text in {"before the first": PAGE.split("\n## ")[0], **SECTIONS}.items()
    for block in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("chargebus ")
]
QUOTES = [(title, quote) for title, text in SECTIONS.items() for quote in re.findall(r"^> (.+)$", text, re.MULTILINE)]
LOSSES = ("ledger", "another agent", "PostgreSQL", "key of an agent", "charger's certificate", "charger is stolen",
          "laptop", "broker's key", "broker's data", "flash", "clock", "key is lost", "key is stolen",
          "whole machine")  # fmt: skip


def test_every_loss_has_a_section() -> None:
    assert [loss for loss in LOSSES if not any(loss in title for title in SECTIONS)] == []
    assert len(SECTIONS) == len(LOSSES)


@pytest.mark.parametrize("title", SECTIONS)
def test_a_section_says_what_one_sees_types_and_loses_and_names_its_tests(title: str) -> None:
    text = SECTIONS[title]
    assert all(words in text for words in ("**You see**", "**You type**", "**What is lost"))
    assert named(text) != []


def test_what_is_named_exists() -> None:
    assert that_do_not_exist(PAGE) == []


@pytest.mark.parametrize(("title", "command"), COMMANDS)
def test_a_command_can_be_typed(title: str, command: str) -> None:
    assert "…" not in command
    parse(command)


@pytest.mark.parametrize(("title", "command"), COMMANDS)
def test_a_command_is_run_by_a_test_of_its_section(title: str, command: str) -> None:
    """Or of another one that shows it: ``doctor``, ``status`` and their like are shown in many places."""
    words = shlex.split(command)[1:3]
    word = words[1] if words[0] == "pki" else words[0]
    files = {entry.partition("::")[0] for entry in named(PAGE)} | {"tests/cli/test_identity.py", COMMON.get(word, "")}
    assert any(f'"{word}"' in (ROOT / file).read_text() for file in files if file), word


COMMON = {
    "status": "tests/cli/test_commands.py",
    "doctor": "tests/cli/test_identity.py",
    "sessions": "tests/cli/test_sessions.py",
}
"""Where commands are run that only look."""


@pytest.mark.parametrize(("title", "quote"), QUOTES)
def test_quoted_words_are_those_that_are_printed(title: str, quote: str) -> None:
    """By the code; or, where Mosquitto prints them, by a test of the section."""
    ours = any(is_quoted(quote, text) for text in printed())
    assert ours or any(quote in (ROOT / entry.partition("::")[0]).read_text() for entry in named(SECTIONS[title]))


@pytest.mark.parametrize("quote", ["Charger … will send the events", "a new one was … ended"])
def test_words_that_nobody_prints_are_found(quote: str) -> None:
    assert not any(is_quoted(quote, text) for text in printed())


def is_quoted(quote: str, text: str) -> bool:
    """Tell whether the parts of a quote stand in a text in this order; ``…`` stands for what differs."""
    return re.search(".*?".join(re.escape(part.strip(" ")) for part in quote.split("…")), text) is not None


@cache
def printed() -> frozenset[str]:
    """Return every text of agents and firmware, with ``…`` for what is filled in."""
    files = [path for folder in ("agents", "firmware/app") for path in (ROOT / folder).rglob("*.py")]
    return frozenset(text for path in files for text in texts(ast.parse(path.read_text(encoding="utf-8"))))


def texts(tree: ast.AST) -> Iterator[str]:
    """Yield the strings of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
