"""Closing what will never come from a charger whose board or flash is gone: a session's end, events that are missing.

Without this a session would stay active for ever and nobody would be billed, and a charger's later events would never
be acknowledged. Nothing that has come is changed or dropped; an end or an event that comes after all counts as ever.
"""

from dataclasses import replace

from sqlalchemy import select, update
from sqlalchemy.orm import Session as Database

from agents.ledger.committing import Revision
from agents.ledger.models import BootRow, LostRow, SessionRow
from agents.ledger.numbering import Progress, give_up_below
from agents.ledger.presence import note_lost
from agents.ledger.session import Settlement
from agents.ledger.session_rows import load_session, to_columns


class NothingToSettle(Exception):
    """There is no such session, or it is closed already, or nothing is missing. Its text says which."""


def settle_session(db: Database, charger: str, session_id: str, settlement: Settlement) -> Revision:
    """Close the record of a session at its last register. Raises :class:`NothingToSettle`."""
    row = db.scalar(select(SessionRow).where(SessionRow.charger == charger, SessionRow.session_id == session_id))
    if row is None:
        raise NothingToSettle(f"there is no session {session_id} of charger {charger} on record")
    session = load_session(row)
    if not session.active:
        raise NothingToSettle(f"session {session_id} is closed already")
    session = replace(session, settlement=settlement)
    for name, value in to_columns(session).items():
        setattr(row, name, value)
    row.revision += 1
    row.dirty = True
    return Revision(session, row.revision)


def settle_missing_events(db: Database, charger: str, settlement: Settlement) -> int:
    """Await no event of ``charger`` any longer that is missing now; return the number of places where some are.

    What has come above a gap is acknowledged when the charger sends it again. Raises :class:`NothingToSettle`.
    """
    who = {"settled_by": settlement.by, "settled_because": settlement.because}
    unsettled = update(LostRow).where(LostRow.charger == charger, LostRow.settled_by.is_(None)).values(**who)
    places = len(db.scalars(unsettled.returning(LostRow.boot_id)).all())
    for boot in db.scalars(select(BootRow).where(BootRow.charger == charger, BootRow.gap_since_ms.is_not(None))):
        progress, lost = give_up_below(Progress(boot.contiguous, boot.highest), boot.highest + 1)
        boot.contiguous, boot.highest, boot.gap_since_ms = progress.contiguous, progress.highest, None
        if lost is not None and note_lost(db, (charger, boot.boot_id), lost, settlement.ts, settlement):
            places += 1
    if not places:
        raise NothingToSettle(f"no event of charger {charger} is missing")
    return places
