"""The balancer hears of sessions, asks the ledger for those it has not heard of, and keeps them without their cards."""

from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from agents.load_balancer.agent import LoadBalancer
from agents.load_balancer.learning import stored
from agents.load_balancer.learning.cards import card_of
from agents.load_balancer.learning.sessions import PastSession
from agents.load_balancer.models import LearningRow, PastSessionRow
from agents.runtime.database.store import Store
from bus_schema import IdToken
from bus_schema.balancing import Wish
from bus_schema.event import SessionRecord
from bus_schema.site_messages import QueryAnswer, SessionsQuery
from bus_schema.topics import AGENT_ANSWER, AGENT_QUERY, CHARGER_WISH, SESSION
from bus_schema.words import IdTokenType
from tests.load_balancer.harness import TABLE, Site
from tests.runtime.fakes import ManualClock

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
CARD = IdToken(type=IdTokenType.RFID, value="04A2B3C4D5E680")


def record(session_id: str, begin_ms: int, hours: float | None, **more: Any) -> SessionRecord:
    """Return a session of 8 hours, or one that goes on."""
    ended_ms = None if hours is None else round(begin_ms + hours * HOUR_MS)
    values: dict[str, Any] = {
        "charger": "c1",
        "id_token": CARD,
        "authorized_by": "access",
        "started_ts": begin_ms,
        "ended_ts": ended_ms,
        "duration_s": None if hours is None else round(hours * 3600),
        "start_energy_wh": 0,
        "end_energy_wh": 9_000,
        "energy_wh": 9_000,
    }
    return SessionRecord(ts=begin_ms, session_id=session_id, active=hours is None, **(values | more))


def history(now_ms: int, count: int = 30) -> list[SessionRecord]:
    return [record(f"s-{n}", now_ms - n * DAY_MS, 8.0) for n in range(1, count + 1)]


async def kept(site: Site) -> list[Any]:
    return list(await site.store.run(lambda db: db.scalars(sa.select(PastSessionRow)).all()))


def new_store() -> Store:
    return Store("sqlite://", LoadBalancer.migrations, threaded=False)


async def test_a_card_that_comes_every_day_is_told_until_when_it_is_expected() -> None:
    async with Site() as site:
        now_ms = site.clock.now_ms()
        for each in history(now_ms):
            site.say(SESSION, each, session=each.session_id)
        site.say(SESSION, record("c1-session", now_ms, None), session="c1-session")
        await site.run(8)
        await site.ready("c1")
        demand = site.agent.decider._demands(site.clock.monotonic_s(), site.clock.now_ms())[0]
        assert demand.stays_s[8] == pytest.approx(8 * 3600, abs=10)
        assert "; expected until " in site.decision("c1").explanation
        assert " such days)" in site.decision("c1").explanation
        # A driver's wish wins over what was learned.
        departure_ts = site.clock.now_ms() + HOUR_MS
        wish = Wish(
            ts=now_ms, session_id="c1-session", energy_wh=7_000, departure_ts=departure_ts, priority=5, source="console"
        )
        site.say(CHARGER_WISH, wish, charger="c1")
        await site.run(20)
        demand = site.agent.decider._demands(site.clock.monotonic_s(), site.clock.now_ms())[0]
        assert demand.stays_s == () and demand.departure_s is not None and demand.departure_s <= 3600
        assert "expected until" not in site.decision("c1").explanation


async def test_no_card_is_kept_but_a_hash_with_a_key() -> None:
    async with Site() as site:
        for each in history(site.clock.now_ms(), 3):
            site.say(SESSION, each, session=each.session_id)
        await site.run(8)
        rows = await kept(site)
        assert len(rows) == 3
        assert len({row.card for row in rows}) == 1
        assert all(CARD.value not in str(vars(row)) for row in rows)
    keys = bytes(32), bytes([1] * 32)
    assert card_of(CARD, keys[0]) != card_of(CARD, keys[1])
    for type_ in (IdTokenType.PAYMENT, IdTokenType.NO_AUTHORIZATION):
        assert card_of(IdToken(type=type_, value="x"), keys[0]) == ""


async def test_what_is_told_twice_is_kept_once_and_outlives_the_process() -> None:
    store, clock = new_store(), ManualClock()
    async with Site(store=store, clock=clock) as site:
        for each in [*history(clock.now_ms(), 4)] * 2:
            site.say(SESSION, each, session=each.session_id)
        await site.run(12)
        for each in history(clock.now_ms(), 4):
            site.say(SESSION, each, session=each.session_id)
        await site.run(12)
        assert len(await kept(site)) == 4
    async with Site(store=store, clock=clock) as site:
        assert len(site.agent.past._learned._site) == 4


