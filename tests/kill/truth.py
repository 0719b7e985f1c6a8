"""Two records of the same sessions, and what they disagree about: the cars' own, and the ledger's database."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from firmware.sim.physical_state import PhysicalState

EventKey = tuple[str, str, int]
"""Charger, boot_id and number of an event."""


@dataclass(frozen=True)
class Visit:
    """A car at a charger from plug-in to plug-out: what the physical side has written down."""

    charger: str
    number: int
    car: str
    plug_wh: int
    """Register of the meter when the car was plugged in."""
    unplug_wh: int
    """And when it was unplugged."""
    car_wh: float | None
    """The car's own count; None for one that was still there at the end."""


@dataclass(frozen=True)
class LedgerSession:
    """A session as the ledger has recorded it."""

    charger: str
    session_id: str
    start_wh: int | None
    end_wh: int | None
    reason: str | None

    @property
    def energy_wh(self) -> int:
        return (self.end_wh or 0) - (self.start_wh or 0)


@dataclass(frozen=True)
class LedgerEvent:
    """An event as the ledger has stored it."""

    charger: str
    boot_id: str
    seq: int
    type: str
    session_id: str | None
    energy_wh: int | None
    received_ms: int


@dataclass
class Ledger:
    """What the ledger's database holds."""

    sessions: list[LedgerSession] = field(default_factory=list)
    events: list[LedgerEvent] = field(default_factory=list)
    conflicts: int = 0
    lost: int = 0
    meters_replaced: int = 0
    """How often a charger has found its meter behind its own register: it went on, but energy was counted that the
    physical side does not know of."""


def read_visits(folder: Path) -> list[Visit]:
    """Read cars.jsonl and, for cars that were still plugged in, the chargers' physical state."""
    records: dict[tuple[str, int, str], dict] = {}
    for line in (folder / "cars.jsonl").read_text().splitlines():
        record = json.loads(line)
        records[record["charger"], record["visit"], record["event"]] = record  # the last of the same counts
    visits = []
    for (charger, number, event), record in sorted(records.items()):
        if event != "plugged":
            continue
        end = records.get((charger, number, "unplugged"))
        plug_wh = record["plug_register_wh"]
        if end is None:
            visits.append(Visit(charger, number, record["car"], plug_wh, _register(folder, charger), None))
        else:
            visits.append(Visit(charger, number, record["car"], plug_wh, end["register_wh"], end["energy_wh"]))
    return visits


def _register(folder: Path, charger: str) -> int:
    with PhysicalState(folder / f"{charger}.physical") as physical:
        kept = physical.load() or {}
    return int(kept.get("true_wh", 0.0))


