"""The table of transactions: idempotent starts, stops, pages for the REST API."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Database

from agents.csms.ids import next_transaction
from agents.csms.models import TransactionRow

DISCARDED = "Discarded"
"""Status of a transaction that does not count."""


@dataclass(frozen=True, slots=True)
class StartKey:
    """What tells one StartTransaction from another; a repetition has the same (SteVe's rule)."""

    identity: str
    connector: int
    id_tag: str
    started: str
    meter_start_wh: int


def find_start(db: Database, key: StartKey) -> TransactionRow | None:
    """Return the transaction that a StartTransaction has begun already."""
    return db.scalar(
        select(TransactionRow).where(
            TransactionRow.identity == key.identity,
            TransactionRow.connector == key.connector,
            TransactionRow.id_tag == key.id_tag,
            TransactionRow.started == key.started,
            TransactionRow.meter_start_wh == key.meter_start_wh,
        )
    )


def insert_start(
    db: Database, key: StartKey, started_ms: int, status: str, parent: str, *, now_ms: int, discarded: bool = False
) -> TransactionRow:
    """Keep a new transaction; its number is the transactionId."""
    row = TransactionRow(
        id=next_transaction(db.scalar(select(func.max(TransactionRow.id))), now_ms),
        identity=key.identity,
        connector=key.connector,
        id_tag=key.id_tag,
        started=key.started,
        started_ms=started_ms,
        meter_start_wh=key.meter_start_wh,
        status=status,
        parent=parent,
        discarded=discarded,
    )
    db.add(row)
    db.flush()
    return row


def find(db: Database, identity: str, transaction_id: int) -> TransactionRow | None:
    """Return a transaction of a station; a number of another station's is none of it."""
    row = db.get(TransactionRow, transaction_id) if 0 < transaction_id <= 2_147_483_647 else None
    return row if row is not None and row.identity == identity else None


def page(
    db: Database, *, identity: str | None, active: bool | None, before_id: int | None, limit: int
) -> Sequence[TransactionRow]:
    """Return transactions, newest first."""
    wanted = select(TransactionRow).order_by(TransactionRow.id.desc()).limit(limit)
    if identity is not None:
        wanted = wanted.where(TransactionRow.identity == identity)
    if active is not None:
        ended = TransactionRow.stopped_ms
        wanted = wanted.where(ended.is_(None) if active else ended.is_not(None))
    if before_id is not None:
        wanted = wanted.where(TransactionRow.id < before_id)
    return db.scalars(wanted).all()
