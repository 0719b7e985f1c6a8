"""Which numbers of a boot are here and which are lost, in the database: what :mod:`agents.ledger.numbering` decides on.

Nothing here looks at more than it changes: the cost of an event does not grow with what is stored.
"""

from collections.abc import Sequence
from typing import cast

from sqlalchemy import Table, bindparam, func, select, union_all, update
from sqlalchemy.orm import Session as Database

from agents.ledger.models import EventRow, LostRow, UnreadableRow
from agents.ledger.numbering import Lost, Progress, extend
from agents.ledger.session import Settlement
from agents.ledger.storing import Boot, Key

PAGE = 500
"""Numbers that are looked at in one go when a gap has been closed."""

_LOST = cast(Table, LostRow.__table__)

_TURNED_UP = (
    update(_LOST)
    .where(
        _LOST.c.charger == bindparam("of_charger"),
        _LOST.c.boot_id == bindparam("of_boot"),
        # The spans of a boot never overlap: the last that begins below a number is the only one that can hold it.
        _LOST.c.first_seq
        == select(func.max(LostRow.first_seq))
        .where(
            LostRow.charger == bindparam("of_charger"),
            LostRow.boot_id == bindparam("of_boot"),
            LostRow.first_seq <= bindparam("of_seq"),
        )
        .scalar_subquery(),
        _LOST.c.last_seq >= bindparam("of_seq"),
    )
    .values(missing=_LOST.c.missing - 1)
)


def extend_from_store(db: Database, boot: Boot, start: Progress, progress: Progress) -> Progress:
    """Go on over numbers that came in earlier batches, above a gap that has just been closed."""
    if progress.gap is None or progress.contiguous == start.contiguous:
        return progress
    events = select(EventRow.seq).where(EventRow.charger == boot[0], EventRow.boot_id == boot[1])
    unreadable = select(UnreadableRow.seq).where(UnreadableRow.charger == boot[0], UnreadableRow.boot_id == boot[1])
    while progress.gap is not None:
        # A page at a time: what lies above the next gap may be a million, and is not looked at.
        above = progress.contiguous
        page = db.scalars(
            union_all(events.where(EventRow.seq > above), unreadable.where(UnreadableRow.seq > above))
            .order_by("seq")
            .limit(PAGE)
        ).all()
        progress = extend(progress, page)
        if len(page) < PAGE or progress.contiguous < page[-1]:
            break
    return progress


def note_lost(
    db: Database,
    boot: Boot,
    given_up: Lost,
    noticed_ms: int,
    settlement: Settlement | None = None,
    *,
    present: int | None = None,
) -> int:
    """Keep what a charger will not send any more; return how many of these numbers are not here.

    ``present``: how many of them are, where that is known without asking the database.
    """
    if present is None:
        present = _present(db, boot, given_up)
    missing = given_up.last_seq - given_up.first_seq + 1 - present
    if missing:
        db.add(
            LostRow(
                charger=boot[0],
                boot_id=boot[1],
                first_seq=given_up.first_seq,
                last_seq=given_up.last_seq,
                missing=missing,
                noticed_ms=noticed_ms,
                settled_by=None if settlement is None else settlement.by,
                settled_because=None if settlement is None else settlement.because,
            )
        )
    return missing


def note_turned_up(db: Database, keys: Sequence[Key]) -> None:
    """Count down what is missing where a lost event has come after all."""
    if keys:
        rows = [{"of_charger": charger, "of_boot": boot_id, "of_seq": seq} for charger, boot_id, seq in keys]
        db.connection().execute(_TURNED_UP, rows)


def _present(db: Database, boot: Boot, span: Lost) -> int:
    """Count what is here of a span. No number is ever counted twice: the boot's progress is beyond it then."""
    numbers = [
        select(table.seq).where(
            table.charger == boot[0], table.boot_id == boot[1], table.seq.between(span.first_seq, span.last_seq)
        )
        for table in (EventRow, UnreadableRow)
    ]
    return db.scalar(select(func.count()).select_from(numbers[0].union(numbers[1]).subquery())) or 0
