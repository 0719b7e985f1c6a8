"""Closing what will never come: a session whose end is lost, events that a dead board has kept."""

import pytest
from sqlalchemy import text

from agents.ledger.agent import Ledger
from agents.runtime.database.migration import upgrade
from agents.runtime.database.store import Store
from bus_schema.site_messages import QueryAnswer, SessionsQuery, SettleQuery
from bus_schema.topics import (
    AGENT_ANSWER,
    AGENT_QUERY,
    ALARM,
    CHARGER_EVENT,
    CHARGER_EVENT_ACK,
    CHARGER_STATE,
    SESSION,
)
from bus_schema.words import StopReason
from tests.ledger.events import LATER_BOOT, card, ended, sampled, started
from tests.ledger.events import SESSION as SESSION_ID
from tests.ledger.harness import Hosted
from tests.ledger.test_agent import state


async def asked(ledger: Hosted, query: SettleQuery | SessionsQuery) -> QueryAnswer:
    await ledger.hear(AGENT_QUERY, [query], agent="ledger")
    [(ids, answer)] = ledger.bus.take(AGENT_ANSWER)
    assert (ids["asker"], answer.id) == (query.source, query.id)
    assert isinstance(answer, QueryAnswer)
    return answer


async def settle(ledger: Hosted, session_id: str | None = None, charger: str = "c1") -> QueryAnswer:
    deadline = ledger.clock.now_ms() + 5000
    head = {"ts": None, "id": "q1", "source": "technician", "deadline_ts": deadline}
    return await asked(ledger, SettleQuery(**head, charger=charger, session_id=session_id, because="board replaced"))


async def active(ledger: Hosted) -> list[str]:
    deadline = ledger.clock.now_ms() + 5000
    query = SessionsQuery(ts=None, id="q2", source="technician", deadline_ts=deadline, active=True)
    return [each.session_id for each in (await asked(ledger, query)).sessions]


async def test_a_session_is_closed_at_its_last_register(store_url: str) -> None:
    async with Hosted(Ledger, store_url, stuck_alarm_after_s=60) as ledger:
        await ledger.hear(CHARGER_EVENT, [started(1, 1000), sampled(2, 1500)], charger="c1")
        await ledger.hear(CHARGER_STATE, [state(None)], charger="c1")
        await ledger.clock.advance(200)
        assert [ids["alarm"] for ids, alarm in ledger.bus.take(ALARM) if alarm] == ["session-stuck-c1"]
        assert await active(ledger) == [SESSION_ID]
        ledger.bus.take(SESSION)

        answer = await settle(ledger, SESSION_ID)
        [told] = answer.sessions
        assert (told.active, told.energy_wh, told.reason) == (False, 500, StopReason.OTHER)
        assert (told.settled_by, told.ended_ts) == ("technician", None)
        assert [record for _, record in ledger.bus.take(SESSION)] == [told]
        assert ledger.bus.take(ALARM) == [({"alarm": "session-stuck-c1"}, None)]
        assert await active(ledger) == []
        again = await settle(ledger, SESSION_ID)
        assert (again.ok, again.reason) == (False, f"session {SESSION_ID} is closed already")


async def test_an_end_that_comes_after_all_counts(store_url: str) -> None:
    async with Hosted(Ledger, store_url) as ledger:
        await ledger.hear(CHARGER_EVENT, [started(1, 1000), sampled(2, 1500)], charger="c1")
        await settle(ledger, SESSION_ID)
        ledger.bus.take(SESSION)
        await ledger.hear(CHARGER_EVENT, [ended(3, 1000, 1800)], charger="c1")
        [(_, told)] = ledger.bus.take(SESSION)
        assert (told.active, told.energy_wh, told.reason) == (False, 800, StopReason.EV_DISCONNECTED)
        assert told.settled_by is None


