"""The ledger in its host: what it says on the bus, and when."""

from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from agents.ledger.agent import Ledger
from agents.ledger.alarms import alarm_name
from agents.ledger.models import EventRow
from agents.runtime.database.store import StoreUnavailable
from agents.runtime.host import RawMessage
from bus_schema import is_id
from bus_schema.charger_messages import ActiveSession, Meta, State
from bus_schema.event import EventAck
from bus_schema.site_messages import SessionsQuery
from bus_schema.topics import (
    AGENT_ANSWER,
    AGENT_QUERY,
    ALARM,
    CHARGER_EVENT,
    CHARGER_EVENT_ACK,
    CHARGER_META,
    CHARGER_STATE,
    SESSION,
)
from bus_schema.words import ChargerStatus, CpState, Phase, Severity
from tests.ledger.events import BOOT, LATER_BOOT, T0, card, ended, sampled, started
from tests.ledger.events import SESSION as SESSION_ID
from tests.ledger.harness import NOW_MS, Hosted, ManualClock, turns


def state(session_id: str | None, pending: int = 0) -> State:
    session = None
    if session_id is not None:
        session = ActiveSession(
            session_id=session_id, started_ts=T0, start_energy_wh=0, energy_wh=0, authorized_by="access"
        )
    return State(
        ts=T0,
        uptime_ms=1,
        boot_id=BOOT,
        cp_state=CpState.C,
        status=ChargerStatus.CHARGING if session_id else ChargerStatus.AVAILABLE,
        contactor_closed=False,
        offered_current_a=0.0,
        limited_by="hardware",
        limit_reason="",
        energy_wh=0,
        session=session,
        journal_pending=pending,
    )


async def rows(ledger: Hosted) -> int:
    return await ledger.store.run(lambda db: db.scalar(select(func.count()).select_from(EventRow)) or 0)


async def test_acknowledges_each_boot_once_and_publishes_each_session_once(store_url: str) -> None:
    async with Hosted(Ledger, store_url) as ledger:
        ledger.put(CHARGER_EVENT, card(1, boot=LATER_BOOT), charger="c2")
        await ledger.hear(CHARGER_EVENT, [started(1, 1000), sampled(2, 1500), ended(3, 1000, 1700)], charger="c1")
        acks = ledger.bus.take(CHARGER_EVENT_ACK)
        assert acks == [
            ({"charger": "c2"}, EventAck(ts=T0, boot_id=LATER_BOOT, seq=1)),
            ({"charger": "c1"}, EventAck(ts=T0, boot_id=BOOT, seq=3)),
        ]
        [(ids, record)] = ledger.bus.take(SESSION)
        assert (ids, record.energy_wh, record.active) == ({"session": SESSION_ID}, 700, False)
        assert ledger.acknowledged == 4


async def test_acknowledges_to_the_charger_only_what_is_committed() -> None:
    async with Hosted(Ledger) as ledger:
        committed_at_ack: list[int] = []
        publish = ledger.bus.publish

        async def watched(topic: str, payload: bytes, qos: int, retain: bool) -> None:
            if topic.endswith("/ack"):
                committed_at_ack.append(await rows(ledger))
            await publish(topic, payload, qos, retain)

        ledger.bus.publish = watched  # type: ignore[method-assign]
        await ledger.hear(CHARGER_EVENT, [started(1, 1000), sampled(2, 1500)], charger="c1")
        assert committed_at_ack == [2]


async def test_a_failing_store_acknowledges_nothing_and_is_tried_again() -> None:
    async with Hosted(Ledger) as ledger:
        run, fail = ledger.store.run, True

        async def unsteady(work: Any) -> Any:
            if fail:
                raise StoreUnavailable("the disk is full")
            return await run(work)

        ledger.store.run = unsteady  # type: ignore[method-assign]
        ledger.put(CHARGER_EVENT, started(1, 1000), charger="c1")
        await turns()
        assert (ledger.bus.take(CHARGER_EVENT_ACK), ledger.acknowledged) == ([], 0)
        assert any("the disk is full" in problem for problem in ledger.host.problems())
        fail = False
        await ledger.clock.advance(30)
        assert [ack.seq for _, ack in ledger.bus.take(CHARGER_EVENT_ACK)] == [1]
        assert ledger.acknowledged == 1


async def test_nothing_is_acknowledged_across_a_gap() -> None:
    async with Hosted(Ledger) as ledger:
        await ledger.hear(CHARGER_EVENT, [sampled(2, 1500)], charger="c1")
        assert ledger.bus.take(CHARGER_EVENT_ACK) == []
        await ledger.hear(CHARGER_EVENT, [started(1, 1000)], charger="c1")
        assert [ack.seq for _, ack in ledger.bus.take(CHARGER_EVENT_ACK)] == [2]


