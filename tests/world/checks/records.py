"""Invariants 4 and 5: nothing lost, nothing twice, between the chargers' flash and the ledger's database."""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from bus_schema import Address, ContractError, Message
from bus_schema.command import Authorize, may_speak_as
from bus_schema.event import EventAck, EventBase, SessionEnded, SessionRecord, SessionStarted
from bus_schema.message import LOCAL_SOURCE
from bus_schema.topics import CHARGER_COMMAND, CHARGER_EVENT, CHARGER_EVENT_ACK, SESSION
from tests.world.broker import Packet
from tests.world.charger_box import ChargerBox
from tests.world.checks.base import Check
from tests.world.drivers import KNOWN_CARDS

EventKey = tuple[str, str, int]
"""Charger, boot_id and number: what an event is identified by."""


@dataclass(slots=True)
class Visit:
    """One car at one charger, by its own count and by the meter's true one."""

    charger: str
    car: str
    number: int
    taken_before_wh: float
    meter_before_wh: float
    taken_after_wh: float = 0.0
    meter_after_wh: float = 0.0
    over: bool = False

    @property
    def energy_wh(self) -> float:
        return self.taken_after_wh - self.taken_before_wh


@dataclass(frozen=True, slots=True)
class Recorded:
    """A session as the ledger's database has it."""

    charger: str
    session_id: str
    start_wh: int
    end_wh: int | None

    @property
    def energy_wh(self) -> int:
        return 0 if self.end_wh is None else self.end_wh - self.start_wh


class NothingTwice(Check):
    """One content per event, one start and one end per session, one authorisation per start."""

    invariant = 5
    from_chargers = (CHARGER_EVENT,)

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self._contents: dict[EventKey, str] = {}
        self._starts: dict[str, EventKey] = {}
        self._ends: dict[str, EventKey] = {}
        self._rights: dict[tuple[str, str], dict[str, Authorize | None]] = defaultdict(dict)
        self._cards: Counter[tuple[str, str]] = Counter()

    def presented(self, box: ChargerBox, uid: str) -> None:
        # A reader may tell of it after the boot that comes next.
        self._cards[box.id, uid] += 1

    def received(self, box: ChargerBox, address: Address, payload: bytes, retained: bool) -> None:
        if address.topic is not CHARGER_COMMAND or retained:
            return
        try:
            command = CHARGER_COMMAND.decode(payload)
        except ContractError:
            return
        if not may_speak_as(address.ids["sender"], command.source):
            return
        if isinstance(command, Authorize):
            # An id that was used up stays so: a second delivery brings no second right.
            self._rights[box.id, box.boot_id].setdefault(command.id, command)

    def published(self, box: ChargerBox, address: Address, message: Message, taken: bool) -> None:
        if not isinstance(message, EventBase):
            return
        key = (box.id, message.boot_id, message.seq)
        content = message.model_dump_json(exclude={"oldest_seq"})
        known = self._contents.setdefault(key, content)
        if known != content:
            self.fail(box.id, f"event {key[1:]} was {known} and is now {content}")
        if isinstance(message, SessionStarted):
            self._once(self._starts, message.session_id, key, "starts")
            if self._starts[message.session_id] == key and known is content:
                self._use_right(box, message)
        elif isinstance(message, SessionEnded):
            self._once(self._ends, message.session_id, key, "ends")

    def _once(self, where: dict[str, EventKey], session_id: str, key: EventKey, word: str) -> None:
        if where.setdefault(session_id, key) != key:
            self.fail(key[0], f"session {session_id} {word} twice: events {where[session_id]} and {key}")

    def _use_right(self, box: ChargerBox, start: SessionStarted) -> None:
        rights = self._rights[box.id, start.boot_id]
        for name, command in rights.items():
            if command is not None and (command.source, command.id_token) == (start.authorized_by, start.id_token):
                rights[name] = None
                return
        card = (box.id, start.id_token.value)
        if start.authorized_by == LOCAL_SOURCE and start.id_token.value in KNOWN_CARDS and self._cards[card]:
            # By the charger's own list: each time that a card was held to the reader is good for one session.
            self._cards[card] -= 1
            return
        self.fail(box.id, f"session {start.session_id} has started without an authorisation of its own: {start}")

    def finished(self) -> None:
        database = self.world.ledger_database()
        for row in database.execute("SELECT charger, boot_id, seq, body FROM ledger_conflict"):
            self.fail(row[0], f"the ledger holds a second event under {row[1]} {row[2]}: {row[3]}")
        rows = database.execute("SELECT session_id, count(*) FROM ledger_session GROUP BY session_id").fetchall()
        for session_id, count in rows:
            if count != 1:
                self.fail("ledger", f"session {session_id} has {count} rows")


