"""The ledger and a broker: acknowledged means committed, whatever restarts in between."""

import asyncio

import pytest

from bus_schema.event import SessionEnded, SessionRecord, SessionStarted
from bus_schema.message import IdToken
from bus_schema.site_messages import QueryAnswer, SessionsQuery
from bus_schema.topics import AGENT_ANSWER, AGENT_QUERY, AGENT_REJECTED, CHARGER_EVENT, CHARGER_EVENT_ACK, SESSION
from bus_schema.words import IdTokenType, StopReason
from tests.brokers import RunningBroker
from tests.integration.conftest import StartAgent
from tests.integration.ear import SITE, Ear
from tests.waiting import eventually

pytestmark = pytest.mark.broker

BOOT = "00000000000a"
T0 = 1_760_000_000_000


def started(seq: int, energy_wh: int, boot_id: str = BOOT) -> SessionStarted:
    return SessionStarted(
        ts=T0 + seq * 1000,
        uptime_ms=seq * 1000,
        boot_id=boot_id,
        seq=seq,
        oldest_seq=1,
        session_id=f"{boot_id}-{(seq + 1) // 2}",
        energy_wh=energy_wh,
        id_token=IdToken(type=IdTokenType.RFID, value="04AABBCC"),
        authorized_by="access",
    )


def ended(seq: int, start_energy_wh: int, energy_wh: int, boot_id: str = BOOT) -> SessionEnded:
    return SessionEnded(
        ts=T0 + seq * 1000,
        uptime_ms=seq * 1000,
        boot_id=boot_id,
        seq=seq,
        oldest_seq=1,
        session_id=f"{boot_id}-{seq // 2}",
        start_energy_wh=start_energy_wh,
        energy_wh=energy_wh,
        reason=StopReason.EV_DISCONNECTED,
    )


async def sessions_of(ear: Ear, charger: str) -> list[SessionRecord]:
    """Ask the ledger for everything it has of a charger, page by page."""
    import time

    found: list[SessionRecord] = []
    cursor = None
    while True:
        number = f"q{time.monotonic_ns()}"
        now_ms = time.time_ns() // 1_000_000
        question = SessionsQuery(
            ts=now_ms, id=number, source="technician", deadline_ts=now_ms + 10_000, charger=charger, cursor=cursor
        )
        await ear.say(AGENT_QUERY, question, agent="ledger")
        answer: QueryAnswer = await ear.hears(
            AGENT_ANSWER, lambda each, number=number: each.id == number, agent="ledger", asker="technician"
        )
        assert answer.ok, answer.reason
        found += answer.sessions
        cursor = answer.cursor
        if cursor is None:
            return found


async def test_events_become_a_session_record_and_are_acknowledged(ear: Ear, start_agent: StartAgent) -> None:
    await start_agent("ledger")
    await ear.say(CHARGER_EVENT, started(1, 1000), charger="c1")
    await ear.say(CHARGER_EVENT, ended(2, 1000, 1234), charger="c1")
    await ear.hears(CHARGER_EVENT_ACK, lambda ack: (ack.boot_id, ack.seq) == (BOOT, 2), charger="c1")
    record = await ear.hears(SESSION, lambda record: not record.active, session=f"{BOOT}-1")
    assert (record.charger, record.energy_wh, record.reason) == ("c1", 234, StopReason.EV_DISCONNECTED)
    assert [(each.session_id, each.energy_wh) for each in await sessions_of(ear, "c1")] == [(f"{BOOT}-1", 234)]


async def test_a_duplicate_is_acknowledged_again_and_counted_once(ear: Ear, start_agent: StartAgent) -> None:
    await start_agent("ledger")
    for _ in range(3):
        await ear.say(CHARGER_EVENT, started(1, 1000), charger="c1")
        await ear.say(CHARGER_EVENT, ended(2, 1000, 1234), charger="c1")
        await ear.hears(CHARGER_EVENT_ACK, lambda ack: ack.seq == 2, charger="c1")
        ear.forget()
    assert [(each.session_id, each.energy_wh) for each in await sessions_of(ear, "c1")] == [(f"{BOOT}-1", 234)]


async def test_what_is_missing_is_not_acknowledged_until_it_has_come(ear: Ear, start_agent: StartAgent) -> None:
    await start_agent("ledger")
    await ear.say(CHARGER_EVENT, ended(2, 1000, 1234), charger="c1")
    await ear.hears(SESSION, lambda record: not record.active, session=f"{BOOT}-1")
    assert [ack for ack in ear.all(CHARGER_EVENT_ACK, charger="c1") if ack.seq >= 2] == []
    await ear.say(CHARGER_EVENT, started(1, 1000), charger="c1")
    await ear.hears(CHARGER_EVENT_ACK, lambda ack: ack.seq == 2, charger="c1")