async def test_a_late_sample_does_not_open_a_settled_session_again() -> None:
    async with Hosted(Ledger) as ledger:
        await ledger.hear(CHARGER_EVENT, [started(1, 1000)], charger="c1")
        await settle(ledger, SESSION_ID)
        await ledger.hear(CHARGER_EVENT, [sampled(2, 1600)], charger="c1")
        told = ledger.bus.take(SESSION)[-1][1]
        assert (told.active, told.energy_wh, told.settled_by) == (False, 600, "technician")


async def test_a_session_that_its_charger_still_reports_is_not_closed() -> None:
    async with Hosted(Ledger) as ledger:
        await ledger.hear(CHARGER_EVENT, [started(1, 1000)], charger="c1")
        await ledger.hear(CHARGER_STATE, [state(SESSION_ID)], charger="c1")
        answer = await settle(ledger, SESSION_ID)
        assert (answer.ok, answer.reason) == (
            False,
            f"charger c1 still reports session {SESSION_ID}: stop it instead",
        )
        await ledger.clock.advance(31)
        assert (await settle(ledger, SESSION_ID)).ok, "a charger that has gone silent keeps nothing open"


async def test_missing_events_are_awaited_no_longer(store_url: str) -> None:
    async with Hosted(Ledger, store_url, gap_alarm_after_s=0) as ledger:
        await ledger.hear(CHARGER_EVENT, [card(2), card(4)], charger="c1")
        await ledger.hear(CHARGER_EVENT, [card(9, boot=LATER_BOOT, oldest=9)], charger="c1")
        await ledger.clock.advance(31)
        assert {ids["alarm"] for ids, alarm in ledger.bus.take(ALARM) if alarm} == {"ledger-gap-c1", "ledger-lost-c1"}
        ledger.bus.take(CHARGER_EVENT_ACK)

        assert (await settle(ledger)).ok
        cleared = ledger.bus.take(ALARM)
        assert cleared == [({"alarm": "ledger-gap-c1"}, None), ({"alarm": "ledger-lost-c1"}, None)]
        await ledger.hear(CHARGER_EVENT, [card(4)], charger="c1")
        assert [ack.seq for _, ack in ledger.bus.take(CHARGER_EVENT_ACK)] == [4]
        assert (await settle(ledger)).reason == "no event of charger c1 is missing"


async def test_an_event_that_was_given_up_is_still_taken() -> None:
    async with Hosted(Ledger) as ledger:
        await ledger.hear(CHARGER_EVENT, [started(1, 1000), sampled(3, 1500)], charger="c1")
        await settle(ledger)
        await ledger.hear(CHARGER_EVENT, [ended(2, 1000, 1400)], charger="c1")
        assert [record.active for _, record in ledger.bus.take(SESSION)][-1] is False
        assert [ack.seq for _, ack in ledger.bus.take(CHARGER_EVENT_ACK)][-1] == 3


@pytest.mark.parametrize("session_id", ["0123456789ab-99", None])
async def test_there_must_be_something_to_settle(session_id: str | None) -> None:
    async with Hosted(Ledger) as ledger:
        answer = await settle(ledger, session_id)
        assert not answer.ok
        assert "c1" in answer.reason


def test_the_records_of_before_stay_as_they_are(store_url: str) -> None:
    """The migration on a database that has a session."""
    store = Store(store_url, "agents.ledger.migrations", threaded=False)
    with store.engine.begin() as connection:
        upgrade(connection, "agents.ledger.migrations", "0001")
        connection.execute(
            text(
                "INSERT INTO ledger_session (listed_ms, revision, dirty, charger, session_id, start_wh, start_seq,"
                " start_boot_id, start_uptime_ms, went_back, ambiguous)"
                " VALUES (1, 1, false, 'c1', 'a-1', 1000, 1, 'a', 5, false, false)"
            )
        )
    store.upgrade()
    with store.engine.begin() as connection:
        found = connection.execute(text("SELECT start_wh, settled_ms, settled_by FROM ledger_session")).all()
    assert [tuple(row) for row in found] == [(1000, None, None)]
    store.close()
