"""A command group that imports a command's module only when that command is called.

``chargebus --help`` needs every command's name and one line of help, but not pydantic, aiomqtt and rich's tables,
which take longer to import than most commands take to run.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

HELP_NAMES = {"help_option_names": ["-h", "--help"]}
"""Typer's setting for the names of the help option."""


@dataclass(frozen=True)
class Entry:
    """Where a command lives and how the overview describes it.

    ``module`` holds a Typer object called ``app`` with a command of this name; ``help`` is the first line of the
    command's docstring (a test compares the two); ``panel`` is the heading that it stands under.
    """

    module: str
    help: str
    panel: str


def command_app() -> typer.Typer:
    """Return the Typer object of a command's module."""
    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings=HELP_NAMES,
    )


def load(name: str, entry: Entry) -> Any:
    """Import a command's module and return the command."""
    command = get_command(import_module(entry.module).app)
    return command.commands[name] if isinstance(command, TyperGroup) else command


class LazyGroup(TyperGroup):
    """A group whose commands are stand-ins with a line of help until one of them is called."""

    entries: dict[str, Entry] = {}

    def __init__(self, **arguments: Any) -> None:
        """Put a stand-in in place of every command."""
        super().__init__(**arguments)
        for name, entry in self.entries.items():
            self.commands[name] = TyperCommand(name, help=entry.help, rich_help_panel=entry.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that was called, imported by now."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is None:
            return name, command, rest
        return name, load(name, self.entries[name]), rest
