"""What has been decided, kept so that it is decided once: also by an agent that was killed in between."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session as Database

from agents.access.cards import Card
from agents.access.models import CardRow, DecisionRow
from agents.access.plugging import Given
from bus_schema import IdToken
from bus_schema.command import Authorize, CommandReply, Refuse, Stop
from bus_schema.words import IdTokenType, ReplyStage

AccessCommand = Authorize | Refuse | Stop
"""What this agent tells chargers."""

_COMMAND: TypeAdapter[AccessCommand] = TypeAdapter(AccessCommand)

NOBODY = IdToken(type=IdTokenType.NO_AUTHORIZATION, value="")
"""The token of free charging."""

CARD_PREFIX = "card-"
FREE_PREFIX = "free-"


@dataclass(frozen=True, slots=True)
class Decision:
    """A command for a charger, and what led to it."""

    charger: str
    command: AccessCommand
    decided_ms: int
    boot_id: str
    uptime_ms: int
    policy: str
    """Which policy decided; empty if none did."""
    parent: IdToken | None = None
    stage: ReplyStage | None = None
    """The charger's final answer; None while there is none."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who was authorised last at a charger."""

    token: IdToken
    parent: IdToken | None


def card_command_id(boot_id: str, seq: int) -> str:
    """Return the id of the command that a presented card leads to: always the same one."""
    return f"{CARD_PREFIX}{boot_id}-{seq}"


def free_command_id(boot_id: str, uptime_ms: int) -> str:
    """Return the id of the command that a waiting car leads to."""
    return f"{FREE_PREFIX}{boot_id}-{uptime_ms}"


def find(db: Database, charger: str, command_id: str) -> Decision | None:
    """Return what was decided under this id, or None."""
    row = db.get(DecisionRow, (charger, command_id))
    return None if row is None else _decision(row)


def note(db: Database, decision: Decision) -> Decision:
    """Keep a decision unless there is one already; return the one that counts."""
    known = find(db, decision.charger, decision.command.id)
    if known is not None:
        return known
    command = decision.command
    db.add(
        DecisionRow(
            charger=decision.charger,
            command_id=command.id,
            decided_ms=decision.decided_ms,
            op=command.op,
            boot_id=decision.boot_id,
            uptime_ms=decision.uptime_ms,
            deadline_ts=command.deadline_ts,
            command=command.model_dump_json(),
            parent=None if decision.parent is None else decision.parent.model_dump_json(),
            policy=decision.policy,
        )
    )
    return decision


def answer(db: Database, charger: str, reply: CommandReply) -> Decision | None:
    """Keep the charger's final answer; return the decision if this is the first one, else None."""
    row = db.get(DecisionRow, (charger, reply.id))
    if row is None or row.stage is not None:
        return None
    row.stage, row.code, row.reply_uptime_ms = reply.stage.value, reply.code.value, reply.uptime_ms
    return _decision(row)


def forget_before(db: Database, decided_ms: int) -> None:
    """Delete what was decided earlier."""
    db.execute(delete(DecisionRow).where(DecisionRow.decided_ms < decided_ms))


def last_given(db: Database) -> dict[str, Given]:
    """Return the last authorisation of each charger that was given for free."""
    rows = db.scalars(
        select(DecisionRow).where(DecisionRow.command_id.startswith(FREE_PREFIX)).order_by(DecisionRow.decided_ms)
    )
    return {
        row.charger: Given(
            command_id=row.command_id,
            boot_id=row.boot_id,
            uptime_ms=row.uptime_ms,
            deadline_ts=row.deadline_ts,
            stage=None if row.stage is None else ReplyStage(row.stage),
            reply_uptime_ms=row.reply_uptime_ms or 0,
        )
        for row in rows
    }


def last_holders(db: Database) -> dict[str, Holder]:
    """Return who was authorised last at each charger, as far as the charger has agreed."""
    rows = db.scalars(
        select(DecisionRow)
        .where(DecisionRow.op == "authorize", DecisionRow.stage == ReplyStage.DONE.value)
        .order_by(DecisionRow.decided_ms)
    )
    holders = {}
    for row in rows:
        holder = holder_of(_decision(row))
        if holder is not None:
            holders[row.charger] = holder
    return holders


def holder_of(decision: Decision) -> Holder | None:
    """Return whom a decision authorises."""
    command = decision.command
    return Holder(command.id_token, decision.parent) if isinstance(command, Authorize) else None


def load_cards(db: Database) -> dict[str, Card]:
    """Return the imported cards."""
    return {row.uid: Card.model_validate_json(row.body) for row in db.scalars(select(CardRow))}


def replace_cards(db: Database, cards: Mapping[str, Card]) -> None:
    """Make these the imported cards."""
    db.execute(delete(CardRow))
    if cards:
        db.execute(insert(CardRow), [{"uid": uid, "body": card.model_dump_json()} for uid, card in cards.items()])


def _decision(row: DecisionRow) -> Decision:
    return Decision(
        charger=row.charger,
        command=_COMMAND.validate_json(row.command),
        decided_ms=row.decided_ms,
        boot_id=row.boot_id,
        uptime_ms=row.uptime_ms,
        policy=row.policy,
        parent=None if row.parent is None else IdToken.model_validate_json(row.parent),
        stage=None if row.stage is None else ReplyStage(row.stage),
    )
