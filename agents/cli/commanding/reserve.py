"""``reserve`` and ``cancel-reservation``."""

import secrets
import time
from typing import Annotated

import typer

from agents.cli.commanding.asking import command
from agents.cli.commanding.charging import Charger
from agents.cli.connection.terminal import Terminal, site_command
from agents.cli.lazy import command_app
from agents.cli.values import duration_s, token
from bus_schema.command import CancelReservation, Reserve
from bus_schema.message import IdToken

app = command_app()

_LARGEST_ID = 2_147_483_647


@site_command(app)
async def reserve(
    terminal: Terminal,
    charger: Charger,
    who: Annotated[IdToken, typer.Argument(parser=token, metavar="[KIND:]TOKEN", help="For whom, e.g. rfid:04A2B3C4.")],
    lasting: Annotated[
        int, typer.Option("--for", parser=duration_s, metavar="TIME", show_default="30m", help="How long it is kept.")
    ] = duration_s("30m"),
    number: Annotated[
        int | None,
        typer.Option("--id", min=0, max=_LARGEST_ID, help="Number of the reservation; the same one replaces it."),
    ] = None,
) -> None:
    """Keep a charger for one token."""
    await command(
        terminal,
        charger,
        Reserve,
        reservation_id=secrets.randbelow(_LARGEST_ID) if number is None else number,
        id_token=who,
        expires_ts=time.time_ns() // 1_000_000 + lasting * 1000,
    )


@site_command(app, "cancel-reservation")
async def cancel_reservation(
    terminal: Terminal,
    charger: Charger,
    number: Annotated[int, typer.Argument(min=0, max=_LARGEST_ID, help="Number of the reservation (see `status`).")],
) -> None:
    """End a reservation early."""
    await command(terminal, charger, CancelReservation, reservation_id=number)
