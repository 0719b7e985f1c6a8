"""``schema``: the contract, printed. It needs no bus."""

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from agents.cli.lazy import command_app
from agents.cli.screen import print_for_people
from agents.registry import sample_site_toml
from bus_schema import ROOT, TOPICS, Topic
from bus_schema.generate.asyncapi import specification
from bus_schema.topics import topic_named

app = command_app()


@app.command()
def schema(
    name: Annotated[
        str | None, typer.Argument(metavar="[TOPIC]", help="A topic's name, for the JSON Schema of its message.")
    ] = None,
    as_asyncapi: Annotated[bool, typer.Option("--asyncapi", help="Print the AsyncAPI 3 document.")] = False,
    sample: Annotated[
        bool, typer.Option("--site-toml", help="Print a site.toml with every setting, its default and meaning.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table of topics as JSON.")] = False,
) -> None:
    """Print the contract: the topics, a message's JSON Schema, AsyncAPI."""
    if sample:
        typer.echo(sample_site_toml(), nl=False)
    elif as_asyncapi:
        _print_json(specification())
    elif name is not None:
        _print_json(_named(name).adapter.json_schema())
    elif as_json:
        _print_json([_row(topic) for topic in TOPICS])
    else:
        print_for_people(_table())


def _named(name: str) -> Topic[Any]:
    try:
        return topic_named(name)
    except KeyError as error:
        raise typer.BadParameter(error.args[0], param_hint="TOPIC") from None


def _print_json(document: object) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def _row(topic: Topic[Any]) -> dict[str, Any]:
    return {
        "name": topic.name,
        "pattern": f"{ROOT}/{{site}}/{topic.pattern}",
        "qos": topic.qos,
        "retained": topic.retained,
        "writers": [str(role) for role in topic.writers],
        "readers": [str(role) for role in topic.readers],
        "description": topic.description,
    }


def _table() -> Table:
    table = Table(title=f"Topics under {ROOT}/{{site}}/", title_justify="left", box=None, header_style="bold")
    for heading in ("name", "topic", "QoS", "retained", "writers", "what it carries"):
        table.add_column(heading, overflow="fold")
    for topic in TOPICS:
        writers = ", ".join(topic.writers) if len(topic.writers) < 4 else f"{len(topic.writers)} roles"
        table.add_row(
            topic.name, topic.pattern, str(topic.qos), "yes" if topic.retained else "", writers, topic.description
        )
    return table