async def test_switched_off_it_keeps_nothing_and_deletes_what_was_kept() -> None:
    store, clock = new_store(), ManualClock()
    async with Site(store=store, clock=clock) as site:
        for each in history(clock.now_ms(), 4):
            site.say(SESSION, each, session=each.session_id)
        await site.run(8)
    async with Site(TABLE | {"learning": {"enabled": False}}, store=store, clock=clock) as site:
        for each in history(clock.now_ms(), 4):
            site.say(SESSION, each, session=each.session_id)
        await site.run(30)
        assert await kept(site) == []
        assert await site.store.run(lambda db: db.get(LearningRow, 1)) is None
        assert not site.messages(AGENT_QUERY)


async def test_the_ledger_is_asked_for_what_the_bus_has_not_brought() -> None:
    async with Site() as site:
        now_ms = site.clock.now_ms()
        past = [record("c1-session", now_ms, None), *history(now_ms, 12)]
        answered: set[str] = set()

        def ledger() -> None:
            for question in site.messages(AGENT_QUERY, agent="ledger"):
                assert isinstance(question, SessionsQuery)
                if question.id in answered:
                    continue
                answered.add(question.id)
                matching = [each for each in past if question.active is None or each.active == question.active]
                at = int(question.cursor or 0)
                cursor = str(at + 5) if at + 5 < len(matching) else None
                answer = QueryAnswer(ts=now_ms, id=question.id, ok=True, sessions=matching[at : at + 5], cursor=cursor)
                site.say(AGENT_ANSWER, answer, agent="ledger", asker="load_balancer")

        await site.run(30, ledger)
        assert len(await kept(site)) == 12
        assert len(answered) == 4, "one page of those that go on, three of all"
        assert site.agent.past._learned.present("c1-session") is not None
        row = await site.store.run(lambda db: db.get(LearningRow, 1))
        assert row is not None and row.complete == 1


async def test_a_ledger_that_does_not_answer_is_asked_once_a_minute() -> None:
    async with Site() as site:
        await site.run(300)
        assert 3 <= len(site.messages(AGENT_QUERY, agent="ledger")) <= 6


async def test_a_record_that_was_settled_or_has_no_clock_is_not_learned() -> None:
    async with Site() as site:
        begin_ms = site.clock.now_ms() - DAY_MS
        for number, more in enumerate(({"settled_by": "technician"}, {"started_ts": None}, {"duration_s": 0})):
            each = record(f"s-{number}", begin_ms, 8.0, **more)
            site.say(SESSION, each, session=each.session_id)
        await site.run(8)
        assert await kept(site) == []


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def test_what_is_kept_is_bounded(database: str, request: pytest.FixtureRequest) -> None:
    url = "sqlite://" if database == "sqlite" else str(request.getfixturevalue("postgresql_url"))
    store = Store(url, LoadBalancer.migrations, threaded=False)
    store.upgrade()
    assert await store.run(lambda db: stored.begin(db, Random(1))) == await store.run(
        lambda db: stored.begin(db, Random(2))
    ), "the key is drawn once"
    sessions = {f"s-{n}": PastSession("ab"[n % 2], "c1", n * HOUR_MS, 3600.0, None) for n in range(1, 41)}
    sessions |= {f"u-{n}": PastSession("", "c1", n * HOUR_MS, 3600.0, None) for n in range(1, 41)}

    def left() -> Any:
        return store.run(lambda db: [row.session_id for row in db.scalars(sa.select(PastSessionRow))])

    await store.run(lambda db: stored.write(db, sessions, complete=False))
    await store.run(lambda db: stored.prune(db, 0, 5, 100))
    assert sum(name.startswith("s-") for name in await left()) == 10
    assert sum(name.startswith("u-") for name in await left()) == 40, "they are of no card, hence not of one"
    await store.run(lambda db: stored.prune(db, 0, 5, 20))
    assert len(await left()) == 20
    await store.run(lambda db: stored.prune(db, 40 * HOUR_MS, 5, 20))
    assert set(await left()) == {"s-40", "u-40"}
    await store.run(stored.forget)
    assert await left() == []
    store.close()
