"""What a batch of events does to the database, on every database that a site may use."""

from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session as Database

from agents.ledger.committing import Committed, commit
from agents.ledger.models import BootRow, ConflictRow, EventRow, LostRow, SessionRow
from agents.ledger.session import Session, SessionEvent
from agents.ledger.session_rows import load_session
from agents.ledger.storing import Arrival
from agents.runtime.database.store import Store
from bus_schema.event import EventBase
from bus_schema.words import IdTokenType
from tests.ledger.events import BOOT, CARD, LATER_BOOT, SESSION, T0, card, ended, sampled, started
from tests.ledger.test_session import fold, lives

FAR = 9_007_199_254_740_991


async def add(store: Store, *events: EventBase, charger: str = "c1", received_ms: int = T0) -> Committed:
    arrivals = [Arrival(charger, event, received_ms) for event in events]  # type: ignore[arg-type]
    return await store.run(lambda db: commit(db, arrivals, {}))


async def sessions(store: Store) -> list[Session]:
    return await store.run(lambda db: [load_session(row) for row in db.scalars(select(SessionRow))])


async def count(store: Store, table: type) -> int:
    return await store.run(lambda db: db.scalar(select(func.count()).select_from(table)) or 0)


async def test_a_batch_is_stored_derived_and_may_be_acknowledged(ledger_store: Store) -> None:
    done = await add(ledger_store, started(1, 1000), sampled(2, 1500), card(3), ended(4, 1000, 3200))
    assert (done.new, done.duplicates, done.found) == (4, 0, frozenset())
    assert done.acknowledged == {("c1", BOOT): 4}
    assert [(r.session.end_energy_wh, r.revision) for r in done.changed] == [(3200, 1)]
    assert await sessions(ledger_store) == [done.changed[0].session]


async def test_a_duplicate_changes_nothing_and_is_acknowledged_again(ledger_store: Store) -> None:
    await add(ledger_store, started(1, 1000), sampled(2, 1500))
    done = await add(ledger_store, sampled(2, 1500), sampled(2, 1500, oldest=2), started(1, 1000))
    assert (done.new, done.duplicates, done.conflicts, done.changed) == (0, 3, 0, ())
    assert done.acknowledged == {("c1", BOOT): 2}
    assert await count(ledger_store, EventRow) == 2


async def test_a_duplicate_within_a_batch(ledger_store: Store) -> None:
    done = await add(ledger_store, started(1, 1000), started(1, 1000))
    assert (done.new, done.duplicates) == (1, 1)


async def test_a_contradicting_duplicate_is_kept_beside_and_counts_once(ledger_store: Store) -> None:
    await add(ledger_store, started(1, 1000), ended(2, 1000, 1700))
    for expected in (1, 0):
        done = await add(ledger_store, ended(2, 1000, 9700))
        assert (done.conflicts, bool(done.found), done.changed) == (expected, bool(expected), ())
        assert done.acknowledged == {("c1", BOOT): 2}
    assert [s.end_energy_wh for s in await sessions(ledger_store)] == [1700]
    assert (await count(ledger_store, EventRow), await count(ledger_store, ConflictRow)) == (2, 1)


async def test_nothing_above_a_gap_is_acknowledged(ledger_store: Store) -> None:
    done = await add(ledger_store, sampled(2, 1500), sampled(3, 1600))
    assert done.acknowledged == {("c1", BOOT): 0}
    done = await add(ledger_store, started(1, 1000), sampled(6, 1900))
    assert done.acknowledged == {("c1", BOOT): 3}
    done = await add(ledger_store, sampled(5, 1800), sampled(4, 1700))
    assert done.acknowledged == {("c1", BOOT): 6}


async def test_since_when_a_gap_is_open(ledger_store: Store) -> None:
    async def since() -> int | None:
        row = await ledger_store.run(lambda db: db.get(BootRow, ("c1", BOOT)))
        assert row is not None
        return row.gap_since_ms

    await add(ledger_store, sampled(2, 1500), received_ms=T0)
    await add(ledger_store, sampled(4, 1500), received_ms=T0 + 5)
    assert await since() == T0
    await add(ledger_store, started(1, 1500), received_ms=T0 + 9)
    assert await since() == T0 + 9
    await add(ledger_store, sampled(3, 1500), received_ms=T0 + 12)
    assert await since() is None


async def test_numbers_that_the_charger_no_longer_keeps_are_not_awaited_but_noted(ledger_store: Store) -> None:
    await add(ledger_store, started(1, 1000))
    done = await add(ledger_store, sampled(6, 1500, oldest=5), sampled(5, 1450, oldest=5))
    assert done.acknowledged == {("c1", BOOT): 6}
    assert done.found == {"c1"}
    lost = await ledger_store.run(lambda db: list(db.scalars(select(LostRow))))
    assert [(row.first_seq, row.last_seq) for row in lost] == [(2, 4)]
    # One of them turns up after all (the broker had kept it): it is taken.
    done = await add(ledger_store, sampled(3, 1400))
    assert (done.new, done.acknowledged) == (1, {("c1", BOOT): 6})


