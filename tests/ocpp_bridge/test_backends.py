"""Several backends, connections that fail, and what an operator is told."""

import pytest
from ocpp.v16 import call

from agents.ocpp_bridge.reporting import REPEAT_ALARM_S
from agents.ocpp_bridge.settings import OcppBridgeSettings
from agents.runtime.ocpp import CallRefused
from bus_schema.words import Severity
from tests.ocpp_bridge.stage import Stage, StageClock
from tests.ocpp_bridge.steve import Steve


def two() -> tuple[Stage, Steve, Steve]:
    clock = StageClock()
    primary, listener = Steve(clock, "main"), Steve(clock, "billing")
    primary.tags["CARD"] = ("Accepted", None)
    return Stage(clock=clock, steves={"main": primary, "billing": listener}), primary, listener


async def test_both_hear_everything_and_number_for_themselves():
    stage, primary, listener = two()
    listener.transactions[1] = {"key": (), "start": None, "stop": object(), "values": []}
    async with stage:
        charger = await stage.charger()
        await charger.start()
        charger.energy_wh += 40
        await stage.pass_time(2)
        await charger.end()
        await stage.pass_time(2)
        assert primary.got("StopTransaction")[0]["transactionId"] == 1
        assert listener.got("StopTransaction")[0]["transactionId"] == 2
        assert primary.energies()[1] == listener.transactions[2]["stop"].meter_stop - 1000 == 40


async def test_only_the_primary_decides():
    stage, _primary, listener = two()
    async with stage:
        charger = await stage.charger()
        with pytest.raises(CallRefused, match="NotSupported"):
            await listener.call(call.RemoteStartTransaction("CARD", 1))
        with pytest.raises(CallRefused, match="NotSupported"):
            await listener.call(call.ChangeConfiguration("HeartbeatInterval", "1"))
        assert (await listener.call(call.GetConfiguration(["NumberOfConnectors"]))).configuration_key
        assert charger.executed("authorize") == []
        # The listener knows no card: its opinion of a running session counts for nothing.
        await charger.start()
        await stage.pass_time(3)
        assert charger.executed("stop") == []
        assert listener.got("Authorize") == []


async def test_a_listener_that_is_away_holds_up_nobody_and_loses_nothing():
    stage, primary, listener = two()
    async with stage:
        charger = await stage.charger()
        listener.up = False
        await listener.cut()
        for _ in range(3):
            await charger.start()
            charger.energy_wh += 10
            await charger.end()
        await stage.pass_time(5)
        assert len(primary.energies()) == 3 and listener.energies() == {}
        listener.up = True
        await stage.pass_time(90)
        assert list(listener.energies().values()) == [10, 10, 10]


async def test_every_refusal_is_tried_again_and_shown():
    async with Stage() as stage:
        stage.steve.refusal = "the backend does not know this charge point (404): add it there, or correct the url"
        await stage.charger()
        await stage.pass_time(300)
        assert len(stage.steve.targets) > 5
        assert "does not know this charge point (404)" in stage.host.problems()[0]
        stage.steve.refusal = None
        await stage.pass_time(120)
        assert stage.steve.actions()[0] == "BootNotification" and stage.host.problems() == []


async def test_delays_between_attempts_grow_and_stay_bounded():
    async with Stage(reconnect_max_s=30) as stage:
        stage.steve.up = False
        await stage.charger()
        await stage.pass_time(1200)
        assert 40 < len(stage.steve.targets) < 200


async def test_a_backend_that_is_away_for_long_is_an_alarm_that_clears():
    async with Stage() as stage:
        await stage.charger()
        stage.steve.up = False
        await stage.steve.cut()
        await stage.pass_time(200)
        assert stage.alarms() == {}
        await stage.pass_time(200)
        (alarm,) = stage.alarms().values()
        assert alarm.severity is Severity.WARNING and "no connection to backend steve" in alarm.text
        stage.steve.up = True
        await stage.pass_time(150)
        assert stage.alarms() == {}


async def test_an_acknowledged_but_discarded_stop_is_an_alarm():
    async with Stage() as stage:
        stage.steve.tags["CARD"] = ("Accepted", None)
        charger = await stage.charger()
        await charger.start()
        await stage.pass_time(2)
        stage.steve.ahead_ms = -3_600_000
        await stage.steve.call(call.TriggerMessage("Heartbeat"))
        await stage.pass_time(1)
        charger.energy_wh += 1234
        await charger.end()
        await stage.pass_time(31)
        assert len(stage.steve.discarded) == 1
        alarm = stage.alarms()["ocpp-discarded-c1-steve"]
        assert alarm.severity is Severity.CRITICAL and alarm.charger == "c1"
        assert "has probably not kept transaction 1" in alarm.text and "1234 Wh" in alarm.text
        assert "ahead of the backend's clock" in alarm.text


