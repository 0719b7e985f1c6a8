"""``watch``: the bus as it goes by."""

import json
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from agents.cli.connection.heard import Heard
from agents.cli.connection.link import Link, connected
from agents.cli.connection.terminal import Terminal, site_command
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from agents.cli.screen import console
from agents.cli.values import charger_id, duration_s
from bus_schema import Topic
from bus_schema.topics import topic_named

app = command_app()

_DULL = {"ts", "uptime_ms", "boot_id"}
"""Fields of every message that a person does not want to read."""


@site_command(app)
async def watch(
    terminal: Terminal,
    chargers: Annotated[
        list[str] | None, typer.Argument(parser=charger_id, metavar="[CHARGER]...", help="Only these chargers.")
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option("--topic", metavar="NAME", help="Only this topic, by its name in `schema`; may be repeated."),
    ] = None,
    lasting: Annotated[
        int | None, typer.Option("--for", parser=duration_s, metavar="TIME", help="Stop after this time.")
    ] = None,
    count: Annotated[int | None, typer.Option("--count", min=1, help="Stop after so many messages.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if a message broke the contract.")] = False,
) -> None:
    """Follow the bus live, decoded, with violations of the contract shown.

    Runs until Ctrl-C unless --for or --count end it. With --json every message is one line of JSON.
    """
    topics = [_named(name) for name in names or []]
    shown = violations = 0
    async with connected(terminal.target) as link:
        await _subscribe(link, topics, chargers or [])
        async for heard in link.heard(lasting):
            if not _wanted(heard, topics, chargers or []):
                continue
            _print(terminal, heard)
            shown += 1
            violations += _violation(heard) is not None
            if shown == count:
                break
    if strict and violations:
        raise CliError(ExitCode.FAILED, f"{violations} of {shown} messages broke the contract")


async def _subscribe(link: Link, topics: list[Topic[Any]], chargers: list[str]) -> None:
    if not topics:
        await link.listen_to_all()
    elif len(chargers) == 1:
        await link.listen(*topics, charger=chargers[0])
    else:
        await link.listen(*topics)


def _named(name: str) -> Topic[Any]:
    try:
        return topic_named(name)
    except KeyError as error:
        raise typer.BadParameter(error.args[0], param_hint="--topic") from None


def _wanted(heard: Heard, topics: list[Topic[Any]], chargers: list[str]) -> bool:
    # A broker may hand over more than was subscribed to, and a topic outside the contract has no charger.
    if chargers and heard.charger not in chargers:
        return False
    return not topics or (heard.address is not None and heard.address.topic in topics)


def _violation(heard: Heard) -> str | None:
    """Say how the message breaks the contract, or return None."""
    if heard.error is not None:
        return heard.error.reason
    if heard.retained and heard.address is not None and not heard.address.topic.retained:
        return "retained, where the contract forbids it"
    return None


def _print(terminal: Terminal, heard: Heard) -> None:
    if terminal.as_json:
        typer.echo(json.dumps(_as_json(heard), ensure_ascii=False))
        return
    console().print(_in_words(heard), soft_wrap=True)


def _as_json(heard: Heard) -> dict[str, Any]:
    return {
        "received_ms": heard.received_ms,
        "topic": heard.topic,
        "retained": heard.retained,
        "message": None if heard.message is None else heard.message.model_dump(mode="json"),
        "violation": _violation(heard),
    }


def _in_words(heard: Heard) -> Text:
    moment = datetime.fromtimestamp(heard.received_ms / 1000).strftime("%H:%M:%S.%f")[:-3]
    where = heard.topic.split("/", 3)[-1]
    line = Text.assemble((moment, "bright_black"), " ", (where, "bold cyan"), (" retained" * heard.retained, "blue"))
    violation = _violation(heard)
    if violation is not None:
        line.append(f" VIOLATION {violation}", "bold red")
    elif heard.clears:
        line.append(" cleared", "yellow")
    if heard.message is not None:
        fields = heard.message.model_dump(mode="json", exclude_defaults=True)
        for name, value in fields.items():
            if name not in _DULL and value is not None:
                line.append(f" {name}=", "bright_black")
                line.append(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return line
