"""What an event costs does not grow with what is stored, and one charger that sends too much delays no other."""

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, func, select

from agents.ledger.agent import NEW_BOOTS, Ledger
from agents.ledger.alarms import standing
from agents.ledger.committing import commit
from agents.ledger.models import BootRow, LostRow, SessionRow
from agents.ledger.settings import LedgerSettings
from agents.ledger.storing import Arrival
from agents.runtime.database.store import Store
from bus_schema.event import Event
from bus_schema.topics import AGENT_HEALTH, ALARM, CHARGER_EVENT, CHARGER_EVENT_ACK
from tests.ledger.events import BOOT, T0, card, ended, sampled, started
from tests.ledger.harness import Hosted

Statement = tuple[str, Any]


def boot(number: int) -> str:
    return f"{number:012x}"


def rogue(number: int, seed: random.Random) -> Event:
    """A valid start of a session that nobody knows, of a boot that nobody knows, that says much is lost."""
    seq = seed.randint(2, 10_000)
    return started(seq, 1_000, session=f"{boot(number)}-1", boot=boot(number), oldest=seed.randint(2, seq))


@contextmanager
def heard(store: Store) -> Iterator[list[Statement]]:
    """Collect the statements that a database executes."""
    found: list[Statement] = []

    def listen(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        found.append((statement, parameters[0] if many else parameters))

    event.listen(store.engine, "before_cursor_execute", listen)
    yield found
    event.remove(store.engine, "before_cursor_execute", listen)


def a_batch(number: int) -> list[Arrival]:
    """Everything that costs a look-up: new and known, late and lost, gaps that close, two of a number."""
    mine = boot(number)
    one = [
        started(3, 1_000, session=f"{mine}-1", boot=mine),
        sampled(5, 1_100, session=f"{mine}-1", boot=mine),
        sampled(4, 1_050, session=f"{mine}-1", boot=mine, oldest=3),
        sampled(1, 900, session=f"{mine}-1", boot=mine),
        sampled(4, 1_051, session=f"{mine}-1", boot=mine),
        ended(6, 1_000, 1_200, session=f"{mine}-1", boot=mine),
    ]
    return [Arrival("c1", each, T0) for each in one]


def committed(store: Store, number: int) -> list[Statement]:
    with heard(store) as found:
        for each in a_batch(number):
            store._transaction(lambda db, each=each: commit(db, [each], {}))  # type: ignore[misc]
        store._transaction(lambda db: standing(db, "c1", LedgerSettings(gap_alarm_after_s=0), T0 + 1))
    return found


def fill(store: Store, begin: int, end: int) -> None:
    seed = random.Random(begin)
    arrivals = [Arrival("c1", rogue(number, seed), T0) for number in range(begin, end)]
    store._transaction(lambda db: commit(db, arrivals, {}))


def test_the_number_of_statements_does_not_grow_with_what_is_stored(ledger_store: Store) -> None:
    fill(ledger_store, 1, 6)
    few = len(committed(ledger_store, 100_001))
    fill(ledger_store, 6, 400)
    assert len(committed(ledger_store, 100_002)) == few


def test_every_look_up_goes_by_an_index() -> None:
    store = Store("sqlite://", "agents.ledger.migrations", threaded=False)
    store.upgrade()
    fill(store, 1, 50)
    found = [(text, values) for text, values in committed(store, 100_001) if re.match("SELECT|UPDATE", text)]
    assert len(found) > 20
    with store.engine.connect() as connection:
        for text, values in found:
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)]
            scans = [step for step in plan if re.match(r"SCAN (ledger|b\b|TABLE)", step)]
            assert not scans, (text, plan)
            assert not any("COUNT" in text.upper() and "ledger_lost" in text for _ in plan)
    store.close()


def test_what_is_missing_is_counted_down_as_it_turns_up(ledger_store: Store) -> None:
    def missing() -> int | None:
        return ledger_store._transaction(lambda db: db.scalar(select(LostRow.missing)))

    def take(*events: Event) -> None:
        ledger_store._transaction(lambda db: commit(db, [Arrival("c1", each, T0) for each in events], {}))

    take(card(3), card(9, oldest=8))
    assert missing() == 6, "of seven numbers one is here"
    take(card(5), card(5))
    assert missing() == 5
    take(card(1), card(2), card(4), card(6), card(7), card(8))
    assert missing() == 0
    alarms, again = ledger_store._transaction(lambda db: standing(db, "c1", LedgerSettings(), T0))
    assert (alarms, again) == ({}, False)


async def test_one_sender_neither_starves_another_nor_fills_the_database() -> None:
    seed = random.Random(7)
    async with Hosted(Ledger) as ledger:
        for number in range(3_000):
            ledger.put(CHARGER_EVENT, rogue(number, seed), charger="c1")
            if number == 1_500:
                ledger.put(CHARGER_EVENT, started(1, 1_000), charger="c2")
        await ledger.hear(CHARGER_EVENT, [sampled(2, 1_100)], charger="c2")
        acks = [ack for ids, ack in ledger.bus.take(CHARGER_EVENT_ACK) if ids == {"charger": "c2"}]
        assert acks[-1].seq == 2
        assert ledger.acknowledged == 3_002, "the broker's queue moves on"
        boots = await ledger.store.run(lambda db: db.scalar(select(func.count()).select_from(BootRow)))
        assert boots == NEW_BOOTS.burst + 1

        await ledger.clock.advance(31)
        alarms = {ids["alarm"]: alarm for ids, alarm in ledger.bus.take(ALARM)}
        assert alarms["quota-ledger"].charger == "c1"
        assert "events of new boots" in alarms["quota-ledger"].text
        health = ledger.bus.take(AGENT_HEALTH)[-1][1]
        assert {each.sender for each in health.refused_senders} == {"c1"}
        assert health.refused > 2_000


async def test_what_was_refused_comes_again_and_counts() -> None:
    """Invariant 4: a charger keeps what is not acknowledged."""
    async with Hosted(Ledger, events_per_s=1) as ledger:
        journal = [card(seq) for seq in range(1, 1_101)]
        acknowledged = 0
        for _ in range(20):
            in_flight = [each for each in journal if each.seq > acknowledged][:100]
            if not in_flight:
                break
            await ledger.hear(CHARGER_EVENT, in_flight, charger="c1")
            acknowledged = max([acknowledged, *(ack.seq for _, ack in ledger.bus.take(CHARGER_EVENT_ACK))])
            await ledger.clock.advance(30)
        assert acknowledged == 1_100
        sessions = await ledger.store.run(lambda db: db.scalar(select(func.count()).select_from(SessionRow)))
        assert sessions == 0


async def test_a_ledger_that_cannot_keep_up_says_by_how_much() -> None:
    async with Hosted(Ledger) as ledger:
        run = ledger.store.run

        async def slow(work: Any) -> Any:
            await ledger.clock.sleep(9)
            return await run(work)

        ledger.store.run = slow  # type: ignore[method-assign]
        ledger.put(CHARGER_EVENT, started(1, 1_000, boot=BOOT), charger="c1")
        await ledger.clock.advance(7)
        assert ledger.host.problems() == ["charger_event: behind by 7 s, 1 messages wait"]
        assert ledger.bus.take(AGENT_HEALTH)[-1][1].behind_s >= 5
        ledger.store.run = run  # type: ignore[method-assign]
        await ledger.clock.advance(10)
