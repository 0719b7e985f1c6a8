"""``settle``: close in the ledger what will never come from a charger whose board or flash is gone."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from agents.cli.commanding.questions import ask
from agents.cli.connection.link import connected
from agents.cli.connection.terminal import Terminal, site_command
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from agents.cli.values import charger_id, session_id
from bus_schema import Role
from bus_schema.site_messages import QueryAnswer, SettleQuery
from bus_schema.topics import AGENT_ANSWER

app = command_app()


@site_command(app)
async def settle(
    terminal: Terminal,
    charger: Annotated[str, typer.Argument(parser=charger_id, metavar="CHARGER", help="Which charger.")],
    session: Annotated[
        str | None,
        typer.Argument(parser=session_id, metavar="[SESSION]", help="Which session; else the missing events."),
    ] = None,
    because: Annotated[
        str, typer.Option("--because", metavar="TEXT", help="Why it will not come; kept with the record.")
    ] = ...,  # type: ignore[assignment]  # typer's word for "must be given"
) -> None:
    """Close what will never come from a charger: the end of a session, or missing events.

    For a board that was replaced or a flash that wore out: compare the charger's meter with its sessions first. A
    session is closed at its last register on record. An end, or an event, that comes after all counts as ever.
    """
    async with connected(terminal.target) as link:
        await link.listen(AGENT_ANSWER, agent=Role.LEDGER, asker=terminal.target.person)
        answer = await ask(
            link,
            terminal.timeout_s,
            Role.LEDGER,
            SettleQuery,
            QueryAnswer,
            charger=charger,
            session_id=session,
            because=because,
        )
    if not answer.ok:
        raise CliError(ExitCode.FAILED, f"the ledger: {answer.reason}")
    closed = answer.sessions[0] if answer.sessions else None
    terminal.show(
        {"charger": charger, "session": None if closed is None else closed.model_dump(mode="json")},
        lambda: Text(_in_words(charger, None if closed is None else closed.energy_wh, session)),
    )


def _in_words(charger: str, energy_wh: int | None, session: str | None) -> str:
    if session is None:
        return f"{charger}: its missing events are no longer awaited"
    energy = "an unknown energy" if energy_wh is None else f"{energy_wh / 1000:.3f} kWh"
    return f"{charger}: session {session} is closed with {energy}"
