"""What a broker without memory has lost, the bridge asks the ledger for (invariant 4)."""

from typing import Any

from bus_schema import IdToken, parse_topic
from bus_schema.event import SessionRecord
from bus_schema.site_messages import QueryAnswer, SessionsQuery
from bus_schema.topics import AGENT_ANSWER, AGENT_QUERY
from bus_schema.words import IdTokenType, StopReason
from tests.ocpp_bridge.stage import Stage

MINUTE_MS = 60_000


class LedgerOf:
    """The ledger, as far as the bridge asks it: answers from a list of sessions, newest first."""

    def __init__(self, stage: Stage) -> None:
        self.sessions: list[SessionRecord] = []
        self.asked: list[SessionsQuery] = []
        self.per_page = 2
        self._stage, self._publish = stage, stage.publish
        stage.host._bus._transport = self  # type: ignore[attr-defined]

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        await self._publish(topic, payload, qos, retain)
        if parse_topic(topic).topic is AGENT_QUERY:
            question = AGENT_QUERY.decode(payload)
            assert isinstance(question, SessionsQuery) and question.source == "ocpp_bridge"
            self.asked.append(question)
            self._answer(question)

    def _answer(self, question: SessionsQuery) -> None:
        found = [
            each
            for each in self.sessions
            if question.session_id in (None, each.session_id) and (each.started_ts or 0) >= (question.since_ts or 0)
        ]
        begin = int(question.cursor or 0)
        page, left = found[begin : begin + self.per_page], len(found) > begin + self.per_page
        answer = QueryAnswer(
            ts=self._stage.clock.now_ms(),
            id=question.id,
            ok=True,
            sessions=page,
            cursor=str(begin + self.per_page) if left else None,
        )
        self._stage.put(AGENT_ANSWER, answer, agent="ledger", asker="ocpp_bridge")


def record(stage: Stage, name: str, **fields: Any) -> SessionRecord:
    now_ms = stage.clock.now_ms()
    values: dict[str, Any] = {
        "ts": now_ms,
        "session_id": name,
        "charger": "c1",
        "active": False,
        "id_token": IdToken(type=IdTokenType.RFID, value="CARD"),
        "authorized_by": "access",
        "started_ts": now_ms,
        "ended_ts": now_ms + 30_000,
        "start_energy_wh": 10,
        "end_energy_wh": 25,
        "energy_wh": 15,
        "reason": StopReason.LOCAL,
    }
    return SessionRecord(**{**values, **fields})


async def test_sessions_that_were_never_heard_of_become_transactions_once() -> None:
    async with Stage() as stage:
        stage.steve.tags["CARD"] = ("Accepted", None)
        ledger = LedgerOf(stage)
        await stage.charger()
        await stage.pass_time(1)
        began_ms = stage.clock.now_ms()
        ledger.sessions = [
            record(stage, f"lost-{n}", started_ts=began_ms + n, end_energy_wh=25 + n) for n in reversed(range(5))
        ]
        await stage.pass_time(130)
        assert sorted(wh or 0 for wh in stage.steve.energies().values()) == [15, 16, 17, 18, 19]


async def test_what_was_before_the_bridge_is_none_of_its_business() -> None:
    async with Stage() as stage:
        ledger = LedgerOf(stage)
        await stage.charger()
        ledger.sessions = [record(stage, "old", started_ts=stage.clock.now_ms() - 60 * MINUTE_MS)]
        await stage.pass_time(130)
        assert ledger.asked and stage.steve.transactions == {}


async def test_an_end_that_is_missing_is_asked_for() -> None:
    async with Stage() as stage:
        stage.steve.tags["CARD"] = ("Accepted", None)
        ledger = LedgerOf(stage)
        charger = await stage.charger()
        started = await charger.start()
        await stage.pass_time(70)
        assert all(question.session_id is None for question in ledger.asked)  # The charger says that it goes on.
        charger.session = None
        await charger.state("Available")
        # The moment of the end is not known: the charger's clock was unset.
        ledger.sessions = [
            record(
                stage,
                started.session_id,
                started_ts=0,
                ended_ts=None,
                start_energy_wh=started.energy_wh,
                end_energy_wh=started.energy_wh + 7,
                reason=StopReason.POWER_LOSS,
            )
        ]
        await stage.pass_time(70)
        assert stage.steve.energies() == {1: 7}
        assert stage.steve.got("StopTransaction")[0]["reason"] == "PowerLoss"


async def test_a_session_that_goes_on_is_started_and_ends_by_its_event() -> None:
    async with Stage() as stage:
        stage.steve.tags["CARD"] = ("Accepted", None)
        ledger = LedgerOf(stage)
        charger = await stage.charger()
        await stage.pass_time(1)
        ledger.sessions = [record(stage, "on-1", active=True, ended_ts=None, end_energy_wh=None, reason=None)]
        await stage.pass_time(70)
        assert stage.steve.energies() == {1: None}
        started = await charger.start(session_id="on-1")
        assert charger.session is not None
        charger.session = charger.session.model_copy(update={"session_id": "on-1", "start_energy_wh": 10})
        charger.energy_wh = 60
        await charger.end()
        await stage.pass_time(5)
        assert started.session_id == "on-1" and stage.steve.energies() == {1: 50}


async def test_a_ledger_that_is_silent_is_asked_again() -> None:
    async with Stage() as stage:
        stage.steve.tags["CARD"] = ("Accepted", None)
        await stage.charger()
        await stage.pass_time(1)
        lost = record(stage, "lost-1")
        await stage.pass_time(200)  # Nobody answers.
        ledger = LedgerOf(stage)
        ledger.sessions = [lost]
        await stage.pass_time(90)
        assert stage.steve.energies() == {1: 15}
