"""``sessions``: what the ledger has recorded, asked of the ledger itself."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from agents.cli.commanding.questions import ask
from agents.cli.connection.link import connected
from agents.cli.connection.terminal import Terminal, site_command
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from agents.cli.screen import plain_table
from agents.cli.values import charger_id, session_id
from bus_schema import Role
from bus_schema.event import SessionRecord
from bus_schema.site_messages import QueryAnswer, SessionsQuery
from bus_schema.topics import AGENT_ANSWER

app = command_app()

PAGE = 6
"""Sessions on a page: the most that the contract allows."""


@site_command(app)
async def sessions(
    terminal: Terminal,
    charger: Annotated[
        str | None, typer.Option("--charger", parser=charger_id, metavar="ID", help="Only this charger.")
    ] = None,
    session: Annotated[
        str | None, typer.Option("--session", parser=session_id, metavar="ID", help="Only this session.")
    ] = None,
    active: Annotated[
        bool | None, typer.Option("--active/--ended", help="Only those that go on, or only those that are over.")
    ] = None,
    most: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Most sessions to show.")] = 20,
) -> None:
    """Show the sessions that the ledger has recorded, newest first."""
    async with connected(terminal.target) as link:
        await link.listen(AGENT_ANSWER, agent=Role.LEDGER, asker=terminal.target.person)
        records: list[SessionRecord] = []
        cursor: str | None = None
        while len(records) < most:
            wanted: dict[str, Any] = {"charger": charger, "session_id": session, "active": active, "cursor": cursor}
            wanted["limit"] = min(PAGE, most - len(records))
            answer = await ask(link, terminal.timeout_s, Role.LEDGER, SessionsQuery, QueryAnswer, **wanted)
            if not answer.ok:
                raise CliError(ExitCode.FAILED, f"the ledger: {answer.reason}")
            records += answer.sessions
            cursor = answer.cursor
            if cursor is None:
                break
    if session is not None and not records:
        raise CliError(ExitCode.UNKNOWN, f"the ledger has no session {session!r}")
    terminal.show([record.model_dump(mode="json") for record in records], lambda: _table(records))


def _table(records: list[SessionRecord]) -> Table:
    headings = ("session", "charger", "who", "by", "started", "lasted", "energy", "ended")
    table = plain_table(*headings, right=("lasted", "energy"))
    for record in records:
        table.add_row(
            record.session_id,
            record.charger,
            "" if record.id_token is None else record.id_token.value or record.id_token.type,
            record.authorized_by or "",
            _moment(record.started_ts),
            "" if record.duration_s is None else _duration(record.duration_s),
            "unknown" if record.energy_wh is None else f"{record.energy_wh / 1000:.3f} kWh",
            _end(record),
        )
    return table


def _end(record: SessionRecord) -> str:
    if record.active:
        return "charging"
    if record.settled_by is not None:
        return f"settled by {record.settled_by}"
    return f"{_moment(record.ended_ts)} {record.reason or ''}".strip()


def _moment(ts: int | None) -> str:
    return "" if ts is None else datetime.fromtimestamp(ts / 1000).strftime("%Y-%m-%d %H:%M:%S")


def _duration(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
