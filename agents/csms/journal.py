"""Events: numbered and written with what they tell, kept until the ledger has committed them (invariants 4 and 5)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session as Database

from agents.csms.models import EventRow
from agents.csms.state import ConnectorState
from bus_schema.event import EventBase

IN_FLIGHT = 20
"""Events of a charger that are published and not acknowledged, at most."""

RESEND_S = 30.0
"""Wait for an acknowledgement before the events are sent again. s."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that has not been numbered."""

    kind: type[EventBase]
    ts: int
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A connector after something has happened, and what is to be journalled of it."""

    state: ConnectorState
    events: tuple[Draft, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """An event as it is kept."""

    row_id: int
    charger: str
    boot_id: str
    seq: int
    body: str


def write(db: Database, charger: str, change: Change, now_ms: int, uptime_ms: int) -> ConnectorState:
    """Number and keep the events of a change; return the state with the last number."""
    state = change.state
    seq = state.last_seq
    for draft in change.events:
        seq += 1
        # The moment may be long ago: a station tells of transactions that it made while it was offline.
        event = draft.kind(
            ts=draft.ts,
            uptime_ms=max(0, uptime_ms - max(0, now_ms - draft.ts)),
            boot_id=state.boot_id,
            seq=seq,
            oldest_seq=seq,
            **draft.fields,
        )
        body = event.model_dump_json(exclude={"oldest_seq"})
        db.add(EventRow(charger=charger, boot_id=state.boot_id, seq=seq, body=body))
    return state if seq == state.last_seq else state.model_copy(update={"last_seq": seq})


def acknowledge(db: Database, charger: str, boot_id: str, seq: int) -> None:
    """Forget what the ledger has committed."""
    db.execute(delete(EventRow).where(EventRow.charger == charger, EventRow.boot_id == boot_id, EventRow.seq <= seq))


def waiting(db: Database) -> dict[str, int]:
    """Return how many events wait, by charger."""
    rows = db.execute(select(EventRow.charger, func.count(EventRow.id)).group_by(EventRow.charger))
    return {charger: count for charger, count in rows}


def after(db: Database, charger: str, row_id: int, most: int) -> list[tuple[Kept, int]]:
    """Return the next events of a charger in order, each with the oldest number that is kept of its boot."""
    rows = db.scalars(
        select(EventRow).where(EventRow.charger == charger, EventRow.id > row_id).order_by(EventRow.id).limit(most)
    ).all()
    oldest: dict[str, int] = {}
    for boot_id in {row.boot_id for row in rows}:
        lowest = select(func.min(EventRow.seq)).where(EventRow.charger == charger, EventRow.boot_id == boot_id)
        oldest[boot_id] = db.scalar(lowest) or 1
    return [(Kept(row.id, charger, row.boot_id, row.seq, row.body), oldest[row.boot_id]) for row in rows]


def payload(kept: Kept, oldest_seq: int) -> str:
    """Return an event as it is published, in JSON."""
    event: dict[str, Any] = json.loads(kept.body)
    event["oldest_seq"] = oldest_seq
    return json.dumps(event)


@dataclass(slots=True)
class Flight:
    """Which events of one charger are published and not acknowledged."""

    sent: list[tuple[str, int]] = field(default_factory=list)
    """(boot_id, seq)."""
    cursor: int = 0
    """Row of the last one that was published."""
    since_s: float = 0.0
    """When an acknowledgement came last, or the first of these left."""

    def acknowledged(self, boot_id: str, seq: int, now_s: float) -> None:
        """Forget what is acknowledged."""
        self.sent = [each for each in self.sent if each[0] != boot_id or each[1] > seq]
        self.since_s = now_s

    def rewind(self) -> None:
        """Begin again with the oldest."""
        self.sent, self.cursor = [], 0

    def left(self, published: Iterable[Kept], now_s: float) -> None:
        """Note what was published."""
        for kept in published:
            if not self.sent:
                self.since_s = now_s
            self.sent.append((kept.boot_id, kept.seq))
            self.cursor = kept.row_id