async def test_a_backend_s_clock_that_is_wrong_is_an_alarm_that_clears():
    async with Stage() as stage:
        stage.steve.interval = 60
        stage.steve.ahead_ms = -90_000
        await stage.charger()
        await stage.pass_time(31)
        (alarm,) = stage.alarms().values()
        assert "90 s behind" in alarm.text
        stage.steve.ahead_ms = 0
        await stage.pass_time(95)
        assert stage.alarms() == {}


async def test_a_standing_alarm_is_told_again_to_a_broker_that_has_lost_its_data():
    async with Stage() as stage:
        await stage.charger()
        stage.steve.up = False
        await stage.steve.cut()
        await stage.pass_time(400)
        assert len(stage.alarms()) == 1
        stage.sent.clear()
        await stage.pass_time(REPEAT_ALARM_S + 60)
        assert len(stage.alarms()) == 1


async def test_a_register_that_went_back_is_an_alarm_too():
    async with Stage() as stage:
        stage.steve.tags["CARD"] = ("Accepted", None)
        charger = await stage.charger()
        await charger.start()
        await stage.pass_time(2)
        charger.energy_wh = 5
        await charger.end()
        await stage.pass_time(31)
        assert len(stage.steve.discarded) == 1
        assert "is below that at the start" in next(iter(stage.alarms().values())).text


async def test_a_stop_is_never_told_as_before_its_start():
    async with Stage() as stage:
        stage.steve.tags["CARD"] = ("Accepted", None)
        charger = await stage.charger()
        await charger.start()
        await stage.pass_time(2)
        charger.energy_wh += 5
        await charger.end(ts=stage.clock.now_ms() - 62_000)
        await stage.pass_time(31)
        (start,), (stop,) = stage.steve.got("StartTransaction"), stage.steve.got("StopTransaction")
        assert stop["timestamp"] == start["timestamp"]
        assert stage.steve.discarded == [] and stage.alarms() == {}


async def test_a_good_day_raises_no_alarm():
    async with Stage() as stage:
        stage.steve.tags["CARD"] = ("Accepted", None)
        charger = await stage.charger()
        await charger.start()
        charger.energy_wh += 10
        await stage.pass_time(5)
        await charger.end()
        await stage.pass_time(65)
        assert stage.alarms() == {} and stage.steve.discarded == []


async def test_security_events_reach_the_primary_once():
    stage, primary, listener = two()
    async with stage:
        charger = await stage.charger()
        event = await charger.security("StartupOfTheDevice", "power on")
        await charger.event(event)
        await stage.pass_time(2)
        assert [each["type"] for each in primary.got("SecurityEventNotification")] == ["StartupOfTheDevice"]
        assert listener.got("SecurityEventNotification") == []


async def test_a_charger_of_no_backend_is_left_alone():
    backends = [{"name": "steve", "url": "ws://steve/x", "chargers": ["c9"]}]
    async with Stage(backends=backends) as stage:
        charger = await stage.charger()
        await charger.start()
        await charger.end()
        assert stage.steve.targets == [] and stage.bridge._charge_points == {}


async def test_where_and_as_whom_it_connects():
    backends = [{"name": "steve", "url": "ws://steve/ocpp/", "identity": "{site}*{charger}", "kind": "steve"}]
    async with Stage(backends=backends) as stage:
        await stage.charger()
        assert stage.steve.targets[0].url == "ws://steve/ocpp/garage%2Ac1"
        assert stage.steve.targets[0].subprotocol == "ocpp1.6"


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ({"name": "a", "url": "http://x/"}, "no WebSocket URL"),
        ({"name": "a", "url": "ws://u:p@x/"}, "put the password into a file"),
        ({"name": "a", "url": "ws://x/", "identity": "same"}, r"needs \{charger\}"),
    ],
)
def test_settings_that_cannot_work_are_refused(backend, words):
    with pytest.raises(ValueError, match=words):
        OcppBridgeSettings.model_validate({"backends": [backend]})


@pytest.mark.parametrize(
    ("first", "second", "good"),
    [
        ("all", "all", False),
        ("all", ["c1"], False),
        (["c1"], ["c1", "c2"], False),
        (["c1"], ["c2"], True),
    ],
)
def test_a_charger_has_one_primary(first, second, good):
    backends = [{"name": n, "url": "ws://x/", "chargers": c} for n, c in (("a", first), ("b", second))]
    if good:
        OcppBridgeSettings.model_validate({"backends": backends})
    else:
        with pytest.raises(ValueError, match="two primaries"):
            OcppBridgeSettings.model_validate({"backends": backends})
