"""Transaction messages: a durable queue in order (OCPP 1.6, 3.7 and 4.6)."""

import itertools
import json

import pytest
from ocpp.v16 import call
from sqlalchemy import func, select

from agents.ocpp_bridge.models import OutboxRow, TransactionRow
from agents.ocpp_bridge.outbox import retry_wait_s
from bus_schema.topics import CHARGER_EVENT
from bus_schema.words import IdTokenType, StopReason
from tests.ocpp_bridge.stage import Lives, Stage

ORDERED = ("StartTransaction", "MeterValues", "StopTransaction")


def ordered(stage: Stage) -> list[str]:
    return [action for action in stage.steve.actions() if action in ORDERED]


def rows(stage: Stage, model: type = OutboxRow) -> int:
    with stage.store.engine.begin() as connection:
        return connection.scalar(select(func.count()).select_from(model)) or 0


async def charge(stage: Stage, charger, wh: int = 100, samples: int = 1) -> None:
    await charger.start()
    for _ in range(samples):
        await stage.pass_time(55)
        charger.energy_wh += wh // samples
        await charger.telemetry()
        await stage.pass_time(7)
    await charger.end()
    await stage.pass_time(1)


async def test_a_session_is_one_transaction_with_its_watt_hours():
    async with Stage() as stage:
        stage.steve.tags["CARD"] = ("Accepted", None)
        charger = await stage.charger()
        await charge(stage, charger)
        assert ordered(stage) == ["StartTransaction", "MeterValues", "StopTransaction"]
        assert stage.steve.energies() == {1: 100}
        start, stop = stage.steve.got("StartTransaction")[0], stage.steve.got("StopTransaction")[0]
        assert start["meterStart"] == 1000 and start["idTag"] == "CARD"
        assert stop["transactionId"] == 1 and stop["reason"] == "EVDisconnected"
        assert rows(stage) == 0


async def test_committed_before_the_bus_message_is_acknowledged():
    async with Stage() as stage:
        charger = await stage.charger()
        stage.steve.up = False
        await stage.steve.cut()
        before = stage.acknowledged
        seen = []
        count = stage._count

        def acknowledging() -> None:
            seen.append(rows(stage))
            count()

        stage._count = acknowledging
        await charger.start()
        assert stage.acknowledged > before and seen[0] == 1


async def test_not_acknowledged_while_the_database_is_away():
    from agents.runtime.database.store import StoreUnavailable

    async with Stage() as stage:
        charger = await stage.charger()
        run, before = stage.store.run, stage.acknowledged

        async def broken(_work):
            raise StoreUnavailable("disk full")

        stage.store.run = broken
        await charger.start()
        await stage.pass_time(5)
        lane = stage.host.router.queued_by_topic()[CHARGER_EVENT.name]
        assert lane == 1 and ordered(stage) == []
        stage.store.run = run
        await stage.pass_time(15)
        assert ordered(stage)[:1] == ["StartTransaction"] and stage.acknowledged > before


async def test_hours_offline_lose_nothing_and_keep_the_order():
    async with Stage() as stage:
        stage.steve.tags["CARD"] = ("Accepted", None)
        charger = await stage.charger()
        stage.steve.up = False
        await stage.steve.cut()
        for wh in (100, 200, 300):
            await charge(stage, charger, wh)
        await stage.pass_time(1800, 300)
        assert ordered(stage) == []
        stage.steve.up = True
        await stage.pass_time(120)
        assert ordered(stage) == ["StartTransaction", "MeterValues", "StopTransaction"] * 3
        assert stage.steve.energies() == {1: 100, 2: 200, 3: 300} and stage.steve.discarded == []


async def test_newer_transaction_messages_do_not_overtake_and_others_do():
    async with Stage() as stage:
        stage.steve.refusing["StartTransaction"] = 1
        charger = await stage.charger()
        await charger.start()
        await charger.end()
        await stage.pass_time(2)
        assert ordered(stage) == []
        assert [each["status"] for each in stage.steve.got("StatusNotification")[2:]] == ["Charging", "Available"]
        await stage.pass_time(60)
        assert ordered(stage)[0] == "StartTransaction"


