"""`sessions` asks the ledger page by page and believes only its own answers."""

import json
from collections.abc import Iterator
from typing import Any

import paho.mqtt.client as paho
import pytest

from bus_schema.event import SessionRecord
from bus_schema.message import IdToken
from bus_schema.site_messages import SESSIONS_ON_A_PAGE, QueryAnswer, SessionsQuery, SettleQuery
from bus_schema.topics import AGENT_ANSWER, AGENT_QUERY
from bus_schema.words import IdTokenType, StopReason
from tests.brokers import RunningBroker
from tests.cli.conftest import Run
from tests.cli.scripted_charger import SITE, now_ms
from tests.waiting import eventually_sync

pytestmark = pytest.mark.broker


def record(number: int) -> SessionRecord:
    return SessionRecord(
        ts=now_ms(),
        session_id=f"0123456789ab-{number}",
        charger="c1",
        active=False,
        id_token=IdToken(type=IdTokenType.RFID, value="04A2"),
        authorized_by="access",
        started_ts=1_767_225_600_000,
        ended_ts=1_767_232_861_000,
        duration_s=7261,
        start_energy_wh=1000,
        end_energy_wh=1000 + number,
        energy_wh=number,
        reason=StopReason.LOCAL,
    )


class ScriptedLedger:
    """Answers questions from a list of sessions, six at a time."""

    def __init__(self, broker: RunningBroker, sessions: int) -> None:
        self.records = [record(number) for number in range(sessions, 0, -1)]
        self.asked: list[SessionsQuery] = []
        self.settled: list[SettleQuery] = []
        self.refuses = ""
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client.on_message = self._answer
        subscribed: list[Any] = []
        self._client.on_subscribe = lambda *_: subscribed.append(1)
        self._client.connect(broker.host, broker.port)
        self._client.subscribe(AGENT_QUERY.format(SITE, agent="ledger"), 1)
        self._client.loop_start()
        eventually_sync(lambda: subscribed)

    def _answer(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        query = AGENT_QUERY.decode(message.payload)
        begin, page, more = 0, [], False
        if isinstance(query, SettleQuery):
            self.settled.append(query)
            page = [each for each in self.records if each.session_id == query.session_id]
        else:
            self.asked.append(query)
            begin = int(query.cursor or 0)
            page = self.records[begin : begin + min(query.limit, SESSIONS_ON_A_PAGE)]
            more = begin + len(page) < len(self.records)
        topic = AGENT_ANSWER.format(SITE, agent="ledger", asker=query.source)
        stranger = QueryAnswer(ts=now_ms(), id="of-another", ok=True, sessions=[record(999)])
        answer = QueryAnswer(
            ts=now_ms(),
            id=query.id,
            ok=not self.refuses,
            reason=self.refuses,
            sessions=page,
            cursor=str(begin + len(page)) if more else None,
        )
        for one in (stranger, answer):
            self._client.publish(topic, AGENT_ANSWER.encode(one), 1)

    def end(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def ledger(broker: RunningBroker) -> Iterator[ScriptedLedger]:
    running = ScriptedLedger(broker, 14)
    yield running
    running.end()


def test_all_pages_in_order(chargebus: Run, ledger: ScriptedLedger) -> None:
    outcome = chargebus("sessions", "--json")
    assert outcome.code == 0
    assert [one["energy_wh"] for one in outcome.json] == list(range(14, 0, -1))
    assert [query.limit for query in ledger.asked] == [6, 6, 6]


def test_no_more_than_asked_for(chargebus: Run, ledger: ScriptedLedger) -> None:
    outcome = chargebus("sessions", "--limit", "8", "--charger", "c1", "--ended", "--json")
    assert len(outcome.json) == 8
    assert [query.limit for query in ledger.asked] == [6, 3]
    assert {(query.charger, query.active, query.source) for query in ledger.asked} == {("c1", False, "technician")}


def test_table_shows_energy_and_reason(chargebus: Run, ledger: ScriptedLedger) -> None:
    row = next(line for line in chargebus("sessions").out.splitlines() if line.startswith("0123456789ab-14"))
    for part in ("c1", "04A2", "access", "2:01:01", "0.014 kWh", "Local"):
        assert part in row


def test_a_refusal_is_told(chargebus: Run, ledger: ScriptedLedger) -> None:
    ledger.refuses = "the database is away"
    outcome = chargebus("sessions")
    assert outcome.code == 1
    assert "the ledger: the database is away" in outcome.err


def test_an_unknown_session(chargebus: Run, ledger: ScriptedLedger) -> None:
    ledger.records = []
    outcome = chargebus("sessions", "--session", "0123456789ab-99")
    assert outcome.code == 6
    assert json.loads(chargebus("sessions", "--json").out) == []


def test_what_will_never_come_is_settled(chargebus: Run, ledger: ScriptedLedger) -> None:
    outcome = chargebus("settle", "c1", "0123456789ab-14", "--because", "board replaced")
    assert outcome.code == 0, outcome.err
    assert outcome.out.strip() == "c1: session 0123456789ab-14 is closed with 0.014 kWh"
    [query] = ledger.settled
    assert (query.charger, query.session_id, query.because) == ("c1", "0123456789ab-14", "board replaced")
    assert chargebus("settle", "c1", "--because", "board replaced").out.strip() == (
        "c1: its missing events are no longer awaited"
    )
    assert ledger.settled[1].session_id is None


def test_settling_needs_a_reason_and_may_be_refused(chargebus: Run, ledger: ScriptedLedger) -> None:
    assert chargebus("settle", "c1").code == 2
    ledger.refuses = "no event of charger c1 is missing"
    outcome = chargebus("settle", "c1", "--because", "flash worn out")
    assert (outcome.code, outcome.err.strip()) == (1, "chargebus: the ledger: no event of charger c1 is missing")
