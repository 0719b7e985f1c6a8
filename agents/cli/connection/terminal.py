"""What every command that talks to a site has in common: its options, the connection, the output."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.connection.target import USER, Target
from agents.cli.connection.target_choice import choose_target
from agents.cli.values import person_id

if TYPE_CHECKING:
    from rich.console import RenderableType

SiteFunction = Callable[..., Coroutine[Any, Any, None]]
"""A command: its first parameter is the :class:`Terminal`."""

_PANEL = "Which site"

BrokerOption = Annotated[
    str | None,
    typer.Option(
        "--broker",
        metavar="HOST[:PORT]",
        envvar="CHARGEBUS_BROKER",
        help="Broker, instead of the configuration's.",
        rich_help_panel=_PANEL,
    ),
]
SiteOption = Annotated[
    str | None,
    typer.Option(
        "--site", envvar="CHARGEBUS_SITE", help="Site, instead of the configuration's.", rich_help_panel=_PANEL
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar="CHARGEBUS_CONFIG",
        help="Configuration (default: site.toml here, else that of a running `chargebus up`).",
        rich_help_panel=_PANEL,
    ),
]
PersonOption = Annotated[
    str,
    typer.Option(
        "--as",
        metavar="NAME",
        envvar="CHARGEBUS_PERSON",
        parser=person_id,
        help="Who you are: whose certificates or passwords to use.",
        rich_help_panel=_PANEL,
    ),
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        "--timeout", metavar="SECONDS", min=0.1, max=600, help="How long to wait for an answer.", rich_help_panel=_PANEL
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

DEFAULT_TIMEOUT_S = 10.0
"""How long a command waits for its answer unless told otherwise."""

_SHARED = {
    "as_json": (JsonOption, False),
    "broker": (BrokerOption, None),
    "site": (SiteOption, None),
    "config": (ConfigOption, None),
    "person": (PersonOption, USER),
    "timeout_s": (TimeoutOption, DEFAULT_TIMEOUT_S),
}


@dataclass(frozen=True)
class Terminal:
    """Where a command was typed: which site it is about, how long to wait, and how to print."""

    target: Target
    as_json: bool
    timeout_s: float

    def show(self, data: Any, render: Callable[[], RenderableType]) -> None:
        """Print ``data`` as JSON, or what ``render`` makes of it for people."""
        if self.as_json:
            typer.echo(json.dumps(data, ensure_ascii=False, indent=2))
            return
        from agents.cli.screen import print_for_people

        print_for_people(render())


def site_command(
    app: typer.Typer, name: str | None = None, **settings: Any
) -> Callable[[SiteFunction], Callable[..., None]]:
    """Register a coroutine function as a command that is about one site.

    Its first parameter is the :class:`Terminal`; the others are the command's own arguments and options. The
    options that all such commands share are added behind them.
    """

    def decorate(function: SiteFunction) -> Callable[..., None]:
        @functools.wraps(function)
        def command(**given: Any) -> None:
            shared = {key: given.pop(key) for key in _SHARED}
            target = choose_target(shared["broker"], shared["site"], shared["config"], Path.cwd(), shared["person"])
            terminal = Terminal(target, shared["as_json"], shared["timeout_s"])
            asyncio.run(function(terminal, **given))

        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        parameters += [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for key, (annotation, default) in _SHARED.items()
        ]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        del command.__wrapped__  # else type hints are read from the original
        app.command(name, **settings)(command)
        return command

    return decorate
