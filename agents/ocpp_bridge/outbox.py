"""The durable queue of messages that a backend must get: Start/StopTransaction, MeterValues, security events.

Every function works within the caller's transaction. A row is there from the moment that the bus message which led to
it is acknowledged until the backend has answered it, so that neither ``kill -9`` nor hours offline lose one
(invariant 4).
"""

from dataclasses import dataclass

from sqlalchemy import and_, bindparam, delete, func, select
from sqlalchemy.orm import Session as Database

from agents.ocpp_bridge.models import OutboxRow, TransactionRow

LANES = TRANSACTION, SECURITY = "transaction", "security"
"""The lanes. Order is kept within each; other messages may overtake transaction messages, newer ones of them not."""

NEVER_HAD_AN_ID = -1
"""transactionId of what belongs to a transaction that the backend never numbered (1.6 errata 4.0, 3.18)."""


_HEAD = (
    select(
        OutboxRow.id,
        OutboxRow.action,
        OutboxRow.session_id,
        OutboxRow.payload,
        OutboxRow.failures,
        OutboxRow.not_before_ms,
        TransactionRow.transaction_id,
    )
    .outerjoin(
        TransactionRow,
        and_(
            TransactionRow.charger == OutboxRow.charger,
            TransactionRow.backend == OutboxRow.backend,
            TransactionRow.session_id == OutboxRow.session_id,
        ),
    )
    .where(
        OutboxRow.charger == bindparam("charger"),
        OutboxRow.backend == bindparam("backend"),
        OutboxRow.lane == bindparam("lane"),
    )
    .order_by(OutboxRow.id)
    .limit(1)
)
_REMOVE = delete(OutboxRow).where(OutboxRow.id == bindparam("row_id"))
# Built once: they run for every message, and to build one costs as much as to run it.
_NOT_LOADED = {"synchronize_session": False}


@dataclass(frozen=True, slots=True)
class Queued:
    """The next message of a lane."""

    id: int
    action: str
    session_id: str | None
    payload: str
    """As it is sent: the transaction id is in it."""
    failures: int
    not_before_ms: int


def append(
    db: Database,
    charger: str,
    backend: str,
    action: str,
    payload: str,
    now_ms: int,
    *,
    session_id: str | None = None,
    lane: str = TRANSACTION,
) -> None:
    """Queue a message; ``payload`` is JSON without the transaction id, which is ``session_id``'s."""
    db.add(
        OutboxRow(
            charger=charger,
            backend=backend,
            lane=lane,
            action=action,
            session_id=session_id,
            payload=payload,
            queued_ms=now_ms,
            failures=0,
            not_before_ms=0,
        )
    )


def head(db: Database, charger: str, backend: str, lane: str = TRANSACTION) -> Queued | None:
    """Return the oldest message of a lane, or None."""
    row = db.execute(_HEAD, {"charger": charger, "backend": backend, "lane": lane}).first()
    if row is None:
        return None
    payload = row.payload
    if row.session_id is not None and row.action != "StartTransaction":
        # In the order of the lane StartTransaction has been answered, or given up, before anything that follows it.
        number = NEVER_HAD_AN_ID if row.transaction_id is None else row.transaction_id
        payload = _with_transaction_id(payload, number)
    return Queued(row.id, row.action, row.session_id, payload, row.failures, row.not_before_ms)


def _with_transaction_id(payload: str, transaction_id: int) -> str:
    """Put the id in front: always at the same place, so that the message is the same to the byte each time."""
    return f'{{"transactionId":{transaction_id},{payload[1:]}'


def remove(db: Database, id: int) -> None:
    """Forget a message: it has been answered, or given up."""
    db.execute(_REMOVE, {"row_id": id}, execution_options=_NOT_LOADED)


def failed(db: Database, id: int, failures: int, not_before_ms: int) -> None:
    """Keep how often the backend has refused a message and when it may be sent again."""
    row = db.get(OutboxRow, id)
    if row is not None:
        row.failures, row.not_before_ms = failures, not_before_ms


def depth(db: Database) -> dict[tuple[str, str], int]:
    """Return how many messages wait, by charger and backend."""
    rows = db.execute(
        select(OutboxRow.charger, OutboxRow.backend, func.count()).group_by(OutboxRow.charger, OutboxRow.backend)
    )
    return {(charger, backend): count for charger, backend, count in rows}


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for one backend."""

    messages: int
    oldest_ms: int
    """When the oldest of them was queued."""


def backlogs(db: Database) -> dict[str, Backlog]:
    """Return what waits, by backend; those for which nothing waits are not in it."""
    rows = db.execute(
        select(OutboxRow.backend, func.count(), func.min(OutboxRow.queued_ms)).group_by(OutboxRow.backend)
    )
    return {backend: Backlog(count, oldest_ms) for backend, count, oldest_ms in rows}


def transaction(db: Database, charger: str, backend: str, session_id: str) -> TransactionRow | None:
    """Return the transaction of a session, or None."""
    return db.scalars(
        select(TransactionRow).where(
            TransactionRow.charger == charger,
            TransactionRow.backend == backend,
            TransactionRow.session_id == session_id,
        )
    ).first()


def going_on(db: Database, charger: str) -> list[TransactionRow]:
    """Return the transactions of a charger that have not ended."""
    mine = select(TransactionRow).where(TransactionRow.charger == charger, TransactionRow.ended_ms.is_(None))
    return list(db.scalars(mine.order_by(TransactionRow.id)))


def unended(db: Database) -> list[tuple[str, str]]:
    """Return charger and session of all transactions that have not ended, each once."""
    found = select(TransactionRow.charger, TransactionRow.session_id).where(TransactionRow.ended_ms.is_(None))
    return [(charger, session_id) for charger, session_id in db.execute(found.distinct())]


def forget_before(db: Database, ended_ms: int) -> None:
    """Delete what ended earlier, unless something of it still waits."""
    waiting = select(OutboxRow.session_id).where(OutboxRow.session_id.is_not(None))
    db.execute(
        delete(TransactionRow).where(TransactionRow.ended_ms < ended_ms, TransactionRow.session_id.not_in(waiting))
    )


def retry_wait_s(interval_s: int, transmissions: int) -> int:
    """Return how long to wait after the ``transmissions``-th refusal of a message (9.1.32, 3.7.1)."""
    return interval_s * transmissions
