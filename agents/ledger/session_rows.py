"""A session as the columns of a row, and back."""

from agents.ledger.models import SessionRow
from agents.ledger.session import End, Reading, Session, Settlement, Start

Columns = dict[str, object]
"""Values by column name."""


def to_columns(session: Session) -> Columns:
    """Return the columns that hold a session."""
    start, end, last = session.start, session.end, session.last
    return {
        "charger": session.charger,
        "session_id": session.session_id,
        "start_boot_id": None if start is None else start.boot_id,
        "start_seq": None if start is None else start.seq,
        "start_ts": None if start is None else start.ts,
        "start_uptime_ms": None if start is None else start.uptime_ms,
        "start_wh": None if start is None else start.energy_wh,
        "id_token": None if start is None else start.id_token,
        "authorized_by": None if start is None else start.authorized_by,
        "reservation_id": None if start is None else start.reservation_id,
        "end_boot_id": None if end is None else end.boot_id,
        "end_seq": None if end is None else end.seq,
        "end_ts": None if end is None else end.ts,
        "end_uptime_ms": None if end is None else end.uptime_ms,
        "end_wh": None if end is None else end.energy_wh,
        "end_start_wh": None if end is None else end.start_energy_wh,
        "reason": None if end is None else end.reason,
        "last_boot_id": None if last is None else last.boot_id,
        "last_seq": None if last is None else last.seq,
        "last_ts": None if last is None else last.ts,
        "last_wh": None if last is None else last.energy_wh,
        "went_back": session.went_back,
        "ambiguous": session.ambiguous,
        "rating_w": session.rating_w,
        "end_received_ms": session.end_received_ms,
        "settled_ms": None if session.settlement is None else session.settlement.ts,
        "settled_by": None if session.settlement is None else session.settlement.by,
        "settled_because": None if session.settlement is None else session.settlement.because,
    }


def load_session(row: SessionRow) -> Session:
    """Return the session that a row holds."""
    return Session(
        charger=row.charger,
        session_id=row.session_id,
        start=_start(row),
        end=_end(row),
        last=_last(row),
        went_back=row.went_back,
        ambiguous=row.ambiguous,
        rating_w=row.rating_w,
        end_received_ms=row.end_received_ms,
        settlement=_settlement(row),
    )


def _start(row: SessionRow) -> Start | None:
    if row.start_boot_id is None or row.start_seq is None or row.start_uptime_ms is None or row.start_wh is None:
        return None
    return Start(
        boot_id=row.start_boot_id,
        seq=row.start_seq,
        ts=row.start_ts,
        uptime_ms=row.start_uptime_ms,
        energy_wh=row.start_wh,
        id_token=row.id_token or "",
        authorized_by=row.authorized_by or "",
        reservation_id=row.reservation_id,
    )


def _end(row: SessionRow) -> End | None:
    if row.end_boot_id is None or row.end_seq is None or row.end_uptime_ms is None or row.end_wh is None:
        return None
    return End(
        boot_id=row.end_boot_id,
        seq=row.end_seq,
        ts=row.end_ts,
        uptime_ms=row.end_uptime_ms,
        energy_wh=row.end_wh,
        start_energy_wh=row.end_start_wh or 0,
        reason=row.reason or "",
    )


def _last(row: SessionRow) -> Reading | None:
    if row.last_boot_id is None or row.last_seq is None or row.last_wh is None:
        return None
    return Reading(row.last_boot_id, row.last_seq, row.last_ts, row.last_wh)


def _settlement(row: SessionRow) -> Settlement | None:
    if row.settled_ms is None:
        return None
    return Settlement(row.settled_ms, row.settled_by or "", row.settled_because or "")