def test_retry_n_waits_interval_times_transmissions():
    assert [retry_wait_s(60, n) for n in (1, 2, 3)] == [60, 120, 180]


async def test_a_refused_message_is_sent_again_after_interval_times_transmissions():
    async with Stage(configuration={"TransactionMessageAttempts": "4"}) as stage:
        stage.steve.refusing["StartTransaction"] = 3
        charger = await stage.charger()
        times = []
        began = stage.clock.now_ms()
        await charger.start()
        for _ in range(400):
            await stage.pass_time(1)
            while len(times) < len([a for a in stage.steve.actions() if a.endswith("StartTransaction")]):
                times.append(round((stage.clock.now_ms() - began) / 1000))
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert len(times) == 4
        assert [abs(gap - due) <= 2 for gap, due in zip(gaps, (60, 120, 180), strict=True)] == [True] * 3


async def test_given_up_only_after_so_many_answered_failures_and_then_minus_one():
    async with Stage(
        configuration={"TransactionMessageAttempts": "2", "TransactionMessageRetryInterval": "1"}
    ) as stage:
        stage.steve.refusing["StartTransaction"] = 99
        charger = await stage.charger()
        await charge(stage, charger)
        await stage.pass_time(10)
        assert stage.steve.actions().count("refused StartTransaction") == 2
        assert [each["transactionId"] for each in stage.steve.got("MeterValues")] == [-1]
        assert [each["transactionId"] for each in stage.steve.got("StopTransaction")] == [-1]
        await stage.pass_time(31)
        (alarm,) = stage.alarms().values()
        assert "refused StartTransaction for good" in alarm.text


async def test_never_delivered_is_no_failure():
    async with Stage(configuration={"TransactionMessageAttempts": "1"}, call_timeout_s=5) as stage:
        stage.steve.silent.add("StartTransaction")
        charger = await stage.charger()
        await charger.start()
        await stage.pass_time(100)
        for _ in range(5):
            await stage.steve.cut()
            await stage.pass_time(20)
        stage.steve.silent.clear()
        await stage.pass_time(70)
        assert ordered(stage)[0] == "StartTransaction" and rows(stage) == 0


async def test_a_message_whose_answer_is_lost_comes_again_byte_for_byte_and_makes_one_transaction():
    async with Stage() as stage:
        stage.steve.tags["CARD"] = ("Accepted", None)
        charger = await stage.charger()
        stage.steve.cut_after = "StartTransaction"
        await charger.start()
        await stage.pass_time(10)
        stage.steve.cut_after = "StopTransaction"
        charger.energy_wh += 77
        await charger.end()
        await stage.pass_time(10)
        starts, stops = stage.steve.got("StartTransaction"), stage.steve.got("StopTransaction")
        assert len(starts) == 2 and json.dumps(starts[0]) == json.dumps(starts[1])
        assert len(stops) == 2 and json.dumps(stops[0]) == json.dumps(stops[1])
        assert stage.steve.energies() == {1: 77} and stage.steve.discarded == []


async def test_an_event_that_comes_again_adds_nothing_even_long_after():
    async with Stage() as stage:
        stage.steve.tags["CARD"] = ("Accepted", None)
        charger = await stage.charger()
        start = await charger.start()
        charger.energy_wh += 50
        await stage.pass_time(2)
        end = await charger.end()
        await stage.pass_time(2)
        for _ in range(2):
            await charger.event(start)
            await charger.event(end)
        await stage.pass_time(600, 60)
        await charger.event(end)
        await stage.pass_time(2)
        assert ordered(stage).count("StartTransaction") == 1
        assert ordered(stage).count("StopTransaction") == 1


