"""The spool: lines on disk between the bus and the database. Functions of one transaction each.

A line is committed here before its message is acknowledged to the broker, and deleted after the database has
confirmed it. A process that dies in between writes it to the database again, which changes nothing there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session as Database

from agents.influx_logger.models import BlockRow, CountRow, DeadLetterRow, TroubleRow

DROPPED, REFUSED, EXPIRED = "dropped", "refused", "expired"
"""Why lines are in no database: no room or too old here, refused for what they say, older than the database keeps."""

RETRY_LINES = 100
"""Refused lines that are tried again together: one at fault among them costs some requests until it is found."""

MAX_DEAD_LETTERS = 10_000
"""How many refused lines are kept for people to look at, the newest."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines that go into the spool together."""

    lasting: bool
    """Whether they stay longest when there is no room: everything but telemetry."""
    body: bytes
    count: int


@dataclass(frozen=True, slots=True)
class Filling:
    """What waits."""

    lines: int = 0
    size_bytes: int = 0
    oldest_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """Lines that are in no database."""

    lines: int
    """How many that nobody has acknowledged."""
    last_ms: int
    """When the newest of them was lost."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing leaves the spool, or last did not."""

    reason: str
    began_ms: int
    ended_ms: int | None
    """None while it is so."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The oldest that waits, for one request."""

    ids: tuple[int, ...]
    text: str
    """Its lines, with a line break between them."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A line that the database refuses, and what it says about it."""

    line: str
    reason: str


def filling(db: Database) -> Filling:
    """Count what waits."""
    lines, size_bytes, oldest_ms = db.execute(
        select(func.sum(BlockRow.lines), func.sum(BlockRow.size_bytes), func.min(BlockRow.created_ms))
    ).one()
    return Filling(lines or 0, size_bytes or 0, oldest_ms)


def losses(db: Database) -> dict[str, Loss]:
    """Return the lines that are in no database and that nobody has acknowledged, by reason."""
    rows = {row.name: Loss(row.lines - row.acknowledged, row.changed_ms) for row in db.scalars(select(CountRow))}
    return {name: loss for name, loss in rows.items() if loss.lines > 0}


def acknowledge(db: Database, *names: str) -> int:
    """Note that somebody knows of the losses, all or those named; return how many lines nobody knew of."""
    lines = sum(loss.lines for name, loss in losses(db).items() if name in names or not names)
    known = update(CountRow).values(acknowledged=CountRow.lines)
    db.execute(known.where(CountRow.name.in_(names)) if names else known)
    return lines


def trouble(db: Database) -> Trouble | None:
    """Return the last trouble with the database, None if there never was one."""
    row = db.get(TroubleRow, 1)
    return None if row is None else Trouble(row.reason, row.began_ms, row.ended_ms)


def note_trouble(db: Database, reason: str, now_ms: int) -> None:
    """Keep why the database does not take anything; trouble that goes on has begun when it began."""
    row = db.get(TroubleRow, 1)
    goes_on = row is not None and row.ended_ms is None
    began_ms = row.began_ms if row is not None and goes_on else now_ms
    db.merge(TroubleRow(id=1, reason=reason, began_ms=began_ms, ended_ms=None))


def end_trouble(db: Database, now_ms: int) -> None:
    """Note that the database takes points again."""
    db.execute(update(TroubleRow).where(TroubleRow.ended_ms.is_(None)).values(ended_ms=now_ms))


def put(db: Database, some: Lines, now_ms: int, before: Filling, max_bytes: int) -> tuple[Filling, int]:
    """Add lines, dropping the oldest where there is no room.

    ``before`` is what waits already. Return what waits now, and how many lines were dropped for it.
    """
    db.execute(
        insert(BlockRow).values(
            lasting=int(some.lasting),
            created_ms=now_ms,
            lines=some.count,
            size_bytes=len(some.body),
            body=some.body,
        )
    )
    oldest_ms = now_ms if before.oldest_ms is None else before.oldest_ms
    after = Filling(before.lines + some.count, before.size_bytes + len(some.body), oldest_ms)
    if after.size_bytes <= max_bytes:
        return after, 0
    freed_lines = _make_room(db, after.size_bytes - max_bytes)
    _count(db, DROPPED, freed_lines, now_ms)
    return filling(db), freed_lines


