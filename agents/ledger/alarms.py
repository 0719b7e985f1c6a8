"""What a person should know about the records of a charger, read from the records themselves.

An alarm stands as long as its cause is found there, so it needs no memory of its own; what cannot be undone stands
for ``evidence_alarm_days``. Looking at a charger takes a few look-ups by index, however much is stored.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import groupby
from typing import Any

from sqlalchemy import Select, select, union
from sqlalchemy.orm import Session as Database

from agents.ledger.models import IS_MISSING, BootRow, ConflictRow, LostRow, SessionRow, UnreadableRow
from agents.ledger.reconciling import Stuck
from agents.ledger.session import contradictions
from agents.ledger.session_rows import load_session
from agents.ledger.settings import LedgerSettings
from bus_schema.site_messages import Alarm
from bus_schema.words import Severity

DAY_MS = 86_400_000
LONGEST_TEXT = 400

MOST_COUNTED = 100
"""Findings of one kind that are counted: beyond that an alarm says "at least"."""

Standing = dict[str, Alarm]
"""Alarms by name."""


def alarm_name(kind: str, charger: str) -> str:
    """Return an id of at most 32 characters for this kind of alarm about this charger."""
    name = f"{kind}-{charger}"
    if len(name) <= 32:
        return name
    digest = sha256(charger.encode()).hexdigest()[:8]
    return f"{name[:23]}-{digest}"


def watched(db: Database) -> set[str]:
    """Return every charger about which there may be something to tell now or later. Reads much: once, at the start."""
    found = union(
        select(BootRow.charger).where(BootRow.gap_since_ms.is_not(None)),
        select(LostRow.charger).where(IS_MISSING),
        select(ConflictRow.charger),
        select(SessionRow.charger).where(SessionRow.flagged_ms.is_not(None)),
        select(UnreadableRow.charger),
    )
    return set(db.scalars(found))


def standing(db: Database, charger: str, settings: LedgerSettings, now_ms: int) -> tuple[Standing, bool]:
    """Return the alarms about a charger that stand now, and whether it has to be looked at again.

    It has to be while an alarm stands, and while an event is missing, also if it is too early to say so.
    """
    evidence_since_ms = now_ms - settings.evidence_alarm_days * DAY_MS
    gap_since_ms = db.scalar(
        select(BootRow.gap_since_ms)
        .where(BootRow.charger == charger, BootRow.gap_since_ms.is_not(None))
        .order_by(BootRow.gap_since_ms)
        .limit(1)
    )
    alarms: Standing = {}
    if gap_since_ms is not None and gap_since_ms <= now_ms - settings.gap_alarm_after_s * 1000:
        alarms.update(_gaps(db, charger, now_ms - settings.gap_alarm_after_s * 1000, now_ms))
    for look in (_lost, _conflicts, _registers, _unreadable):
        alarms.update(look(db, charger, evidence_since_ms, now_ms))
    return alarms, bool(alarms) or gap_since_ms is not None


def stuck_sessions(stuck: Iterable[Stuck], now_ms: int) -> Standing:
    """Return the alarms about sessions that their charger denies."""
    alarms = {}
    for charger, group in groupby(stuck, key=lambda each: each.charger):
        first = next(group)
        instead = "none" if first.reported is None else f"session {first.reported}"
        alarms[alarm_name("session-stuck", charger)] = _alarm(
            charger,
            Severity.WARNING,
            first.since_ms,
            now_ms,
            f"Session {first.session_id} of charger {charger} has no end on record, but the charger reports "
            f"{instead} and has nothing left to send.",
            "Was the charger replaced or its storage erased? Then the end will not come: compare the last register "
            f"on record with the meter, then `chargebus settle {charger} {first.session_id} --because REASON` closes "
            "it there.",
        )
    return alarms


def _alarm(charger: str, severity: Severity, since_ms: int, now_ms: int, text: str, remedy: str) -> Alarm:
    return Alarm(
        ts=now_ms,
        severity=severity,
        source="ledger",
        since_ts=since_ms,
        text=text[:LONGEST_TEXT],
        remedy=remedy[:LONGEST_TEXT],
        charger=charger,
    )


def _some(db: Database, wanted: Select[*tuple[Any, ...]]) -> Sequence[Any]:
    """Return what is found, at most one more than :data:`MOST_COUNTED`."""
    return db.execute(wanted.limit(MOST_COUNTED + 1)).all()


def _count(found: Sequence[object], less: int = 0) -> str:
    """Say how many there are, ``less`` of which are not counted."""
    if len(found) > MOST_COUNTED:
        return f"at least {MOST_COUNTED - less}"
    return str(len(found) - less)


def _gaps(db: Database, charger: str, before_ms: int, now_ms: int) -> Standing:
    boots = _some(
        db,
        select(BootRow.boot_id, BootRow.contiguous, BootRow.highest, BootRow.gap_since_ms)
        .where(BootRow.charger == charger, BootRow.gap_since_ms.is_not(None), BootRow.gap_since_ms <= before_ms)
        .order_by(BootRow.gap_since_ms),
    )
    first = boots[0]
    others = f" The same holds for {_count(boots, 1)} more of its boots." if len(boots) > 1 else ""
    return {
        alarm_name("ledger-gap", charger): _alarm(
            charger,
            Severity.WARNING,
            first.gap_since_ms,
            now_ms,
            f"Charger {charger} has sent event {first.highest} of boot {first.boot_id} but not event "
            f"{first.contiguous + 1}. What comes after the gap is recorded but not acknowledged.{others}",
            "Usually the charger sends it again within 30 s of being connected. If this stays: "
            f"`chargebus trigger {charger} events`; if that does not help, its journal has lost the event: compare "
            f"its meter with its sessions, then `chargebus settle {charger} --because REASON`.",
        )
    }


def _lost(db: Database, charger: str, since_ms: int, now_ms: int) -> Standing:
    rows = _some(
        db,
        select(LostRow.boot_id, LostRow.last_seq, LostRow.missing, LostRow.noticed_ms)
        .where(LostRow.charger == charger, IS_MISSING, LostRow.noticed_ms >= since_ms)
        .order_by(LostRow.noticed_ms),
    )
    if not rows:
        return {}
    first = rows[0]
    least = "at least " if len(rows) > MOST_COUNTED else ""
    return {
        alarm_name("ledger-lost", charger): _alarm(
            charger,
            Severity.CRITICAL,
            first.noticed_ms,
            now_ms,
            f"Charger {charger} will not send the events before number {first.last_seq + 1} of boot {first.boot_id} "
            f"any more, but {least}{sum(row.missing for row in rows)} of them are not in this ledger's database.",
            "Was the database replaced or restored from an older backup? Then bring the events back from the other "
            "copy. If not, the charger's flash has lost them: compare its sessions of that time with its meter, one "
            f"may lack its start, end or a sample. Then `chargebus settle {charger} --because REASON` ends this.",
        )
    }


def _conflicts(db: Database, charger: str, since_ms: int, now_ms: int) -> Standing:
    conflicts = _some(
        db,
        select(ConflictRow.boot_id, ConflictRow.seq, ConflictRow.received_ms)
        .where(ConflictRow.charger == charger, ConflictRow.received_ms >= since_ms)
        .order_by(ConflictRow.received_ms),
    )
    if not conflicts:
        return {}
    first = conflicts[0]
    return {
        alarm_name("ledger-conflict", charger): _alarm(
            charger,
            Severity.CRITICAL,
            first.received_ms,
            now_ms,
            f"Charger {charger} has sent another event under a number that it had used before: event {first.seq} of "
            f"boot {first.boot_id}, {_count(conflicts)} in all. The first one counts, the other is kept beside it.",
            "Do two devices use this charger's id, or was its storage copied? Give each its own id. Compare the "
            "sessions of this charger with its meter.",
        )
    }


def _registers(db: Database, charger: str, since_ms: int, now_ms: int) -> Standing:
    rows = _some(
        db,
        select(SessionRow)
        .where(SessionRow.charger == charger, SessionRow.flagged_ms >= since_ms)
        .order_by(SessionRow.flagged_ms),
    )
    if not rows:
        return {}
    row: SessionRow = rows[0][0]
    first = load_session(row)
    others = f" {_count(rows, 1)} more sessions contradict themselves." if len(rows) > 1 else ""
    return {
        alarm_name("ledger-register", charger): _alarm(
            charger,
            Severity.CRITICAL,
            row.flagged_ms or now_ms,
            now_ms,
            f"Session {first.session_id} of charger {charger} contradicts itself: "
            f"{' and '.join(contradictions(first))}.{others}",
            "Was the meter exchanged or reset, or did another device send this? Read the meter and correct the bill by "
            "hand; the record stays as it came.",
        )
    }


def _unreadable(db: Database, charger: str, since_ms: int, now_ms: int) -> Standing:
    rows = _some(
        db,
        select(UnreadableRow.boot_id, UnreadableRow.seq, UnreadableRow.reason, UnreadableRow.received_ms)
        .where(UnreadableRow.charger == charger, UnreadableRow.received_ms >= since_ms)
        .order_by(UnreadableRow.received_ms),
    )
    if not rows:
        return {}
    first = rows[0]
    which = "an event whose number cannot be made out" if first.seq is None else f"event {first.seq}"
    rest = (
        "What comes after it waits for its number."
        if first.seq is None
        else "It is kept as it came, and the events after it count."
    )
    return {
        alarm_name("ledger-unreadable", charger): _alarm(
            charger,
            Severity.CRITICAL,
            first.received_ms,
            now_ms,
            f"Charger {charger} has sent {which} that cannot be read ({first.reason[:120]}); {_count(rows)} in all. "
            f"{rest}",
            "Is its firmware of another version, or has another device sent this? Compare its sessions of that time "
            "with its meter: one may lack its start or end. The bytes stand in the ledger's table ledger_unreadable. "
            f"If events stay missing after it, `chargebus settle {charger} --because REASON`.",
        )
    }
