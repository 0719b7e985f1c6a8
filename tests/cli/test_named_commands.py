"""Every command that an agent names in an alarm or a problem is one that the command line takes as it stands there."""

import ast
import contextlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command

from agents.cli.main import app

AGENTS = Path(__file__).parents[2] / "agents"

MISTAKE: Any = typer.BadParameter.__base__
"""What typer raises for every mistake in what was typed."""

VALUES = {"session_id": "0123456789ab-1"}
"""What stands in for a value in braces; ``c1`` for every other one."""


def _texts(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings of a module as a reader of an alarm sees them, f-strings filled in, without docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    plain = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(_part(value) for value in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner | plain:
            yield node.lineno, node.value


def _part(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    text = ast.unparse(value)
    return next((filled for name, filled in VALUES.items() if name in text), "c1")


def named() -> list[tuple[str, str]]:
    """Return where each command is named, and the command."""
    found = []
    for file in sorted(AGENTS.rglob("*.py")):
        if "cli" not in file.relative_to(AGENTS).parts:
            for line, text in _texts(file):
                found += [
                    (f"{file.relative_to(AGENTS)}:{line}", command)
                    for command in re.findall(r"`(chargebus [^`]*)`", text)
                ]
    return found


def parse(command: str) -> None:
    """Let the command line parse it, without running it. Raises what it raises for a mistake."""
    found: Any = get_command(app)
    words = shlex.split(command)[1:]
    context = found.context_class(found, info_name="chargebus")
    while isinstance(found, TyperGroup):
        _, found, words = found.resolve_command(context, words)
    # Exit: --help has been shown.
    with contextlib.suppress(typer.Exit):
        found.make_context(found.name, words, parent=context)


def test_there_are_some() -> None:
    assert len(named()) >= 5


@pytest.mark.parametrize(("where", "command"), named())
def test_a_command_in_an_alarm_can_be_typed(where: str, command: str) -> None:
    assert "{" not in command, f"{where}: braces that nobody has filled in"
    parse(command)


@pytest.mark.parametrize("command", ["chargebus settle c1", "chargebus nothing", "chargebus trigger c1 event"])
def test_one_that_cannot_be_typed_is_found(command: str) -> None:
    with pytest.raises(MISTAKE):
        parse(command)