async def test_a_killed_bridge_goes_on_where_it_was(tmp_path):
    lives = Lives(tmp_path)
    async with lives.life(killed=True) as stage:
        charger = await stage.charger()
        await charger.start()
        await stage.pass_time(2)
        lives.steve.up = False
        await lives.steve.cut()
        charger.energy_wh += 500
        await charger.end()
    lives.steve.up = True
    async with lives.life() as again:
        await again.pass_time(20)
        assert lives.steve.energies() == {1: 500}
        assert ordered(again) == ["StartTransaction", "StopTransaction"]


async def test_a_killed_bridge_knows_its_transaction(tmp_path):
    lives = Lives(tmp_path)
    async with lives.life(killed=True) as stage:
        charger = await stage.charger()
        await charger.start()
        await stage.pass_time(2)
    async with lives.life() as again:
        await charger.boot()
        await again.pass_time(3)
        assert (await lives.steve.call(call.RemoteStopTransaction(99))).status == "Rejected"
        assert (await lives.steve.call(call.RemoteStopTransaction(1))).status == "Accepted"
        assert charger.executed("stop")[0].session_id == charger.session.session_id


async def test_the_queue_drains_at_a_bounded_rate():
    async with Stage(drain_per_s=2.0) as stage:
        charger = await stage.charger()
        stage.steve.up = False
        await stage.steve.cut()
        for _ in range(10):
            await charger.start()
            await charger.end()
        stage.steve.up = True
        counts = []
        for _ in range(90):
            await stage.pass_time(1)
            counts.append(len(ordered(stage)))
        assert counts[-1] == 20
        assert max(after - before for before, after in itertools.pairwise(counts)) <= 3


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (StopReason.ENERGY_CAP, "Other"),
        (StopReason.IDLE, "Other"),
        (StopReason.DE_AUTHORIZED, "DeAuthorized"),
        (StopReason.HARD_RESET, "HardReset"),
        (StopReason.LOCAL, "Local"),
    ],
)
async def test_why_it_ended_is_said_in_the_words_of_the_protocol(reason, word):
    async with Stage() as stage:
        charger = await stage.charger()
        await charger.start()
        await charger.end(reason)
        await stage.pass_time(2)
        assert stage.steve.got("StopTransaction")[0]["reason"] == word


async def test_tokens_become_id_tags():
    async with Stage(free_id_tag="nobody") as stage:
        charger = await stage.charger()
        for tag, kind in (
            ("A" * 20, IdTokenType.RFID),
            ("x" * 40, IdTokenType.PAYMENT),
            ("", IdTokenType.NO_AUTHORIZATION),
        ):
            await charger.start(tag, kind)
            await charger.end()
        await stage.pass_time(3)
        tags = [each["idTag"] for each in stage.steve.got("StartTransaction")]
        assert tags[0] == "A" * 20 and len(tags[1]) == 20 and tags[2] == "nobody"


async def test_a_session_that_only_the_ledger_has_is_repaired():
    from bus_schema import IdToken
    from bus_schema.event import SessionRecord
    from bus_schema.topics import SESSION

    async with Stage() as stage:
        stage.steve.tags["CARD"] = ("Accepted", None)
        charger = await stage.charger()
        record = SessionRecord(
            ts=stage.clock.now_ms(),
            session_id="lost-1",
            charger="c1",
            active=False,
            id_token=IdToken(type=IdTokenType.RFID, value="CARD"),
            authorized_by="access",
            started_ts=stage.clock.now_ms() - 60_000,
            ended_ts=stage.clock.now_ms() - 1000,
            start_energy_wh=10,
            end_energy_wh=25,
            energy_wh=15,
            reason=StopReason.LOCAL,
        )
        for _ in range(2):
            stage.put(SESSION, record, session="lost-1")
            await stage.pass_time(2)
        assert stage.steve.energies() == {1: 15}
        await charge(stage, charger)
        assert rows(stage, TransactionRow) == 2