def drop_older(db: Database, before_ms: int, now_ms: int) -> int:
    """Drop what came before ``before_ms``; return how many lines."""
    old = BlockRow.created_ms < before_ms
    lines = db.scalar(select(func.coalesce(func.sum(BlockRow.lines), 0)).where(old)) or 0
    if lines:
        db.execute(delete(BlockRow).where(old))
        _count(db, DROPPED, lines, now_ms)
    return lines


def oldest(db: Database, max_lines: int) -> Batch | None:
    """Return the oldest blocks of together at most ``max_lines`` lines, but at least one block; None if none waits."""
    ids: list[int] = []
    bodies: list[bytes] = []
    count = 0
    for row in db.execute(select(BlockRow.id, BlockRow.body, BlockRow.lines).order_by(BlockRow.id)).yield_per(16):
        if ids and count + row.lines > max_lines:
            break
        ids.append(row.id)
        bodies.append(row.body)
        count += row.lines
    return Batch(tuple(ids), b"\n".join(bodies).decode()) if ids else None


def settle(db: Database, ids: Sequence[int], dead: Iterable[DeadLetter], expired: int, now_ms: int) -> Filling:
    """Delete what the database has confirmed, and keep what it has refused; return what waits now."""
    db.execute(delete(BlockRow).where(BlockRow.id.in_(ids)))
    letters = [{"refused_ms": now_ms, "line": letter.line, "reason": letter.reason[:1000]} for letter in dead]
    if letters:
        db.execute(insert(DeadLetterRow), letters)
        _count(db, REFUSED, len(letters), now_ms)
        newest = db.scalar(select(func.max(DeadLetterRow.id))) or 0
        db.execute(delete(DeadLetterRow).where(DeadLetterRow.id <= newest - MAX_DEAD_LETTERS))
    if expired:
        _count(db, EXPIRED, expired, now_ms)
    return filling(db)


def dead_letters(db: Database, limit: int) -> list[DeadLetterRow]:
    """Return the newest refused lines, the newest first."""
    return list(db.scalars(select(DeadLetterRow).order_by(DeadLetterRow.id.desc()).limit(limit)))


def count_dead_letters(db: Database) -> int:
    """Return how many refused lines are kept."""
    return db.scalar(select(func.count()).select_from(DeadLetterRow)) or 0


def retry_dead_letters(db: Database, now_ms: int) -> int:
    """Let all refused lines wait for the database again, once its fault or theirs is mended; return how many."""
    letters = list(db.scalars(select(DeadLetterRow).order_by(DeadLetterRow.id)))
    for first in range(0, len(letters), RETRY_LINES):
        body = "\n".join(letter.line for letter in letters[first : first + RETRY_LINES]).encode()
        count = len(letters[first : first + RETRY_LINES])
        db.execute(insert(BlockRow).values(lasting=1, created_ms=now_ms, lines=count, size_bytes=len(body), body=body))
    drop_dead_letters(db)
    row = db.get(CountRow, REFUSED)
    if row is not None:
        row.lines = max(0, row.lines - len(letters))
        row.acknowledged = min(row.acknowledged, row.lines)
    return len(letters)


def drop_dead_letters(db: Database) -> int:
    """Delete all refused lines; return how many. They stay counted as refused."""
    count = count_dead_letters(db)
    db.execute(delete(DeadLetterRow))
    return count


def _make_room(db: Database, wanted_bytes: int) -> int:
    """Delete the oldest blocks, telemetry first, until so much is free; return how many lines."""
    lines = size_bytes = 0
    doomed: list[int] = []
    rows = db.execute(
        select(BlockRow.id, BlockRow.lines, BlockRow.size_bytes).order_by(BlockRow.lasting, BlockRow.id)
    ).yield_per(64)
    for row in rows:
        if size_bytes >= wanted_bytes:
            break
        doomed.append(row.id)
        lines += row.lines
        size_bytes += row.size_bytes
    rows.close()
    db.execute(delete(BlockRow).where(BlockRow.id.in_(doomed)))
    return lines


def _count(db: Database, name: str, lines: int, now_ms: int) -> None:
    row = db.get(CountRow, name)
    if row is None:
        row = CountRow(name=name, lines=0, changed_ms=now_ms)
        db.add(row)
    row.lines += lines
    row.changed_ms = now_ms
    db.flush()
