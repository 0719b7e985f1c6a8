"""``start``, ``stop``, ``pause`` and ``resume``: whether a car charges."""

from typing import Annotated

import typer

from agents.cli.commanding.asking import command, made
from agents.cli.connection.terminal import Terminal, site_command
from agents.cli.lazy import command_app
from agents.cli.values import charger_id, duration_s, energy_wh, session_id, token
from bus_schema.command import Authorize, Caps, Pause, Resume, Stop
from bus_schema.message import IdToken
from bus_schema.words import IdTokenType

app = command_app()

Charger = Annotated[str, typer.Argument(parser=charger_id, metavar="CHARGER", help="Id of the charger.")]
OptionalCharger = Annotated[
    str | None, typer.Argument(parser=charger_id, metavar="[CHARGER]", help="Id of the charger.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why, in words; whoever looks at the charger sees it.")]

TECHNICIAN = IdToken(type=IdTokenType.APP, value="technician")
"""Who charges when `start` names nobody."""


@site_command(app)
async def start(
    terminal: Terminal,
    charger: Charger,
    who: Annotated[
        IdToken | None,
        typer.Option("--token", parser=token, metavar="[KIND:]VALUE", help="Who charges, e.g. rfid:04A2B3C4."),
    ] = None,
    energy: Annotated[
        int | None, typer.Option("--energy", parser=energy_wh, metavar="KWH", help="End at this energy, e.g. 10kWh.")
    ] = None,
    longest: Annotated[
        int | None, typer.Option("--for", parser=duration_s, metavar="TIME", help="End after this time, e.g. 2h.")
    ] = None,
    wait: Annotated[
        int | None, typer.Option("--wait", parser=duration_s, metavar="TIME", help="Wait so long for a car.")
    ] = None,
) -> None:
    """Let somebody charge: at once if a car is there, else when one comes."""
    minutes = None if longest is None else max(1, longest // 60)
    await command(
        terminal,
        charger,
        Authorize,
        id_token=TECHNICIAN if who is None else who,
        caps=made(Caps, energy_wh=energy, duration_min=minutes),
        connection_timeout_s=wait,
    )


@site_command(app)
async def stop(
    terminal: Terminal,
    charger: Charger,
    session: Annotated[
        str | None,
        typer.Option("--session", parser=session_id, metavar="ID", help="Only this session; else whichever goes on."),
    ] = None,
    reason: Reason = "",
) -> None:
    """End the session. The car stays plugged in until somebody unplugs it."""
    await command(terminal, charger, Stop, session_id=session, reason=reason)


@site_command(app)
async def pause(terminal: Terminal, charger: Charger, reason: Reason = "") -> None:
    """Offer nothing until `resume`; the session goes on."""
    await command(terminal, charger, Pause, reason=reason)


@site_command(app)
async def resume(terminal: Terminal, charger: Charger) -> None:
    """End a pause."""
    await command(terminal, charger, Resume)
