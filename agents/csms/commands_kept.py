"""Commands that have come, kept so that each is executed at most once, over restarts too (invariant 7)."""

from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session as Database

from agents.csms.commanding import Answer
from agents.csms.models import CommandRow
from bus_schema.command import Command
from bus_schema.words import ReplyCode, ReplyStage

KEEP_MS = 86_400_000
"""How long after its deadline a command is remembered; later it would be answered ``expired`` anyway. ms."""


@dataclass(frozen=True, slots=True)
class Known:
    """A command that has come before; ``answer`` is None while it is being executed."""

    op: str
    sender: str | None
    """Who sent it; None where nobody has noted that."""
    answer: Answer | None


def note(db: Database, charger: str, command: Command, sender: str) -> Known | None:
    """Keep a command that is new and return None, or return what is known of the one of its id."""
    row = db.get(CommandRow, (charger, command.id))
    if row is None:
        db.add(
            CommandRow(
                charger=charger, command_id=command.id, op=command.op, sender=sender, deadline_ts=command.deadline_ts
            )
        )
        return None
    return Known(row.op, row.sender, _answer(row))


def keep_answer(db: Database, charger: str, command_id: str, answer: Answer) -> None:
    """Keep the newest answer to a command."""
    row = db.get(CommandRow, (charger, command_id))
    if row is not None:
        row.stage, row.code, row.reason = answer.stage, answer.code, answer.reason


def interrupted(db: Database) -> list[tuple[str, str, str]]:
    """Return the commands that a restart has cut: charger, id and operation."""
    rows = db.scalars(select(CommandRow).where(CommandRow.stage.is_(None)))
    return [(row.charger, row.command_id, row.op) for row in rows]


def tidy(db: Database, now_ms: int) -> None:
    """Forget old commands."""
    db.execute(delete(CommandRow).where(CommandRow.deadline_ts < now_ms - KEEP_MS))


def _answer(row: CommandRow) -> Answer | None:
    if row.stage is None:
        return None
    return Answer(ReplyStage(row.stage), ReplyCode(row.code or ReplyCode.OK), row.reason or "")