def read_ledger(path: Path) -> Ledger:
    """Read the ledger's SQLite file; the ledger must have ended."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        sessions = db.execute("SELECT charger, session_id, start_wh, end_wh, reason FROM ledger_session").fetchall()
        events = db.execute(
            "SELECT charger, boot_id, seq, type, session_id, energy_wh, received_ms FROM ledger_event ORDER BY 1, 2, 3"
        ).fetchall()
        (conflicts,) = db.execute("SELECT count(*) FROM ledger_conflict").fetchone()
        (replaced,) = db.execute(
            "SELECT count(*) FROM ledger_event WHERE json_extract(body, '$.kind') = 'MeterReplaced'"
        ).fetchone()
        (lost,) = db.execute("SELECT count(*) FROM ledger_lost").fetchone()
    finally:
        db.close()
    return Ledger(
        [LedgerSession(*row) for row in sessions], [LedgerEvent(*row) for row in events], conflicts, lost, replaced
    )


def disagreements(visits: Iterable[Visit], ledger: Ledger, heard: Iterable[EventKey] = ()) -> list[str]:
    """Return in words what the two records, or the bus (``heard``), do not agree about; empty if all is well."""
    visits = list(visits)
    return [
        *_event_trouble(ledger, set(heard)),
        *_register_trouble(ledger),
        *_session_trouble(visits, ledger),
        *(f"visit {_name(v)}: the car counted {v.car_wh:.2f} Wh, the meter {v.unplug_wh - v.plug_wh}" for v in visits
          if v.car_wh is not None and abs(v.car_wh - (v.unplug_wh - v.plug_wh)) > 1),
    ]  # fmt: skip


def _event_trouble(ledger: Ledger, heard: set[EventKey]) -> list[str]:
    trouble = []
    if ledger.conflicts:
        trouble.append(f"{ledger.conflicts} events came under the number of another one")
    if ledger.lost:
        trouble.append(f"the ledger has given up {ledger.lost} ranges of events")
    stored = {(event.charger, event.boot_id, event.seq) for event in ledger.events}
    if len(stored) != len(ledger.events):
        trouble.append(f"{len(ledger.events) - len(stored)} events are stored twice")
    trouble += [f"event {each} was heard on the bus and is not in the ledger" for each in sorted(heard - stored)]
    boots: dict[tuple[str, str], set[int]] = defaultdict(set)
    for charger, boot_id, seq in stored:
        boots[charger, boot_id].add(seq)
    for (charger, boot_id), numbers in sorted(boots.items()):
        missing = set(range(1, max(numbers) + 1)) - numbers
        if missing:
            trouble.append(f"boot {boot_id} of {charger}: events {sorted(missing)} of {max(numbers)} are missing")
    return trouble


def _register_trouble(ledger: Ledger) -> list[str]:
    trouble = [f"{ledger.meters_replaced} times a meter was behind its charger"] if ledger.meters_replaced else []
    last: dict[tuple[str, str], LedgerEvent] = {}
    for event in ledger.events:
        before = last.get((event.charger, event.boot_id))
        if event.energy_wh is None:
            continue
        if before is not None and before.energy_wh is not None and event.energy_wh < before.energy_wh:
            trouble.append(f"the register of {event.charger} went back from {before} to {event}")
        last[event.charger, event.boot_id] = event
    return trouble


def _session_trouble(visits: list[Visit], ledger: Ledger) -> list[str]:
    trouble = []
    for session in ledger.sessions:
        if session.start_wh is None or session.end_wh is None:
            trouble.append(f"session {session} was never completed\n{_events_of(session, ledger)}")
        elif not any(_within(session, visit) for visit in visits):
            trouble.append(f"session {session} belongs to no car\n{_events_of(session, ledger)}")
    complete = [each for each in ledger.sessions if each.start_wh is not None and each.end_wh is not None]
    for visit in visits:
        taken_wh = visit.unplug_wh - visit.plug_wh
        # One that drew nothing may stand at the border of two visits: it adds nothing to either.
        own = [session for session in complete if _within(session, visit) and session.energy_wh]
        recorded_wh = sum(session.energy_wh for session in own)
        if recorded_wh != taken_wh:
            kind = "lost" if recorded_wh < taken_wh else "doubled"
            listed = "\n".join(f"  {session}\n{_events_of(session, ledger)}" for session in own) or "  no session"
            trouble.append(
                f"visit {_name(visit)}: {taken_wh} Wh were taken (register {visit.plug_wh} to {visit.unplug_wh}), the "
                f"ledger has {recorded_wh} Wh: {abs(recorded_wh - taken_wh)} Wh {kind}\n{listed}"
            )
    trouble += _overlaps(complete)
    return trouble


def _overlaps(sessions: list[LedgerSession]) -> list[str]:
    trouble = []
    ordered = sorted(sessions, key=lambda each: (each.charger, each.start_wh, each.end_wh))
    for before, after in pairwise(ordered):
        if before.charger == after.charger and (after.start_wh or 0) < (before.end_wh or 0):
            trouble.append(f"the same energy stands in two sessions: {before} and {after}")
    return trouble


def _within(session: LedgerSession, visit: Visit) -> bool:
    return (
        session.charger == visit.charger
        and visit.plug_wh <= (session.start_wh or 0)
        and (session.end_wh or 0) <= visit.unplug_wh
    )


def _events_of(session: LedgerSession, ledger: Ledger) -> str:
    own = [e for e in ledger.events if (e.charger, e.session_id) == (session.charger, session.session_id)]
    return "\n".join(f"    {event}" for event in own) or "    no events"


def _name(visit: Visit) -> str:
    return f"{visit.number} ({visit.car}) at {visit.charger}"
