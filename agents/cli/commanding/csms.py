"""``csms``: what the commands for chargers have no word for at an OCPP station, asked over the central system."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from agents.cli.commanding.questions import ask
from agents.cli.connection.link import connected
from agents.cli.connection.terminal import Terminal, site_command
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from agents.cli.screen import plain_table
from agents.cli.values import duration_s
from bus_schema import Role
from bus_schema.json_text import read_json
from bus_schema.site_messages import OcppCallAnswer, OcppCallQuery
from bus_schema.topics import AGENT_STATION_ANSWER

app = command_app()
group = command_app()
app.add_typer(group, name="csms")

Station = Annotated[str, typer.Argument(metavar="STATION", help="Name of the station, or one of its chargers.")]
Connector = Annotated[int | None, typer.Option("--connector", min=0, help="Only this connector.")]


@group.callback()
def csms() -> None:
    """Ask and set up OCPP stations: keys, messages, schedules, vendors' data.

    The connectors of a station are chargers: `chargebus start`, `stop`, `limit`, `unlock`, `reset`, `availability`,
    `reserve`, `log` and `update-firmware` work on `<station>-<n>`.
    """


@app.callback()
def _module() -> None:
    """Keep ``csms`` a group of its own."""


@site_command(group)
async def get(
    terminal: Terminal,
    station: Station,
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY…]", help="Which keys; else all.")] = None,
) -> None:
    """Show configuration keys of a station."""
    answer = await _call(terminal, station, "GetConfiguration", {"key": keys} if keys else {})
    terminal.show(answer, lambda: _keys(answer))


@site_command(group, "set")
async def set_key(
    terminal: Terminal,
    station: Station,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Which key.")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Its value.")],
) -> None:
    """Change a configuration key of a station."""
    await _told(terminal, station, "ChangeConfiguration", {"key": key, "value": value})


@site_command(group)
async def trigger(
    terminal: Terminal,
    station: Station,
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="For example BootNotification or MeterValues.")],
    connector: Connector = None,
) -> None:
    """Make a station send a message now."""
    await _told(terminal, station, "TriggerMessage", _with(connector, requestedMessage=message))


@site_command(group)
async def start(
    terminal: Terminal,
    station: Station,
    id_tag: Annotated[str, typer.Argument(metavar="IDTAG", help="Whom it is for.")],
    connector: Connector = 1,
) -> None:
    """Start a transaction from here (RemoteStartTransaction), at a station that is not on the bus itself."""
    await _told(terminal, station, "RemoteStartTransaction", _with(connector, idTag=id_tag))


@site_command(group)
async def stop(
    terminal: Terminal,
    station: Station,
    transaction: Annotated[int, typer.Argument(metavar="TRANSACTION", help="Its number.")],
) -> None:
    """Stop a transaction from here (RemoteStopTransaction), at a station that is not on the bus itself."""
    await _told(terminal, station, "RemoteStopTransaction", {"transactionId": transaction})


@site_command(group)
async def schedule(
    terminal: Terminal,
    station: Station,
    connector: Connector = 1,
    ahead: Annotated[
        int, typer.Option("--ahead", parser=duration_s, metavar="TIME", help="How far ahead, for example 1h.")
    ] = 3600,
) -> None:
    """Show what a station takes as its limits from now on (GetCompositeSchedule)."""
    payload = {"connectorId": connector or 0, "duration": ahead}
    answer = await _call(terminal, station, "GetCompositeSchedule", payload)
    terminal.show(answer, lambda: _schedule(answer))


@site_command(group, "clear-cache")
async def clear_cache(terminal: Terminal, station: Station) -> None:
    """Make a station forget the idTags that it has once accepted."""
    await _told(terminal, station, "ClearCache", {})


@site_command(group, "local-list")
async def local_list(
    terminal: Terminal,
    station: Station,
    tags: Annotated[list[str] | None, typer.Option("--tag", metavar="IDTAG", help="A card of the new list.")] = None,
    version: Annotated[int | None, typer.Option("--version", min=1, help="Version of the new list.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Send an empty list.")] = False,
) -> None:
    """Show the version of a station's local list, or replace the list by --tag cards."""
    if not tags and not clear:
        answer = await _call(terminal, station, "GetLocalListVersion", {})
        terminal.show(answer, lambda: Text(f"{station}: list version {answer.get('listVersion')}"))
        return
    if version is None:
        raise CliError(ExitCode.USAGE, "--version: say which version the new list has")
    entries = [{"idTag": tag, "idTagInfo": {"status": "Accepted"}} for tag in tags or []]
    payload = {"listVersion": version, "updateType": "Full", "localAuthorizationList": entries}
    await _told(terminal, station, "SendLocalList", payload)


@site_command(group)
async def data(
    terminal: Terminal,
    station: Station,
    vendor: Annotated[str, typer.Argument(metavar="VENDOR", help="The vendor's id.")],
    message: Annotated[str | None, typer.Option("--message", help="The vendor's message id.")] = None,
    content: Annotated[str | None, typer.Option("--data", help="What to send.")] = None,
) -> None:
    """Send a vendor's own message to a station (DataTransfer)."""
    wanted = {"vendorId": vendor, "messageId": message, "data": content}
    payload = {key: value for key, value in wanted.items() if value is not None}
    answer = await _call(terminal, station, "DataTransfer", payload)
    terminal.show(answer, lambda: Text(json.dumps(answer, ensure_ascii=False)))


def _with(connector: int | None, **payload: Any) -> dict[str, Any]:
    return payload if connector is None else {**payload, "connectorId": connector}


async def _told(terminal: Terminal, station: str, action: str, payload: dict[str, Any]) -> None:
    answer = await _call(terminal, station, action, payload)
    terminal.show(answer, lambda: Text(f"{station}: {action} {answer.get('status', 'done')}"))


async def _call(terminal: Terminal, station: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    async with connected(terminal.target) as link:
        await link.listen(AGENT_STATION_ANSWER, agent=Role.CSMS, asker=terminal.target.person)
        call = {"station": station, "action": action, "payload": json.dumps(payload)}
        answer = await ask(link, terminal.timeout_s, Role.CSMS, OcppCallQuery, OcppCallAnswer, **call)
    if not answer.ok:
        raise CliError(ExitCode.FAILED, f"{station}: {action}: {answer.reason}")
    response: dict[str, Any] = read_json(answer.payload or "{}")
    return response


def _keys(answer: dict[str, Any]) -> Table:
    table = plain_table("key", "value", "")
    for entry in answer.get("configurationKey", []):
        table.add_row(entry["key"], entry.get("value", ""), "read only" if entry.get("readonly") else "")
    for key in answer.get("unknownKey", []):
        table.add_row(key, "", "unknown to the station")
    return table


def _schedule(answer: dict[str, Any]) -> Table:
    chart = answer.get("chargingSchedule", {})
    table = plain_table("from now", "limit", right=("limit",))
    for period in chart.get("chargingSchedulePeriod", []):
        table.add_row(f"{period['startPeriod']} s", f"{period['limit']:g} {chart.get('chargingRateUnit', '')}")
    return table
