"""``configure``: settings of a charger."""

import json
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError
from rich.table import Table

from agents.cli.commanding.asking import command
from agents.cli.commanding.charging import OptionalCharger
from agents.cli.connection.terminal import Terminal, site_command
from agents.cli.lazy import command_app
from agents.cli.screen import plain_table
from bus_schema.charger_settings import ChargerSettings, SettingValue
from bus_schema.command import Configure
from bus_schema.docstrings import field_docstrings
from bus_schema.json_text import NotJson, read_json

app = command_app()

_FIELDS = ChargerSettings.model_fields


@site_command(app)
async def configure(
    terminal: Terminal,
    charger: OptionalCharger = None,
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="Settings to change, all of them or none.")
    ] = None,
) -> None:
    """Change settings of a charger, all of them or none.

    Without anything to change it shows what settings a charger has.
    """
    if charger is None or not settings:
        terminal.show(ChargerSettings.model_json_schema()["properties"], _known)
        return
    patch = dict(_pair(text) for text in settings)
    await command(terminal, charger, Configure, settings=patch)


def _pair(text: str) -> tuple[str, SettingValue]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="NAME=VALUE")
    if name not in _FIELDS:
        raise typer.BadParameter(
            f"there is no setting {name!r}; a charger has: {', '.join(_FIELDS)}", param_hint="NAME=VALUE"
        )
    field = _FIELDS[name]
    try:
        checked: Any = TypeAdapter(field.rebuild_annotation()).validate_python(_value(name, value), strict=True)
    except ValidationError as error:
        why = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise typer.BadParameter(f"{name}: {why}", param_hint="NAME=VALUE") from None
    return name, checked


def _value(name: str, text: str) -> object:
    """Read a value as its setting's type says: numbers and booleans as in JSON, lists with commas."""
    if isinstance(_FIELDS[name].default, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return read_json(text)
    except NotJson:
        return text  # NaN too, which no setting takes


def _known() -> Table:
    table = plain_table("setting", "default", "what it is")
    words = field_docstrings(ChargerSettings)
    for name, field in _FIELDS.items():
        table.add_row(name, json.dumps(field.default), " ".join(words[name].split()))
    return table
