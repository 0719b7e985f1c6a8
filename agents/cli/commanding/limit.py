"""``limit``: a lease from the technician."""

from typing import Annotated

import typer

from agents.cli.commanding.asking import command
from agents.cli.commanding.charging import Charger, Reason
from agents.cli.connection.terminal import Terminal, site_command
from agents.cli.lazy import command_app
from agents.cli.values import amperes, duration_s
from bus_schema.command import ReleaseLimit, SetLimit

app = command_app()

LONGEST_LEASE_S = 86_400
"""A lease lives a day at most (contract)."""


@site_command(app, context_settings={"ignore_unknown_options": True})  # so that -5 is a bad current, not an option
async def limit(
    terminal: Terminal,
    charger: Charger,
    current: Annotated[
        float | None,
        typer.Argument(parser=amperes, metavar="[AMPERES]", help="Limit per phase; below 6 A the charger pauses."),
    ] = None,
    valid_for: Annotated[
        int,
        typer.Option(
            "--for", parser=duration_s, metavar="TIME", show_default="15m", help="Life of the limit, at most 1d."
        ),
    ] = duration_s("15m"),
    release: Annotated[bool, typer.Option("--release", help="Take the limit away instead.")] = False,
    reason: Reason = "",
) -> None:
    """Limit the current for a time, or release the limit.

    When the time is over, the charger stays at the limit or at its fallback current, whichever is less, until the
    limit is given again or released: expiry never raises.

    --release takes away what was given from here, as this source. The limit of another one stands until that one
    releases it or it runs out: whoever gave it knows what else hangs on the circuit. ``status`` shows who limits.
    """
    if release == (current is not None):
        raise typer.BadParameter("give either a current in amperes or --release", param_hint="AMPERES")
    if valid_for > LONGEST_LEASE_S:
        raise typer.BadParameter("a limit lives 1d at most; give it again before it ends", param_hint="--for")
    if release:
        await command(terminal, charger, ReleaseLimit)
    else:
        await command(terminal, charger, SetLimit, current_a=current, valid_for_s=valid_for, reason=reason)
