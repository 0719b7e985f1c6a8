"""The balancer's records: whose database it is, the most that may be outstanding, and why what was granted.

Functions of a database session; the agent runs them in its store.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session as Database

from agents.load_balancer.models import GrantRow, InstanceRow, MetaRow, WorstRow
from bus_schema import MAX_MESSAGE_BYTES
from bus_schema.site_messages import GrantRecord, WhyAnswer, WhyQuery

PAGE = 5
"""Stretches on a page of the story."""

HOUR_MS = 3_600_000


class Replaced(Exception):
    """A newer process uses this database: nothing was written."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a charger has said about itself."""

    fallback_a: float
    rated_a: float
    obeys: bool
    phases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an earlier life of the balancer has left."""

    instance: str
    epoch: int
    worst_a: dict[str, float]
    known: dict[str, Known]


@dataclass(frozen=True, slots=True)
class Told:
    """A grant and its reason, as they are to be told."""

    charger: str
    from_ms: int
    current_a: float
    constraint: str
    explanation: str


@dataclass(slots=True)
class Changes:
    """What has to be written."""

    worst_a: dict[str, float] = field(default_factory=dict)
    known: dict[str, Known] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Tell whether there is anything to write."""
        return bool(self.worst_a or self.known or self.told)


def begin(db: Database, random: Random) -> Remembered:
    """Begin a life on this database: every earlier process on it can write nothing from now on."""
    row = db.get(InstanceRow, 1)
    if row is None:
        row = InstanceRow(id=1, instance=f"{random.getrandbits(48):012x}", epoch=0)
        db.add(row)
    row.epoch += 1
    worst = {each.charger: each.current_a for each in db.scalars(select(WorstRow))}
    known = {
        each.charger: Known(each.fallback_a, each.rated_a, each.obeys, tuple(filter(None, each.phases.split(","))))
        for each in db.scalars(select(MetaRow))
    }
    return Remembered(row.instance, row.epoch, worst, known)


def write(db: Database, epoch: int, changes: Changes) -> None:
    """Write changes, all or none. Raises :class:`Replaced`."""
    row = db.get(InstanceRow, 1)
    if row is None or row.epoch != epoch:
        raise Replaced
    for name, current_a in changes.worst_a.items():
        db.merge(WorstRow(charger=name, current_a=current_a))
    for name, known in changes.known.items():
        db.merge(
            MetaRow(
                charger=name,
                fallback_a=known.fallback_a,
                rated_a=known.rated_a,
                obeys=known.obeys,
                phases=",".join(known.phases),
            )
        )
    for told in changes.told:
        open_row = db.scalar(
            select(GrantRow)
            .where(GrantRow.charger == told.charger, GrantRow.to_ms.is_(None))
            .order_by(GrantRow.id.desc())
            .limit(1)
        )
        if open_row is not None:
            open_row.to_ms = max(open_row.from_ms, told.from_ms)
        db.add(
            GrantRow(
                charger=told.charger,
                from_ms=told.from_ms,
                to_ms=None,
                current_a=told.current_a,
                constraint=told.constraint[:100],
                explanation=told.explanation[:400],
            )
        )
        db.flush()


def forget_before(db: Database, before_ms: int) -> None:
    """Delete what was over earlier."""
    db.execute(delete(GrantRow).where(GrantRow.to_ms < before_ms))


def story(db: Database, query: WhyQuery, known: Sequence[str], now_ms: int) -> WhyAnswer:
    """Return the page of the story that ``query`` asks for."""
    if query.charger not in known:
        reason = f"charger {query.charger} is not among those that the balancer is configured for"
        return WhyAnswer(ts=now_ms, id=query.id, ok=False, reason=reason)
    if query.cursor is not None and not (query.cursor.isascii() and query.cursor.isdigit() and len(query.cursor) < 19):
        return WhyAnswer(ts=now_ms, id=query.id, ok=False, reason="cursor: give back the one of the last answer")
    since_ms = now_ms - HOUR_MS if query.since_ts is None else query.since_ts
    wanted = (
        select(GrantRow)
        .where(GrantRow.charger == query.charger, or_(GrantRow.to_ms.is_(None), GrantRow.to_ms >= since_ms))
        .order_by(GrantRow.id)
    )
    if query.cursor is not None:
        wanted = wanted.where(GrantRow.id > int(query.cursor))
    rows = list(db.scalars(wanted.limit(PAGE + 1)))
    shown = rows[:PAGE]
    while True:
        page = WhyAnswer(
            ts=now_ms,
            id=query.id,
            ok=True,
            grants=[
                GrantRecord(
                    from_ts=row.from_ms,
                    to_ts=row.to_ms,
                    current_a=row.current_a,
                    constraint=row.constraint,
                    explanation=row.explanation,
                )
                for row in shown
            ],
            cursor=str(shown[-1].id) if len(shown) < len(rows) else None,
        )
        if len(page.model_dump_json().encode()) <= MAX_MESSAGE_BYTES:
            return page
        shown = shown[:-1]
