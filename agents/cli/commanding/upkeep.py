"""``unlock``, ``reset``, ``availability``, ``identify`` and ``trigger``: looking after a charger."""

from enum import StrEnum
from typing import Annotated

import typer

from agents.cli.commanding.asking import command
from agents.cli.commanding.charging import Charger
from agents.cli.connection.terminal import Terminal, site_command
from agents.cli.lazy import command_app
from agents.cli.values import duration_s
from bus_schema.command import Identify, Reset, SetAvailability, Trigger, Unlock

app = command_app()


class Availability(StrEnum):
    """OCPP's words for in service and out of service."""

    OPERATIVE = "operative"
    INOPERATIVE = "inoperative"


class Published(StrEnum):
    """What `trigger` can make a charger publish."""

    META = "meta"
    STATE = "state"
    TELEMETRY = "telemetry"
    EVENTS = "events"


@site_command(app)
async def unlock(terminal: Terminal, charger: Charger) -> None:
    """Open the connector's lock; a session that is going on ends first."""
    await command(terminal, charger, Unlock)


@site_command(app)
async def reset(
    terminal: Terminal,
    charger: Charger,
    hard: Annotated[bool, typer.Option("--hard", help="At once; a session is ended after the boot.")] = False,
) -> None:
    """Restart a charger. Without --hard a session that is going on ends first."""
    await command(terminal, charger, Reset, kind="hard" if hard else "soft")


@site_command(app)
async def availability(
    terminal: Terminal,
    charger: Charger,
    value: Annotated[Availability, typer.Argument(help="In service or out of service.")],
) -> None:
    """Take a charger out of service or back. During a session it takes effect at its end."""
    await command(terminal, charger, SetAvailability, available=value is Availability.OPERATIVE)


@site_command(app)
async def identify(
    terminal: Terminal,
    charger: Charger,
    duration: Annotated[
        int,
        typer.Option("--for", parser=duration_s, metavar="TIME", show_default="30s", help="For how long, at most 1h."),
    ] = duration_s("30s"),
) -> None:
    """Make a charger blink, so that one finds it."""
    await command(terminal, charger, Identify, duration_s=duration)


@site_command(app)
async def trigger(
    terminal: Terminal, charger: Charger, message: Annotated[Published, typer.Argument(help="Which message.")]
) -> None:
    """Make a charger publish a message now. `events` repeats all that the ledger has not acknowledged."""
    await command(terminal, charger, Trigger, message=message.value)
