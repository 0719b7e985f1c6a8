"""Writing events under their number: what is new, what has come before, and what contradicts what is there."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import insert, select
from sqlalchemy.orm import Session as Database

from agents.ledger.models import EVENTS, ConflictRow, EventRow
from bus_schema.event import Event, EventBase

Boot = tuple[str, str]
"""Charger and boot_id."""

Key = tuple[str, str, int]
"""Charger, boot_id and seq: what an event is known by (invariant 5)."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event that has come over the bus."""

    charger: str
    event: Event
    received_ms: int

    @property
    def boot(self) -> Boot:
        """Which boot of which charger made it."""
        return (self.charger, self.event.boot_id)

    @property
    def key(self) -> Key:
        """What it is known by."""
        return (self.charger, self.event.boot_id, self.event.seq)


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch of events."""

    new: Sequence[Arrival]
    duplicates: int
    contradicting: Sequence[str]
    """The charger of each event that contradicts one that is there, not counting what was known already."""


def body(event: EventBase) -> str:
    """Return what of an event must be the same each time it is sent."""
    return event.model_dump_json(exclude={"oldest_seq"})


def store_events(db: Database, arrivals: Iterable[Arrival], highest: Mapping[Boot, int]) -> Stored:
    """Write the events that are not there yet, and beside them those that contradict what is there.

    ``highest`` is the highest number that has ever come of each boot: what lies above it need not be looked up.
    """
    arrivals = list(arrivals)
    bodies = _bodies_of([a for a in arrivals if a.event.seq <= highest.get(a.boot, 0)], db)
    new: list[Arrival] = []
    rows = []
    duplicates = 0
    contradicting: list[str] = []
    for arrival in arrivals:
        mine = body(arrival.event)
        known = bodies.get(arrival.key)
        if known is None:
            bodies[arrival.key] = mine
            new.append(arrival)
            rows.append(_row(arrival, mine))
        elif known == mine:
            duplicates += 1
        else:
            contradicting.extend(_keep_beside(db, arrival, mine))
    if rows:
        db.connection().execute(insert(EVENTS), rows)
    return Stored(new, duplicates, contradicting)


def _bodies_of(arrivals: Iterable[Arrival], db: Database) -> dict[Key, str]:
    wanted: dict[Boot, list[int]] = defaultdict(list)
    for arrival in arrivals:
        wanted[arrival.boot].append(arrival.event.seq)
    found = {}
    for (charger, boot_id), numbers in wanted.items():
        known = select(EventRow.seq, EventRow.body).where(
            EventRow.charger == charger, EventRow.boot_id == boot_id, EventRow.seq.in_(numbers)
        )
        for seq, text in db.execute(known):
            found[(charger, boot_id, seq)] = text
    return found


def _row(arrival: Arrival, text: str) -> dict[str, object]:
    event = arrival.event
    return {
        "charger": arrival.charger,
        "boot_id": event.boot_id,
        "seq": event.seq,
        "type": event.type,
        "session_id": getattr(event, "session_id", None),
        "ts": event.ts,
        "energy_wh": getattr(event, "energy_wh", None),
        "received_ms": arrival.received_ms,
        "body": text,
    }


def _keep_beside(db: Database, arrival: Arrival, text: str) -> list[str]:
    """Keep a contradicting event once; return its charger if it was not known."""
    charger, boot_id, seq = arrival.key
    digest = sha256(text.encode()).hexdigest()
    if db.get(ConflictRow, (charger, boot_id, seq, digest)) is not None:
        return []
    db.add(
        ConflictRow(
            charger=charger, boot_id=boot_id, seq=seq, digest=digest, received_ms=arrival.received_ms, body=text
        )
    )
    db.flush()
    return [charger]