async def test_an_event_of_the_same_batch_is_not_lost(ledger_store: Store) -> None:
    done = await add(ledger_store, started(1, 1000), sampled(2, 1100, oldest=2))
    assert (done.found, await count(ledger_store, LostRow)) == (frozenset(), 0)


async def test_of_what_was_lost_what_is_here_is_not_missing(ledger_store: Store) -> None:
    """In the first batch of a boot, of which nothing is on record, as in every later one."""
    for charger, batches in (("c1", [[2, 5, 6]]), ("c2", [[2], [5, 6]])):
        for batch in batches:
            done = await add(ledger_store, *(card(seq, oldest=max(1, seq - 1)) for seq in batch), charger=charger)
        assert done.acknowledged == {(charger, BOOT): 6}
    lost = await ledger_store.run(lambda db: list(db.scalars(select(LostRow).order_by(LostRow.charger))))
    found = [(row.charger, row.first_seq, row.last_seq, row.missing) for row in lost]
    assert found == [("c1", 1, 4, 3), ("c2", 1, 4, 3)]


async def test_an_oldest_seq_above_its_own_event_is_not_believed(ledger_store: Store) -> None:
    done = await add(ledger_store, started(1, 1000, oldest=FAR))
    assert done.acknowledged == {("c1", BOOT): 1}


async def test_boots_and_chargers_are_numbered_apart(ledger_store: Store) -> None:
    await add(ledger_store, started(1, 1000), charger="c1")
    done = await add(ledger_store, card(1), charger="c2")
    assert (done.new, done.acknowledged) == (1, {("c2", BOOT): 1})
    done = await add(ledger_store, card(2, boot=LATER_BOOT), charger="c1")
    assert done.acknowledged == {("c1", LATER_BOOT): 0}


async def test_a_charger_cannot_write_into_the_session_of_another(ledger_store: Store) -> None:
    await add(ledger_store, started(1, 1000), charger="c1")
    await add(ledger_store, ended(1, 0, 999_999, boot=LATER_BOOT), charger="c2")
    assert {(s.charger, s.end_energy_wh) for s in await sessions(ledger_store)} == {("c1", 1000), ("c2", 999_999)}


async def test_the_extremes_of_the_contract_are_committed(ledger_store: Store) -> None:
    token = CARD.model_copy(update={"type": IdTokenType.APP, "value": "\0" * 63 + "\U0001f697"})
    done = await add(
        ledger_store,
        started(FAR - 1, 0, ts=0, id_token=token, oldest=FAR - 1, reservation_id=2_147_483_647),
        ended(FAR, 0, FAR, ts=4_102_444_800_000, oldest=FAR, detail="\0" * 400),
        charger="c" * 32,
    )
    assert done.acknowledged == {("c" * 32, BOOT): FAR}
    [session] = await sessions(ledger_store)
    assert session.start is not None
    assert session.start.id_token == token.model_dump_json()


async def test_what_has_been_published_is_no_longer_dirty(ledger_store: Store) -> None:
    async def dirty() -> list[bool]:
        return await ledger_store.run(lambda db: list(db.scalars(select(SessionRow.dirty))))

    await add(ledger_store, started(1, 1000))
    assert await dirty() == [True]
    await ledger_store.run(lambda db: commit(db, [Arrival("c2", card(1), T0)], {("c1", SESSION): 1}))
    assert await dirty() == [False]
    await add(ledger_store, sampled(2, 1500))
    await ledger_store.run(lambda db: commit(db, [Arrival("c2", card(2), T0)], {("c1", SESSION): 1}))
    assert await dirty() == [True], "an older revision than the newest was published"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_order_duplicates_and_batches_give_the_same_session(data: st.DataObject) -> None:
    events = data.draw(lives())
    shuffled = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events), max_size=4))))
    store = Store("sqlite://", "agents.ledger.migrations", threaded=False)
    store.upgrade()
    with_batches: list[list[SessionEvent]] = [[]]
    for event in shuffled:
        with_batches[-1].append(event)
        if data.draw(st.booleans()):
            with_batches.append([])
    with Database(store.engine) as db:
        for batch in filter(None, with_batches):
            commit(db, [Arrival("c1", event, T0) for event in batch], {})
        rows = list(db.scalars(select(SessionRow)))
        assert [load_session(row) for row in rows] == [fold(events)]
        assert rows[0].revision <= len(events)
    store.close()


@pytest.mark.parametrize("shuffled", [False, True])
async def test_many_boots_in_one_batch(ledger_store: Store, shuffled: bool) -> None:
    boots = [f"{number:012x}" for number in range(40)]
    events = [card(seq, boot=boot) for boot in boots for seq in (1, 2, 3)]
    done = await add(ledger_store, *_shuffle(events, shuffled))
    assert set(done.acknowledged.values()) == {3}
    assert len(done.acknowledged) == 40


def _shuffle(events: list[EventBase], shuffled: bool) -> Iterable[EventBase]:
    return sorted(events, key=lambda e: (e.seq * 7919 % 5, e.boot_id)) if shuffled else events