async def test_events_that_come_while_the_ledger_is_away_wait_at_the_broker(ear: Ear, start_agent: StartAgent) -> None:
    """A persistent session: the ledger is restarted for an upgrade, nobody has to send anything again."""
    ledger = await start_agent("ledger")
    await ledger.stop()
    for number in range(20):
        await ear.say(CHARGER_EVENT, started(2 * number + 1, 100 * number), charger="c1")
        await ear.say(CHARGER_EVENT, ended(2 * number + 2, 100 * number, 100 * number + 7), charger="c1")
    ear.forget()
    await ledger.start()
    await ear.hears(CHARGER_EVENT_ACK, lambda ack: ack.seq == 40, charger="c1")
    records = await sessions_of(ear, "c1")
    assert len(records) == 20
    assert {record.energy_wh for record in records} == {7}


async def test_a_broker_that_was_killed_is_found_again_and_nothing_is_counted_twice(
    ear: Ear, start_agent: StartAgent, broker: RunningBroker
) -> None:
    """What the broker had queued may be gone, as for the embedded one: whoever keeps the journal sends again."""
    ledger = await start_agent("ledger")
    await ear.say(CHARGER_EVENT, started(1, 1000), charger="c1")
    await ear.hears(CHARGER_EVENT_ACK, charger="c1")
    connections = ledger.connections
    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.restart)
    await ear.listening()
    await ledger.connected(connections + 1)
    ear.forget()
    await ear.say(CHARGER_EVENT, started(1, 1000), charger="c1")
    await ear.say(CHARGER_EVENT, ended(2, 1000, 1500), charger="c1")
    await ear.hears(CHARGER_EVENT_ACK, lambda ack: ack.seq == 2, charger="c1")
    assert [each.energy_wh for each in await sessions_of(ear, "c1")] == [500]


BAD = {
    "not JSON": (b"{", "malformed"),
    "not an object": (b"[]", "wrong_type"),
    "empty": (b"", "malformed"),
    "not UTF-8": (b'{"type":"\xff"}', "malformed"),
    "NaN": (CHARGER_EVENT.encode(started(1, 1)).replace(b'"energy_wh":1', b'"energy_wh":NaN'), "malformed"),
    "unknown type": (b'{"type":"party"}', "wrong_type"),
    "missing fields": (b'{"type":"session_started"}', "wrong_type"),
    "negative": (
        CHARGER_EVENT.encode(started(1, 1)).replace(b'"energy_wh":1', b'"energy_wh":-1'),
        "wrong_type",
    ),
    "a float register": (
        CHARGER_EVENT.encode(started(1, 1)).replace(b'"energy_wh":1', b'"energy_wh":1.5'),
        "wrong_type",
    ),
    "a megabyte": (b'{"type":"' + b"x" * 2**20 + b'"}', "too_large"),
    "just too large": (b" " * 4097, "too_large"),
}


@pytest.mark.parametrize("what", BAD)
async def test_bad_input_is_reported_where_it_can_be_seen_and_stops_nothing(
    what: str, broker: RunningBroker, start_agent: StartAgent
) -> None:
    payload, code = BAD[what]
    async with Ear(broker) as ear:  # its own: what is shouted here breaks the contract
        await start_agent("ledger")
        topic = CHARGER_EVENT.format(SITE, charger="c1")
        await ear.shout(topic, payload)
        report = await ear.hears(AGENT_REJECTED, agent="ledger")
        assert (report.topic, report.code, report.size_bytes) == (topic, code, len(payload))
        assert report.reason
        await ear.say(CHARGER_EVENT, started(1, 1000), charger="c1")
        await ear.hears(CHARGER_EVENT_ACK, lambda ack: ack.seq == 1, charger="c1")


async def test_a_flood_of_bad_input_is_reported_in_sums(broker: RunningBroker, start_agent: StartAgent) -> None:
    async with Ear(broker) as ear:
        ledger = await start_agent("ledger")
        for _ in range(300):
            await ear.shout(CHARGER_EVENT.format(SITE, charger="c1"), b"{", qos=0)
        assert ledger.host is not None
        counters = ledger.host.counters
        await eventually(lambda: counters.rejected >= 300, 20, "all are counted")
        await eventually(
            lambda: sum(report.count for report in ear.all(AGENT_REJECTED, agent="ledger")) >= 300, 10, "all reported"
        )
        assert len(ear.all(AGENT_REJECTED, agent="ledger")) < 30
