"""An event that cannot be read is kept, told of, and holds up none of those after it."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import func, select
from structlog.testing import capture_logs

from agents.ledger.agent import UNREADABLE, Ledger
from agents.ledger.models import LostRow, UnreadableRow
from agents.ledger.unreadable import LARGEST, number_of
from agents.runtime.host import RawMessage
from bus_schema.site_messages import SettleQuery
from bus_schema.topics import AGENT_QUERY, ALARM, CHARGER_EVENT, CHARGER_EVENT_ACK
from tests.ledger.events import BOOT, CARD, T0, ended, sampled, started
from tests.ledger.harness import SITE, Hosted

SURROGATE = b"\xed\xa0\x80"
"""What MicroPython took for UTF-8 (S4)."""


def spoilt(event: Any) -> bytes:
    """Return an event as a charger sends it that has taken a token with a raw surrogate."""
    return CHARGER_EVENT.encode(event).replace(CARD.value.encode(), CARD.value.encode() + SURROGATE)


def deliver(ledger: Hosted, payload: bytes, charger: str = "c1") -> None:
    topic = CHARGER_EVENT.format(SITE, charger=charger)
    ledger.host.deliver(RawMessage(topic, payload, 1, False, ledger._count))


async def kept(ledger: Hosted) -> list[tuple[Any, ...]]:
    rows = await ledger.store.run(
        lambda db: db.execute(select(UnreadableRow.boot_id, UnreadableRow.seq, UnreadableRow.payload)).all()
    )
    return [tuple(row) for row in rows]


async def test_one_event_that_cannot_be_read_does_not_stop_the_acknowledgements(store_url: str) -> None:
    async with Hosted(Ledger, store_url) as ledger:
        payload = spoilt(started(1, 1_000))
        with capture_logs() as logs:
            deliver(ledger, payload)
            await ledger.hear(CHARGER_EVENT, [sampled(2, 1_500), ended(3, 1_000, 1_700)], charger="c1")
        assert [ack.seq for _, ack in ledger.bus.take(CHARGER_EVENT_ACK)][-1] == 3
        assert await kept(ledger) == [(BOOT, 1, payload)]
        [alarm] = [alarm for ids, alarm in ledger.bus.take(ALARM) if ids["alarm"] == "ledger-unreadable-c1"]
        assert "event 1 that cannot be read" in alarm.text
        assert CARD.value not in json.dumps(logs, default=str) + alarm.text, "a card's number is nobody's business"
        assert (ledger.host.counters.rejected, ledger.acknowledged) == (1, 3)


async def test_it_comes_again_and_changes_nothing() -> None:
    async with Hosted(Ledger) as ledger:
        for _ in range(200):
            deliver(ledger, spoilt(started(1, 1_000)))
        await ledger.hear(CHARGER_EVENT, [sampled(2, 1_500)], charger="c1")
        assert [ack.seq for _, ack in ledger.bus.take(CHARGER_EVENT_ACK)][-1] == 2
        assert len(await kept(ledger)) == 1


async def test_a_gap_below_it_still_holds_the_acknowledgement_back() -> None:
    async with Hosted(Ledger) as ledger:
        deliver(ledger, spoilt(started(2, 1_000)))
        await ledger.hear(CHARGER_EVENT, [sampled(3, 1_500)], charger="c1")
        assert ledger.bus.take(CHARGER_EVENT_ACK) == []
        await ledger.hear(CHARGER_EVENT, [sampled(1, 900)], charger="c1")
        assert [ack.seq for _, ack in ledger.bus.take(CHARGER_EVENT_ACK)] == [3]


async def test_what_its_number_stands_for_is_not_counted_as_lost() -> None:
    async with Hosted(Ledger) as ledger:
        deliver(ledger, spoilt(started(2, 1_000)))
        await ledger.hear(CHARGER_EVENT, [sampled(4, 1_500, oldest=4)], charger="c1")
        assert await ledger.store.run(lambda db: db.scalar(select(LostRow.missing))) == 2, "1 and 3"


async def test_without_a_number_a_person_settles_the_gap() -> None:
    async with Hosted(Ledger) as ledger:
        deliver(ledger, b'{"type":"session_started","id_token":{"value":"04A2"}')
        await ledger.hear(CHARGER_EVENT, [sampled(2, 1_500)], charger="c1")
        assert ledger.bus.take(CHARGER_EVENT_ACK) == []
        assert len(await kept(ledger)) == 1
        query = SettleQuery(
            ts=T0, id="q", source="technician", deadline_ts=T0 + 9_000, charger="c1", because="cannot be read"
        )
        await ledger.hear(AGENT_QUERY, [query], agent="ledger")
        await ledger.hear(CHARGER_EVENT, [sampled(2, 1_500)], charger="c1")
        assert [ack.seq for _, ack in ledger.bus.take(CHARGER_EVENT_ACK)] == [2]


async def test_a_flood_of_rubbish_fills_no_database() -> None:
    async with Hosted(Ledger) as ledger:
        for number in range(300):
            deliver(ledger, b'{"boot_id":"%s","seq":%d,"rubbish":' % (BOOT.encode(), number + 1))
        deliver(ledger, b"x" * 10_000)
        await ledger.hear(CHARGER_EVENT, [started(1, 1_000)], charger="c2")
        rows = await ledger.store.run(lambda db: db.scalar(select(func.count()).select_from(UnreadableRow)))
        assert rows == UNREADABLE.burst
        await ledger.clock.advance(2)
        assert {alarm.charger for ids, alarm in ledger.bus.take(ALARM) if ids["alarm"] == "quota-ledger"} == {"c1"}


@given(st.binary(max_size=400))
def test_no_byte_string_breaks_the_search_for_a_number(payload: bytes) -> None:
    number = number_of(payload)
    assert number is None or 1 <= number.seq <= LARGEST


@given(st.data(), st.integers(1, LARGEST), st.integers(1, LARGEST))
def test_a_number_is_made_out_right_or_not_at_all(data: st.DataObject, seq: int, oldest: int) -> None:
    """Whatever happens to the rest of an event, its number is never taken for another one."""
    text = CHARGER_EVENT.encode(started(seq, 1_000, oldest=oldest, ts=T0))
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 8))
    payload = (
        text[:at]
        + data.draw(st.binary(max_size=8).filter(lambda b: not set(b) & set(b"0123456789")))
        + text[at + cut :]
    )
    whole = b'"seq":%d,' % seq
    number = number_of(payload)
    if number is not None and whole in payload:
        assert (number.boot_id, number.seq) == (BOOT, seq)


@example(b'{"boot_id":"0123456789ab","seq":1,"x":"\\"seq\\":7"}', 1)
@example(b'{"boot_id":"0123456789ab","seq":1,"seq":2}', None)
@example(b'{"boot_id":"0123456789ab","seq":1.5}', None)
@example(b'{"boot_id":"0123456789ab","seq":0}', None)
@example(b'{"boot_id":"0123456789ab","seq":99999999999999999}', None)
@example(b'{"boot_id":"0123456789AB","seq":1}', None)
@given(st.just(b""), st.none())
def test_numbers_that_are_none(payload: bytes, seq: int | None) -> None:
    number = number_of(payload)
    assert (None if number is None else number.seq) == seq


@pytest.mark.parametrize("seq", [1, 7, LARGEST])
def test_the_number_of_a_whole_event(seq: int) -> None:
    number = number_of(CHARGER_EVENT.encode(started(seq, 1_000, oldest=1, ts=T0)))
    assert number is not None
    assert (number.boot_id, number.seq, number.oldest_seq) == (BOOT, seq, 1)