async def test_killed_between_commit_and_acknowledgement(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    first = Hosted(Ledger, url)
    await first.__aenter__()
    first.bus.down = True
    await first.hear(CHARGER_EVENT, [started(1, 1000), ended(2, 1000, 1700)], charger="c1")
    await first.kill()
    async with Hosted(Ledger, url) as second:
        await second.hear(CHARGER_EVENT, [started(1, 1000), ended(2, 1000, 1700)], charger="c1")
        assert [ack.seq for _, ack in second.bus.take(CHARGER_EVENT_ACK)] == [2]
        assert second.bus.take(SESSION) == [], "nothing has changed"
        await second.clock.advance(11)
        assert [record.energy_wh for _, record in second.bus.take(SESSION)] == [700]
        await second.clock.advance(60)
        assert second.bus.take(SESSION) == [], "published once"
        assert await rows(second) == 2


async def test_a_session_that_the_broker_did_not_take_is_published_later() -> None:
    async with Hosted(Ledger) as ledger:
        ledger.bus.down = True
        await ledger.hear(CHARGER_EVENT, [started(1, 1000)], charger="c1")
        await ledger.clock.advance(25)
        ledger.bus.down = False
        await ledger.clock.advance(11)
        assert [record.session_id for _, record in ledger.bus.take(SESSION)] == [SESSION_ID]
        await ledger.clock.advance(60)
        assert ledger.bus.take(SESSION) == []


async def test_a_gap_raises_an_alarm_that_its_end_clears() -> None:
    async with Hosted(Ledger, gap_alarm_after_s=120) as ledger:
        await ledger.hear(CHARGER_EVENT, [started(1, 1000), sampled(3, 1500)], charger="c1")
        await ledger.clock.advance(100)
        assert ledger.bus.take(ALARM) == []
        await ledger.clock.advance(60)
        [(ids, alarm)] = ledger.bus.take(ALARM)
        assert (ids, alarm.severity, alarm.charger) == ({"alarm": "ledger-gap-c1"}, Severity.WARNING, "c1")
        assert alarm.since_ts == T0
        assert "not event 2" in alarm.text
        assert "trigger" in alarm.remedy
        await ledger.clock.advance(60)
        assert ledger.bus.take(ALARM) == [], "told once"
        await ledger.hear(CHARGER_EVENT, [sampled(2, 1200)], charger="c1")
        await ledger.clock.advance(31)
        assert ledger.bus.take(ALARM) == [({"alarm": "ledger-gap-c1"}, None)]


async def test_an_alarm_survives_a_restart_and_a_forgetful_broker(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    clock = ManualClock()
    first = Hosted(Ledger, url, clock, gap_alarm_after_s=0)
    await first.__aenter__()
    await first.hear(CHARGER_EVENT, [sampled(2, 1500)], charger="c1")
    await clock.advance(31)
    assert len(first.bus.take(ALARM)) == 1
    await clock.advance(601)
    assert len(first.bus.take(ALARM)) == 1, "told again after ten minutes"
    await first.kill()
    async with Hosted(Ledger, url, clock, gap_alarm_after_s=0) as second:
        await second.hear(CHARGER_EVENT, [started(1, 1500)], charger="c1")
        await clock.advance(31)
        assert second.bus.take(ALARM) == [({"alarm": "ledger-gap-c1"}, None)]


async def test_lost_numbers_contradictions_and_registers_raise_alarms_at_once(store_url: str) -> None:
    async with Hosted(Ledger, store_url) as ledger:
        await ledger.hear(CHARGER_EVENT, [started(1, 1000), ended(2, 1000, 900)], charger="c1")
        await ledger.hear(CHARGER_EVENT, [started(1, 1000), ended(1, 1000, 900)], charger="c2")
        await ledger.hear(CHARGER_EVENT, [started(4, 1000, oldest=4)], charger="c3")
        alarms = {ids["alarm"]: alarm for ids, alarm in ledger.bus.take(ALARM)}
        assert set(alarms) == {"ledger-register-c1", "ledger-conflict-c2", "ledger-lost-c3"}
        assert "ends at 900 Wh, below its start at 1000 Wh" in alarms["ledger-register-c1"].text
        assert "event 1 of boot" in alarms["ledger-conflict-c2"].text
        assert "3 of them are not in" in alarms["ledger-lost-c3"].text
        assert all(alarm.remedy for alarm in alarms.values())
        records = {ids["session"]: record for ids, record in ledger.bus.take(SESSION)}
        assert records[SESSION_ID].charger in ("c1", "c2", "c3")


async def test_evidence_alarms_leave_by_themselves() -> None:
    async with Hosted(Ledger, evidence_alarm_days=1) as ledger:
        await ledger.hear(CHARGER_EVENT, [started(1, 1000), ended(2, 1000, 900)], charger="c1")
        ledger.bus.take(ALARM)
        ledger.clock._start_ms += 86_400_000  # a day without its 2,880 reviews
        await ledger.clock.advance(31)
        assert ledger.bus.take(ALARM) == [({"alarm": "ledger-register-c1"}, None)]


async def test_lost_numbers_that_turn_up_clear_the_alarm() -> None:
    async with Hosted(Ledger) as ledger:
        await ledger.hear(CHARGER_EVENT, [sampled(2, 1000, oldest=2)], charger="c1")
        assert len(ledger.bus.take(ALARM)) == 1
        await ledger.hear(CHARGER_EVENT, [started(1, 1000)], charger="c1")
        await ledger.clock.advance(31)
        assert ledger.bus.take(ALARM) == [({"alarm": "ledger-lost-c1"}, None)]


async def test_a_session_that_the_charger_denies_is_pointed_out(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    async with Hosted(Ledger, url) as ledger:
        await ledger.hear(CHARGER_EVENT, [started(1, 1000)], charger="c1")
    async with Hosted(Ledger, url, stuck_alarm_after_s=600) as ledger:
        await ledger.hear(CHARGER_STATE, [state(SESSION_ID), state(None)], charger="c1")
        await ledger.clock.advance(590)
        assert ledger.bus.take(ALARM) == []
        await ledger.clock.advance(40)
        [(ids, alarm)] = ledger.bus.take(ALARM)
        assert ids == {"alarm": "session-stuck-c1"}
        assert SESSION_ID in alarm.text
        await ledger.hear(CHARGER_EVENT, [ended(2, 1000, 1100)], charger="c1")
        await ledger.clock.advance(31)
        assert ledger.bus.take(ALARM) == [({"alarm": "session-stuck-c1"}, None)]


async def test_answers_a_question() -> None:
    async with Hosted(Ledger) as ledger:
        await ledger.hear(CHARGER_EVENT, [started(1, 1000)], charger="c1")
        question = SessionsQuery(ts=T0, id="q1", source="technician", deadline_ts=T0 + 1000)
        await ledger.hear(AGENT_QUERY, [question], agent="ledger")
        [(ids, answer)] = ledger.bus.take(AGENT_ANSWER)
        assert ids == {"agent": "ledger", "asker": "technician"}
        assert (answer.id, answer.ok, [s.session_id for s in answer.sessions]) == ("q1", True, [SESSION_ID])


async def test_answers_neither_others_questions_nor_late_ones() -> None:
    async with Hosted(Ledger) as ledger:
        late = SessionsQuery(ts=T0, id="q1", source="technician", deadline_ts=T0 - 1)
        await ledger.hear(AGENT_QUERY, [late], agent="ledger")
        await ledger.hear(AGENT_QUERY, [late.model_copy(update={"deadline_ts": T0 + 1})], agent="payment")
        assert ledger.bus.take(AGENT_ANSWER) == []


async def test_a_flood_of_bad_input_stops_nothing() -> None:
    async with Hosted(Ledger) as ledger:
        topic = CHARGER_EVENT.format("garage", charger="c1")
        for payload in (b"", b"{", b"[]", b"null", b"\xff" * 10, b"x" * 1_048_576, b'{"type":"session_started"}'):
            ledger.host.deliver(RawMessage(topic, payload, 1, False, lambda: None))
        await ledger.hear(CHARGER_EVENT, [started(1, 1000)], charger="c1")
        assert [ack.seq for _, ack in ledger.bus.take(CHARGER_EVENT_ACK)] == [1]
        assert ledger.host.counters.rejected == 7


def test_alarm_names_are_ids_and_differ() -> None:
    names = {alarm_name(kind, "c" * 31 + end) for kind in ("ledger-gap", "ledger-conflict") for end in "ab"}
    assert len(names) == 4
    assert all(is_id(name) for name in names)


async def test_a_chargers_certificate_that_ends_soon_is_told_until_it_is_renewed() -> None:
    day_ms = 86_400_000

    def meta(days: int | None) -> Meta:
        ends_ts = None if days is None else NOW_MS + days * day_ms
        return Meta(
            ts=T0,
            uptime_ms=1,
            boot_id=BOOT,
            hardware="x",
            firmware="1",
            schema_version="1.0",
            phases=3,
            phase_rotation=[Phase.L1, Phase.L2, Phase.L3],
            rated_current_a=32.0,
            fallback_current_a=6.0,
            certificate_ends_ts=ends_ts,
        )

    async with Hosted(Ledger) as ledger:
        await ledger.hear(CHARGER_META, [meta(31)], retained=True, charger="c1")
        await ledger.hear(CHARGER_META, [meta(None)], retained=True, charger="c2")
        await ledger.clock.advance(31)
        assert ledger.bus.take(ALARM) == []
        await ledger.hear(CHARGER_META, [meta(29)], charger="c1")
        await ledger.clock.advance(31)
        [(ids, alarm)] = ledger.bus.take(ALARM)
        assert (ids, alarm.severity, alarm.charger) == ({"alarm": "certificate-c1"}, Severity.WARNING, "c1")
        assert "The certificate of c1 ends on" in alarm.text
        assert "`chargebus renew-certificate c1`" in alarm.remedy
        await ledger.hear(CHARGER_META, [meta(900)], charger="c1")
        await ledger.clock.advance(31)
        assert ledger.bus.take(ALARM) == [({"alarm": "certificate-c1"}, None)]