class NothingLost(Check):
    """What was on a charger's flash is in the ledger before it is acknowledged, and all of it is at the end."""

    invariant = 4
    from_bus = (SESSION, CHARGER_EVENT_ACK)

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self._journalled: dict[tuple[str, str], set[int]] = defaultdict(set)
        self._verified: dict[tuple[str, str], int] = defaultdict(int)
        self._records: dict[str, SessionRecord] = {}
        self.visits: list[Visit] = []
        self._resumed: set[str] = set()
        """Sessions that went on after a power loss."""

    def journalled(self, box: ChargerBox, data: bytes) -> None:
        """A charger has appended ``data`` to a file, and it is safe there."""
        for event in events_in(data):
            self._journalled[box.id, event["boot_id"]].add(event["seq"])
            if event["type"] == "session_sampled" and not event["session_id"].startswith(event["boot_id"]):
                self._resumed.add(event["session_id"])

    def on_bus(self, user: str, packet: Packet, address: Address, message: Message | None) -> None:
        if isinstance(message, SessionRecord):
            known = self._records.get(message.session_id)
            # On a hostile link an older one may come last; its time tells a reader.
            if known is None or (message.ts or 0) >= (known.ts or 0):
                self._records[message.session_id] = message
        elif isinstance(message, EventAck):
            self._check_ack(address.ids["charger"], message)

    def _check_ack(self, charger: str, ack: EventAck) -> None:
        boot = (charger, ack.boot_id)
        if ack.seq <= self._verified[boot]:
            return
        wanted = {seq for seq in self._journalled[boot] if seq <= ack.seq}
        missing = wanted - self._committed(boot)
        if missing:
            self.fail("ledger", f"it acknowledges {ack.seq} of {boot}, but has not committed {sorted(missing)}")
        if ack.seq > max(self._journalled[boot], default=0):
            self.fail("ledger", f"it acknowledges {ack.seq} of {boot}, which the charger never journalled")
        self._verified[boot] = ack.seq

    def _committed(self, boot: tuple[str, str]) -> set[int]:
        rows = self.world.ledger_database().execute(
            "SELECT seq FROM ledger_event WHERE charger = ? AND boot_id = ?", boot
        )
        return {seq for (seq,) in rows}

    def finished(self) -> None:
        for boot, seqs in self._journalled.items():
            missing = seqs - self._committed(boot)
            if missing:
                self.fail(
                    boot[0], f"events {sorted(missing)} of boot {boot[1]} were journalled and are not in the ledger"
                )
        for box in self.world.boxes.values():
            state = self.world.states.get(box.id)
            if state is not None and state.journal_pending:
                self.fail(box.id, f"{state.journal_pending} events still wait for the ledger")
        sessions = recorded_sessions(self.world.ledger_database())
        for visit in joined(self.visits, [s for s in sessions if s.session_id in self._resumed]):
            self._check_visit(visit, [s for s in sessions if s.charger == visit.charger])
        for charger, box in self.world.boxes.items():
            self._check_total(charger, box, [s for s in sessions if s.charger == charger])
        self._check_records(sessions)

    def _check_visit(self, visit: Visit, sessions: list[Recorded]) -> None:
        """The energy of a visit is that of its sessions: a Wh of rounding for each of them."""
        low, high = int(visit.meter_before_wh), int(visit.meter_after_wh)
        within = [s for s in sessions if low <= s.start_wh and s.end_wh is not None and s.end_wh <= high]
        total = sum(s.energy_wh for s in within)
        if abs(total - visit.energy_wh) > max(1, len([s for s in within if s.energy_wh])):
            self.fail(
                visit.charger,
                f"{visit.car} took {visit.energy_wh:.2f} Wh at registers {low} to {high}, "
                f"its sessions have {total} Wh: {within}",
            )

    def _check_total(self, charger: str, box: ChargerBox, sessions: list[Recorded]) -> None:
        """No energy flows outside of a session."""
        flowed = box.hardware.meter.true_wh - box.first_wh
        total = sum(s.energy_wh for s in sessions)
        if abs(total - flowed) > 1 + len([s for s in sessions if s.energy_wh]):
            self.fail(charger, f"{flowed:.2f} Wh have flowed, its sessions have {total} Wh: {sessions}")
        still_open = [s.session_id for s in sessions if s.end_wh is None]
        if still_open:
            self.fail(charger, f"sessions {still_open} have no end, although every car has left")

    def _check_records(self, sessions: list[Recorded]) -> None:
        for session in sessions:
            record = self._records.get(session.session_id)
            if record is None or record.active or record.energy_wh != session.energy_wh:
                self.fail("ledger", f"it has {session}, the bus was last told {record}")


def joined(visits: list[Visit], resumed: list[Recorded]) -> list[Visit]:
    """Return the visits, those as one that a session has gone on across.

    No charger can tell that cars were exchanged while it had no power: hence resuming is off unless a site wants it.
    """
    found: list[Visit] = []
    for visit in visits:
        last = next((v for v in reversed(found) if v.charger == visit.charger), None)
        border_wh = int(visit.meter_before_wh)
        across = any(
            s.charger == visit.charger and s.end_wh is not None and s.start_wh <= border_wh <= s.end_wh for s in resumed
        )
        if last is None or not across:
            found.append(visit)
            continue
        found[found.index(last)] = replace(
            last,
            car=f"{last.car} and {visit.car}",
            taken_after_wh=last.taken_after_wh + visit.energy_wh,
            meter_after_wh=visit.meter_after_wh,
        )
    return found


def recorded_sessions(database: sqlite3.Connection) -> list[Recorded]:
    """Return all sessions of a ledger's database."""
    rows = database.execute(
        "SELECT charger, session_id, coalesce(start_wh, end_start_wh, 0), end_wh FROM ledger_session ORDER BY id"
    )
    return [Recorded(*row) for row in rows]


def events_in(data: bytes) -> Iterator[dict[str, Any]]:
    """Yield the whole events in a piece of a journal: one JSON object on a line of its own."""
    for line in data.split(b"\n"):
        begin = line.find(b"{")
        if begin < 0:
            continue
        try:
            event = json.loads(line[begin:])
        except ValueError:
            continue
        if isinstance(event, dict) and {"boot_id", "seq", "type"} <= event.keys():
            yield event
