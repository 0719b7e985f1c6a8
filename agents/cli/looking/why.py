"""``why``: the story of a charger's last hour, asked of the load balancer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.console import Group
from rich.text import Text

from agents.cli.commanding.questions import ask
from agents.cli.connection.link import connected
from agents.cli.connection.terminal import Terminal, site_command
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from agents.cli.screen import plain_table
from agents.cli.values import charger_id, duration_s
from bus_schema import Role
from bus_schema.site_messages import GrantRecord, WhyAnswer, WhyQuery
from bus_schema.topics import AGENT_STORY

app = command_app()

HOUR_S = 3600


@site_command(app)
async def why(
    terminal: Terminal,
    charger: Annotated[str, typer.Argument(parser=charger_id, metavar="CHARGER", help="Which charger.")],
    since: Annotated[
        int,
        typer.Option(
            "--since", parser=duration_s, metavar="TIME", show_default="1h", help="How far back, for example 3h."
        ),
    ] = HOUR_S,
) -> None:
    """Tell why a charger got what it got in the last hour: each change of its grant, with the reason."""
    async with connected(terminal.target) as link:
        await link.listen(AGENT_STORY, agent=Role.LOAD_BALANCER, asker=terminal.target.person)
        now_ms = link.clock.now_ms()
        grants: list[GrantRecord] = []
        cursor: str | None = None
        while True:
            place = {"charger": charger, "since_ts": max(0, now_ms - since * 1000), "cursor": cursor}
            answer = await ask(link, terminal.timeout_s, Role.LOAD_BALANCER, WhyQuery, WhyAnswer, **place)
            if not answer.ok:
                raise CliError(ExitCode.UNKNOWN, f"the load balancer: {answer.reason}")
            grants += answer.grants
            cursor = answer.cursor
            if cursor is None:
                break
    terminal.show([grant.model_dump(mode="json") for grant in grants], lambda: _story(charger, grants, now_ms, since))


def _story(charger: str, grants: list[GrantRecord], now_ms: int, since_s: int) -> Group:
    if not grants:
        return Group(Text(f"{charger}: the load balancer has granted nothing in this time."))
    lasted: dict[str, float] = {}
    table = plain_table("from", "for", "grant", "why", right=("for", "grant"))
    begin_ms = now_ms - since_s * 1000
    for grant in grants:
        end_ms = now_ms if grant.to_ts is None else grant.to_ts
        seconds = max(0, end_ms - max(grant.from_ts, begin_ms)) / 1000
        lasted[grant.constraint] = lasted.get(grant.constraint, 0.0) + seconds
        table.add_row(_moment(grant.from_ts), _duration(seconds), f"{grant.current_a:g} A", _reason(grant))
    last = grants[-1]
    now = Text(f"{charger} is granted {last.explanation}", "bold")
    if last.to_ts is not None:
        now = Text(f"{charger} was last granted {last.explanation}", "bold")
    whole = sum(lasted.values()) or 1.0
    most, seconds = max(lasted.items(), key=lambda item: item[1])
    summary = Text(f"Most of the time ({100 * seconds / whole:.0f} %) this was it: {most}.")
    return Group(now, summary, table)


def _reason(grant: GrantRecord) -> str:
    """Return the explanation without the amperes that stand beside it."""
    amperes, colon, reason = grant.explanation.partition(": ")
    return reason if colon and amperes.endswith(" A") else grant.explanation


def _moment(ts: int) -> str:
    return datetime.fromtimestamp(ts / 1000).strftime("%H:%M:%S")


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
