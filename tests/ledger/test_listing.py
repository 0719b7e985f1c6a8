"""Pages of sessions."""

from typing import Any

from agents.ledger.committing import commit
from agents.ledger.listing import answer
from agents.ledger.storing import Arrival
from agents.runtime.database.store import Store
from bus_schema.site_messages import QueryAnswer, SessionsQuery
from bus_schema.topics import AGENT_ANSWER
from bus_schema.words import IdTokenType
from tests.ledger.events import CARD, T0, ended, sampled, started

FAR = 9_007_199_254_740_991


async def begin(store: Store, number: int, charger: str = "c1", ts: int | None = -1, end: bool = False) -> str:
    """Record a session that began ``number`` seconds after the first; return its id."""
    boot = f"{number:012x}"
    session = f"{boot}-1"
    ts = T0 + number * 1000 if ts == -1 else ts
    events: list[Any] = [started(1, 1000, boot=boot, session=session, ts=ts)]
    if end:
        events.append(ended(2, 1000, 2000, boot=boot, session=session, ts=ts))
    arrivals = [Arrival(charger, event, T0 + 3_600_000 + number) for event in events]
    await store.run(lambda db: commit(db, arrivals, {}))
    return session


async def ask(store: Store, **fields: Any) -> QueryAnswer:
    query = SessionsQuery(**{"ts": T0, "id": "q1", "source": "technician", "deadline_ts": T0, **fields})
    page = await store.run(lambda db: answer(db, query, T0))
    assert AGENT_ANSWER.decode(AGENT_ANSWER.encode(page)) == page
    return page


async def walk(store: Store, **fields: Any) -> list[str]:
    """Return the ids of all pages."""
    found, cursor = [], None
    while True:
        page = await ask(store, cursor=cursor, **fields)
        assert page.ok
        found += [each.session_id for each in page.sessions]
        cursor = page.cursor
        if cursor is None:
            return found


async def test_newest_first_and_nothing_missing_or_twice(ledger_store: Store) -> None:
    ids = [await begin(ledger_store, number) for number in (5, 3, 9, 1, 7, 2, 8, 4, 6)]
    expected = sorted(ids, reverse=True)
    for limit in (1, 2, 6):
        assert await walk(ledger_store, limit=limit) == expected


async def test_sessions_that_begin_meanwhile_tear_no_page(ledger_store: Store) -> None:
    old = [await begin(ledger_store, number) for number in range(10)]
    first = await ask(ledger_store, limit=3)
    await begin(ledger_store, 99)
    await begin(ledger_store, 98)
    rest = await walk(ledger_store, limit=3)
    assert rest[:2] == [f"{99:012x}-1", f"{98:012x}-1"]
    second = await ask(ledger_store, limit=3, cursor=first.cursor)
    assert [s.session_id for s in (*first.sessions, *second.sessions)] == old[:3:-1]


async def test_a_session_stays_where_it_is_when_it_changes(ledger_store: Store) -> None:
    first, last = await begin(ledger_store, 1), await begin(ledger_store, 2)
    change = sampled(2, 1500, boot=first[:12], session=first)
    await ledger_store.run(lambda db: commit(db, [Arrival("c1", change, T0 + 9_000_000)], {}))
    assert await walk(ledger_store) == [last, first]


async def test_without_a_clock_the_arrival_counts_and_a_clock_ahead_is_not_believed(ledger_store: Store) -> None:
    unset = await begin(ledger_store, 1, ts=None)
    ahead = await begin(ledger_store, 2, ts=4_102_444_800_000)
    known = await begin(ledger_store, 3)
    later = await begin(ledger_store, 4, ts=None)
    assert await walk(ledger_store) == [later, ahead, unset, known]


async def test_same_moment_pages_by_row(ledger_store: Store) -> None:
    ids = [await begin(ledger_store, number, ts=T0) for number in range(7)]
    assert await walk(ledger_store, limit=2) == ids[::-1]


async def test_filters(ledger_store: Store) -> None:
    a = await begin(ledger_store, 1, "c1", end=True)
    b = await begin(ledger_store, 2, "c2")
    c = await begin(ledger_store, 3, "c1")
    assert await walk(ledger_store, charger="c1") == [c, a]
    assert await walk(ledger_store, active=True) == [c, b]
    assert await walk(ledger_store, active=False) == [a]
    assert await walk(ledger_store, session_id=b) == [b]
    assert await walk(ledger_store, since_ts=T0 + 2000) == [c, b]
    assert await walk(ledger_store, since_ts=T0 + 2000, charger="c1", limit=1) == [c]
    assert await walk(ledger_store, charger="c9") == []


async def test_a_bad_cursor_is_answered(ledger_store: Store) -> None:
    for cursor in ("x", "1", "1.2.3", "-1.2", "1" * 40 + ".1", "1." + "1" * 30):
        page = await ask(ledger_store, cursor=cursor)
        assert not page.ok
        assert "cursor" in page.reason


async def test_the_largest_sessions_fit_a_message(ledger_store: Store) -> None:
    token = CARD.model_copy(update={"type": IdTokenType.PLUG_AND_CHARGE, "value": "\0" * 64})
    ids = []
    for number in range(6):
        session = f"{number}{'s' * 31}"
        events = [
            started(1, 0, session=session, id_token=token, authorized_by="a" * 32, reservation_id=2_147_483_647, ts=T0),
            ended(2, 0, FAR, session=session),
        ]
        charger = f"{number}{'c' * 31}"
        arrivals = [Arrival(charger, event, T0 + number) for event in events]
        await ledger_store.run(lambda db, arrivals=arrivals: commit(db, arrivals, {}))
        ids.append(session)
    page = await ask(ledger_store, limit=6)
    assert 1 <= len(page.sessions) < 6, "the test should overflow one message"
    assert await walk(ledger_store, limit=6) == ids[::-1]
