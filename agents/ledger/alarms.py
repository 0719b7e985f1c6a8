"""What a person should know about the records, read from the records themselves.

An alarm stands as long as its cause is found there, so it needs no memory of its own; what cannot be undone stands
for ``evidence_alarm_days``.
"""

from collections.abc import Iterable
from hashlib import sha256
from itertools import groupby

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Database

from agents.ledger.models import BootRow, ConflictRow, EventRow, LostRow, SessionRow
from agents.ledger.reconciling import Stuck
from agents.ledger.session import contradictions
from agents.ledger.session_rows import load_session
from agents.ledger.settings import LedgerSettings
from bus_schema.site_messages import Alarm
from bus_schema.words import Severity

DAY_MS = 86_400_000
LONGEST_TEXT = 400

Standing = dict[str, Alarm]
"""Alarms by name."""


def alarm_name(kind: str, charger: str) -> str:
    """Return an id of at most 32 characters for this kind of alarm about this charger."""
    name = f"{kind}-{charger}"
    if len(name) <= 32:
        return name
    digest = sha256(charger.encode()).hexdigest()[:8]
    return f"{name[:23]}-{digest}"


def standing(db: Database, settings: LedgerSettings, stuck: Iterable[Stuck], now_ms: int) -> Standing:
    """Return every alarm that stands now."""
    evidence_since_ms = now_ms - settings.evidence_alarm_days * DAY_MS
    return {
        **_gaps(db, now_ms - settings.gap_alarm_after_s * 1000, now_ms),
        **_lost(db, evidence_since_ms, now_ms),
        **_conflicts(db, evidence_since_ms, now_ms),
        **_registers(db, evidence_since_ms, now_ms),
        **_stuck(stuck, now_ms),
    }


def has_open_gaps(db: Database) -> bool:
    """Tell whether any event is missing, also if it is too early to say so."""
    return db.scalar(select(BootRow.boot_id).where(BootRow.gap_since_ms.is_not(None)).limit(1)) is not None


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


def _gaps(db: Database, before_ms: int, now_ms: int) -> Standing:
    rows = db.scalars(
        select(BootRow).where(BootRow.gap_since_ms <= before_ms).order_by(BootRow.charger, BootRow.gap_since_ms)
    )
    alarms = {}
    for charger, group in groupby(rows, key=lambda row: row.charger):
        boots = list(group)
        first = boots[0]
        others = f" The same holds for {len(boots) - 1} more of its boots." if len(boots) > 1 else ""
        alarms[alarm_name("ledger-gap", charger)] = _alarm(
            charger,
            Severity.WARNING,
            first.gap_since_ms or now_ms,
            now_ms,
            f"Charger {charger} has sent event {first.highest} of boot {first.boot_id} but not event "
            f"{first.contiguous + 1}. What comes after the gap is recorded but not acknowledged.{others}",
            "Usually the charger sends it again within 30 s of being connected. If this stays, send it the command "
            "trigger with message events; if that does not help, its journal has lost the event: compare its meter "
            f"with its sessions, then `chargebus settle {charger}`.",
        )
    return alarms


def _lost(db: Database, since_ms: int, now_ms: int) -> Standing:
    rows = db.scalars(
        select(LostRow)
        .where(LostRow.noticed_ms >= since_ms, LostRow.settled_by.is_(None))
        .order_by(LostRow.charger, LostRow.noticed_ms)
    )
    alarms = {}
    for charger, group in groupby(rows, key=lambda row: row.charger):
        missing = [(row, count) for row in group if (count := _still_missing(db, row))]
        if not missing:
            continue
        first = missing[0][0]
        alarms[alarm_name("ledger-lost", charger)] = _alarm(
            charger,
            Severity.CRITICAL,
            first.noticed_ms,
            now_ms,
            f"Charger {charger} will not send the events before number {first.last_seq + 1} of boot {first.boot_id} "
            f"any more, but {sum(count for _, count in missing)} of them are not in this ledger's database.",
            "Was the database replaced or restored from an older backup? Then bring the events back from the other "
            "copy. If not, the charger's flash has lost them. Compare its sessions of that time with its meter: one "
            "may lack its start, its end or a sample. Then `chargebus settle {charger}` ends this alarm.",
        )
    return alarms


def _still_missing(db: Database, lost: LostRow) -> int:
    here = db.scalar(
        select(func.count())
        .select_from(EventRow)
        .where(
            EventRow.charger == lost.charger,
            EventRow.boot_id == lost.boot_id,
            EventRow.seq.between(lost.first_seq, lost.last_seq),
        )
    )
    return lost.last_seq - lost.first_seq + 1 - (here or 0)


def _conflicts(db: Database, since_ms: int, now_ms: int) -> Standing:
    columns = (ConflictRow.charger, ConflictRow.boot_id, ConflictRow.seq, ConflictRow.received_ms)
    rows = db.execute(
        select(*columns)
        .where(ConflictRow.received_ms >= since_ms)
        .order_by(ConflictRow.charger, ConflictRow.received_ms)
    )
    alarms = {}
    for charger, group in groupby(rows, key=lambda row: row.charger):
        conflicts = list(group)
        first = conflicts[0]
        alarms[alarm_name("ledger-conflict", charger)] = _alarm(
            charger,
            Severity.CRITICAL,
            first.received_ms,
            now_ms,
            f"Charger {charger} has sent another event under a number that it had used before: event {first.seq} of "
            f"boot {first.boot_id}, {len(conflicts)} in all. The first one counts, the other is kept beside it.",
            "Do two devices use this charger's id, or was its storage copied? Give each its own id. Compare the "
            "sessions of this charger with its meter.",
        )
    return alarms


def _registers(db: Database, since_ms: int, now_ms: int) -> Standing:
    rows = db.scalars(
        select(SessionRow).where(SessionRow.flagged_ms >= since_ms).order_by(SessionRow.charger, SessionRow.flagged_ms)
    )
    alarms = {}
    for charger, group in groupby(rows, key=lambda row: row.charger):
        sessions = list(group)
        first = load_session(sessions[0])
        others = f" {len(sessions) - 1} more sessions contradict themselves." if len(sessions) > 1 else ""
        alarms[alarm_name("ledger-register", charger)] = _alarm(
            charger,
            Severity.CRITICAL,
            sessions[0].flagged_ms or now_ms,
            now_ms,
            f"Session {first.session_id} of charger {charger} contradicts itself: "
            f"{' and '.join(contradictions(first))}.{others}",
            "Was the meter exchanged or reset? Read it and correct the bill by hand; the record stays as it came.",
        )
    return alarms


def _stuck(stuck: Iterable[Stuck], now_ms: int) -> Standing:
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
            f"on record with the meter, then `chargebus settle {charger} {first.session_id}` closes it there.",
        )
    return alarms
