"""One transaction for a batch of events: store them, see what is complete, derive the sessions they touch.

Nothing here talks to the bus. The caller acknowledges and publishes what :func:`commit` returns, once it is committed.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session as Database

from agents.ledger.admission import NO_LIMITS, Allowance, SessionKey, Used, admit, session_key
from agents.ledger.models import SESSIONS, BootRow, EventRow, RatingRow, SessionRow
from agents.ledger.numbering import Progress, extend, give_up_below
from agents.ledger.presence import extend_from_store, note_lost, note_turned_up
from agents.ledger.session import Reading, Session, SessionEvent, apply, contradictions, is_late, register_went_back
from agents.ledger.session_rows import load_session, to_columns
from agents.ledger.storing import Arrival, Boot, Key, store_events
from bus_schema.event import SessionEnded, SessionSampled, SessionStarted

_UPDATE = (
    update(SESSIONS)
    .where(SESSIONS.c.id == bindparam("of_id"))
    .values({name: bindparam(name) for name in (*to_columns(Session("", "")), "revision", "dirty", "flagged_ms")})
)


@dataclass(frozen=True, slots=True)
class Revision:
    """A session as it is after a change."""

    session: Session
    revision: int
    """Counts the changes of this session."""

    @property
    def key(self) -> SessionKey:
        """Whose it is."""
        return (self.session.charger, self.session.session_id)


@dataclass(frozen=True, slots=True)
class Committed:
    """What a batch has changed."""

    acknowledged: Mapping[Boot, int]
    """Highest complete number of each boot in the batch; 0 where nothing may be acknowledged yet."""
    changed: tuple[Revision, ...]
    """Sessions that are different now."""
    new: int
    duplicates: int
    conflicts: int
    """Events under a number that another event has, not counting those that were known already."""
    incomplete: frozenset[str]
    """Chargers in the batch of which an event is missing."""
    found: frozenset[str]
    """Chargers about which something turned up that an alarm has to tell."""
    used: Mapping[str, Used]
    """What each charger has created, and what of it was refused."""


def commit(
    db: Database,
    arrivals: Iterable[Arrival],
    published: Mapping[SessionKey, int],
    allowances: Mapping[str, Allowance] = NO_LIMITS,
) -> Committed:
    """Do everything that a batch of events asks for, within the caller's transaction.

    ``published`` names the revisions of sessions that have reached the bus since the last call. What exceeds a
    charger's allowance is neither stored nor acknowledged: the charger keeps it and sends it again.
    """
    mark_published(db, published)
    arrivals = list(arrivals)
    boots = load_boots(db, {arrival.boot for arrival in arrivals})
    rows = _load_sessions(db, arrivals)
    arrivals, used = admit(arrivals, boots.keys(), rows.keys(), allowances)
    if not arrivals:
        nobody: frozenset[str] = frozenset()
        return Committed({}, (), 0, 0, 0, nobody, nobody, used)
    before = {boot: Progress(row.contiguous, row.highest) for boot, row in boots.items()}
    stored = store_events(db, arrivals, {boot: progress.highest for boot, progress in before.items()})
    after, lost = _advance(db, arrivals, stored.new, before)
    for boot, progress in after.items():
        save_boot(db, boot, progress, boots.get(boot), arrivals[-1].received_ms)
    changed, flagged = _derive_sessions(db, stored.new, rows)
    return Committed(
        acknowledged={boot: progress.contiguous for boot, progress in after.items()},
        changed=changed,
        new=len(stored.new),
        duplicates=stored.duplicates,
        conflicts=len(stored.contradicting),
        incomplete=frozenset(charger for (charger, _), progress in after.items() if progress.gap),
        found=frozenset(stored.contradicting) | lost | flagged,
        used=used,
    )


def mark_published(db: Database, published: Mapping[SessionKey, int]) -> None:
    """Remember which revisions have reached the bus; a session that has changed since stays to be published."""
    if not published:
        return
    columns = SESSIONS.c
    db.connection().execute(
        update(SESSIONS)
        .where(
            columns.charger == bindparam("of_charger"),
            columns.session_id == bindparam("of_session"),
            columns.revision == bindparam("of_revision"),
        )
        .values(dirty=False),
        [
            {"of_charger": charger, "of_session": session_id, "of_revision": revision}
            for (charger, session_id), revision in published.items()
        ],
    )


def load_boots(db: Database, wanted: Collection[Boot]) -> dict[Boot, BootRow]:
    """Return what is on record about these boots."""
    # boot_ids are drawn at random: those of other chargers among them are few and are left out here.
    rows = db.scalars(select(BootRow).where(BootRow.boot_id.in_({boot_id for _, boot_id in wanted})))
    return {(row.charger, row.boot_id): row for row in rows if (row.charger, row.boot_id) in wanted}


def _advance(
    db: Database, arrivals: Sequence[Arrival], new: Iterable[Arrival], before: Mapping[Boot, Progress]
) -> tuple[dict[Boot, Progress], frozenset[str]]:
    """Return how far each boot of the batch is now, and the chargers that turned out to have lost events."""
    oldest: dict[Boot, int] = {}
    for arrival in arrivals:
        # An event is kept while it is sent: a larger oldest_seq than its own number cannot be meant.
        told = min(arrival.event.oldest_seq, arrival.event.seq)
        oldest[arrival.boot] = max(oldest.get(arrival.boot, 0), told)
    numbers: dict[Boot, list[int]] = defaultdict(list)
    for arrival in new:
        numbers[arrival.boot].append(arrival.event.seq)
    after = {}
    lost = set()
    noticed_ms = max(arrival.received_ms for arrival in arrivals)
    turned_up: list[Key] = []
    for boot, floor in oldest.items():
        start = before.get(boot, Progress())
        turned_up.extend((*boot, seq) for seq in numbers[boot] if seq <= start.contiguous)
        here = sorted(numbers[boot])
        on_record = boot in before
        # First what has come, then what will not come: an event of this very batch is not lost.
        progress = extend(start, here)
        if on_record:
            progress = extend_from_store(db, boot, start, progress)
        progress, given_up = give_up_below(progress, floor)
        if given_up is not None:
            # Of a boot that is not on record nothing is here but what has just come: the database need not be asked.
            present = None if on_record else given_up.count_of(here)
            if note_lost(db, boot, given_up, noticed_ms, present=present):
                lost.add(boot[0])
            progress = extend_from_store(db, boot, start, progress) if on_record else extend(progress, here)
        after[boot] = progress
    note_turned_up(db, turned_up)
    return after, frozenset(lost)


def save_boot(db: Database, boot: Boot, progress: Progress, row: BootRow | None, now_ms: int) -> None:
    """Keep how far a boot has come."""
    since_ms = now_ms if progress.gap else None
    if row is None:
        db.add(
            BootRow(
                charger=boot[0],
                boot_id=boot[1],
                contiguous=progress.contiguous,
                highest=progress.highest,
                gap_since_ms=since_ms,
            )
        )
        return
    if progress.gap and row.gap_since_ms is not None and progress.contiguous == row.contiguous:
        since_ms = row.gap_since_ms
    row.contiguous, row.highest, row.gap_since_ms = progress.contiguous, progress.highest, since_ms


def _load_sessions(db: Database, arrivals: Iterable[Arrival]) -> dict[SessionKey, SessionRow]:
    wanted = {key for arrival in arrivals if (key := session_key(arrival)) is not None}
    if not wanted:
        return {}
    found = db.scalars(select(SessionRow).where(SessionRow.session_id.in_({session_id for _, session_id in wanted})))
    return {key: row for row in found if (key := (row.charger, row.session_id)) in wanted}


def _derive_sessions(
    db: Database, new: Iterable[Arrival], rows: Mapping[SessionKey, SessionRow]
) -> tuple[tuple[Revision, ...], frozenset[str]]:
    """Return the sessions that new events have changed, and the chargers of those that contradict themselves."""
    touched: dict[SessionKey, list[tuple[Arrival, SessionEvent]]] = defaultdict(list)
    for arrival in new:
        if isinstance(arrival.event, SessionStarted | SessionSampled | SessionEnded):
            touched[(arrival.charger, arrival.event.session_id)].append((arrival, arrival.event))
    if not touched:
        return (), frozenset()
    ratings = _ratings(db, {charger for charger, _ in touched})
    changed, inserts, updates, flagged = [], [], [], set()
    for key, events in touched.items():
        row = rows.get(key)
        session = _add_events(db, key, events, None if row is None else load_session(row))
        if session.end is not None and session.rating_w is None and key[0] in ratings:
            came_ms = max(arrival.received_ms for arrival, _ in events)
            session = replace(session, rating_w=ratings[key[0]], end_received_ms=came_ms)
        wrong = bool(contradictions(session))
        if wrong:
            flagged.add(key[0])
        revision = 1 if row is None else row.revision + 1
        first, event = events[0]
        values = to_columns(session)
        values["revision"] = revision
        values["dirty"] = True
        values["flagged_ms"] = first.received_ms if wrong else None
        if row is None:
            # A clock that is ahead must not keep the session on top of every list for years.
            values["listed_ms"] = min(first.received_ms, event.ts or first.received_ms)
            inserts.append(values)
        else:
            updates.append({**values, "of_id": row.id})
        changed.append(Revision(session, revision))
    if inserts:
        db.connection().execute(insert(SESSIONS), inserts)
    if updates:
        db.connection().execute(_UPDATE, updates)
    return tuple(changed), frozenset(flagged)


def _ratings(db: Database, chargers: Collection[str]) -> dict[str, int]:
    found = db.execute(select(RatingRow.charger, RatingRow.rating_w).where(RatingRow.charger.in_(chargers)))
    return {charger: rating_w for charger, rating_w in found}


def _add_events(
    db: Database, key: SessionKey, events: Iterable[tuple[Arrival, SessionEvent]], session: Session | None
) -> Session:
    late = False
    for _, event in events:
        late = late or is_late(event, session)
        session = apply(key[0], event, session)
    assert session is not None
    if late and not session.went_back:
        readings = db.execute(
            select(EventRow.boot_id, EventRow.seq, EventRow.ts, EventRow.energy_wh).where(
                EventRow.charger == key[0], EventRow.session_id == key[1], EventRow.energy_wh.is_not(None)
            )
        )
        found = register_went_back(
            key[1], (Reading(boot, seq, ts, wh) for boot, seq, ts, wh in readings if wh is not None)
        )
        session = replace(session, went_back=found)
    return session
