"""What a person should know about the backends, read from connections and records. Alarms clear by themselves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session as Database

from agents.ocpp_bridge.models import TransactionRow
from bus_schema.site_messages import Alarm
from bus_schema.words import Severity

DAY_MS = 86_400_000
DOUBT_STANDS_MS = 7 * DAY_MS
"""How long a transaction that a backend has probably discarded is an alarm: nobody can undo it. ms."""

DOWN_MS = 5 * 60_000
"""How long a backend may be away before a person should know. ms."""

MANY_WAITING = 1000
"""Messages in the outbox of one charge point that a person should know of."""


def alarm_name(kind: str, subject: str) -> str:
    """Return an id of at most 32 characters for this kind of alarm about this subject."""
    name = f"{kind}-{subject}"
    if len(name) <= 32:
        return name
    return f"{name[:23]}-{sha256(subject.encode()).hexdigest()[:8]}"


CLOCK_MS = 60_000
"""How much the backend's clock may differ before a person should know. ms."""


def clock(backend: str, ahead_ms: int | None, now_ms: int, since: Mapping[str, int]) -> dict[str, Alarm]:
    """Return an alarm for a backend whose clock differs from ours: some discard what seems to lie in the future."""
    if ahead_ms is None or abs(ahead_ms) < CLOCK_MS:
        return {}
    name, which = alarm_name("ocpp-clock", backend), "ahead of" if ahead_ms > 0 else "behind"
    return {
        name: Alarm(
            ts=now_ms,
            severity=Severity.WARNING,
            source="ocpp_bridge",
            since_ts=since.get(name, now_ms),
            text=f"The clock of backend {backend} is {abs(ahead_ms) // 1000} s {which} the one of this machine. "
            "Backends discard transactions that seem to end in the future.",
            remedy="Let both machines get their time from the network (NTP).",
        )
    }


@dataclass(frozen=True, slots=True)
class Away:
    """A charge point without connection."""

    charger: str
    since_ms: int
    problem: str


def discarded(db: Database, now_ms: int) -> dict[str, Alarm]:
    """Return an alarm for each charger with a transaction that its backend has acknowledged but probably not kept."""
    rows = db.scalars(
        select(TransactionRow)
        .where(TransactionRow.doubt.is_not(None), TransactionRow.ended_ms > now_ms - DOUBT_STANDS_MS)
        .order_by(TransactionRow.charger, TransactionRow.ended_ms)
    )
    by_charger: dict[tuple[str, str], list[TransactionRow]] = {}
    for row in rows:
        by_charger.setdefault((row.charger, row.backend), []).append(row)
    alarms = {}
    for (charger, backend), found in by_charger.items():
        row = found[-1]
        more = f" The same holds for {len(found) - 1} earlier ones." if len(found) > 1 else ""
        number = "without a number" if row.transaction_id is None else str(row.transaction_id)
        energy = "" if row.end_wh is None else f" ({row.end_wh - row.start_wh} Wh)"
        alarms[alarm_name("ocpp-discarded", f"{charger}-{backend}")] = Alarm(
            ts=now_ms,
            severity=Severity.CRITICAL,
            source="ocpp_bridge",
            since_ts=found[0].ended_ms or now_ms,
            text=f"Backend {backend} has probably not kept transaction {number} of charger {charger}, session "
            f"{row.session_id}{energy}. {row.doubt or ''}{more}"[:400],
            remedy="Look the transaction up in the backend and enter its end by hand, with the meter values that the "
            "ledger has of the session.",
            charger=charger,
        )
    return alarms


def waiting(depths: Mapping[tuple[str, str], int], now_ms: int, since: Mapping[str, int]) -> dict[str, Alarm]:
    """Return an alarm for each charge point whose outbox grows; ``since`` tells since when, by alarm name."""
    alarms = {}
    for (charger, backend), count in depths.items():
        if count < MANY_WAITING:
            continue
        name = alarm_name("ocpp-waiting", f"{charger}-{backend}")
        alarms[name] = Alarm(
            ts=now_ms,
            severity=Severity.WARNING,
            source="ocpp_bridge",
            since_ts=since.get(name, now_ms),
            text=f"{count} messages of charger {charger} wait for backend {backend}. None is lost.",
            remedy="Bring the backend back, or find out why it refuses the oldest message (the bridge's log says).",
            charger=charger,
        )
    return alarms


def away(backend: str, total: int, absent: Iterable[Away], now_ms: int) -> dict[str, Alarm]:
    """Return one alarm for a backend that charge points have not reached for a while."""
    long = [each for each in absent if now_ms - each.since_ms >= DOWN_MS]
    if not long:
        return {}
    first = min(long, key=lambda each: each.since_ms)
    who = "All charge points have" if len(long) == total else f"{len(long)} of {total} charge points have"
    return {
        alarm_name("ocpp-away", backend): Alarm(
            ts=now_ms,
            severity=Severity.WARNING,
            source="ocpp_bridge",
            since_ts=first.since_ms,
            text=f"{who} no connection to backend {backend}. Charger {first.charger}: {first.problem}."[:400],
            remedy="Cars charge on by the offline rules and every message is kept. Mend what the text names.",
            charger=first.charger if len(long) == 1 else None,
        )
    }
