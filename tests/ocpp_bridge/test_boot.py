"""BootNotification and registration (OCPP 1.6, 4.2)."""

import pytest
from ocpp.v16 import call

from agents.ocpp_bridge.v16.boot import OWN_RETRY_S, Answering, Registration, answered, unanswered
from agents.runtime.ocpp import CallTimeout
from tests.ocpp_bridge.stage import Stage


async def test_nothing_else_is_sent_until_accepted():
    async with Stage() as stage:
        stage.steve.registration, stage.steve.interval = "Pending", 30
        charger = await stage.charger()
        await charger.start()
        await stage.pass_time(28)
        assert stage.steve.actions() == ["BootNotification"]
        await stage.pass_time(2)
        assert stage.steve.actions() == ["BootNotification"] * 2
        stage.steve.registration = "Accepted"
        await stage.pass_time(30)
        assert stage.steve.actions()[2] == "BootNotification"
        assert set(stage.steve.actions()[3:]) == {"StatusNotification", "StartTransaction"}


async def test_pending_answers_calls_and_refuses_remote_start_and_stop():
    async with Stage() as stage:
        stage.steve.registration, stage.steve.interval = "Pending", 300
        charger = await stage.charger()
        answer = await stage.steve.call(call.GetConfiguration(["NumberOfConnectors"]))
        assert answer.configuration_key[0].value == "1"
        assert (await stage.steve.call(call.RemoteStartTransaction("CARD", 1))).status == "Rejected"
        assert (await stage.steve.call(call.RemoteStopTransaction(1))).status == "Rejected"
        assert charger.executed("authorize") == []


async def test_a_triggered_boot_notification_ends_the_wait_while_pending():
    async with Stage() as stage:
        stage.steve.registration, stage.steve.interval = "Pending", 3000
        await stage.charger()
        stage.steve.registration = "Accepted"
        assert (await stage.steve.call(call.TriggerMessage("BootNotification"))).status == "Accepted"
        await stage.pass_time(1)
        assert stage.steve.actions()[:2] == ["BootNotification"] * 2
        assert "StatusNotification" in stage.steve.actions()


async def test_rejected_is_silent_for_the_interval():
    async with Stage() as stage:
        stage.steve.registration, stage.steve.interval = "Rejected", 600
        charger = await stage.charger()
        asking = stage.steve.lines["c1"][0].call(call.GetLocalListVersion(), timeout_s=5)
        waiting = __import__("asyncio").ensure_future(asking)
        await charger.start()
        await stage.pass_time(590, 10)
        assert stage.steve.actions() == ["BootNotification"]
        with pytest.raises(CallTimeout):
            await waiting
        await stage.pass_time(20)
        assert stage.steve.actions() == ["BootNotification"] * 2


def test_an_interval_of_zero_leaves_it_to_us():
    assert answered("Rejected", 0, 1000).next_ms == 1000 + OWN_RETRY_S * 1000
    assert answered("Pending", 5, 1000).next_ms == 6000
    assert answered("Accepted", 0, 0).heartbeat_s > 0
    assert unanswered(Registration(), 1000).next_ms == 1000 + OWN_RETRY_S * 1000


def test_what_each_registration_answers():
    assert Registration("Rejected").answering("GetConfiguration") is Answering.SILENT
    assert Registration("Pending").answering("RemoteStartTransaction") is Answering.REFUSE
    assert Registration("Pending").answering("ChangeConfiguration") is Answering.ANSWER
    assert Registration("Accepted").answering("RemoteStopTransaction") is Answering.ANSWER


async def test_after_accepted_the_charge_point_and_all_connectors_are_told():
    async with Stage() as stage:
        await stage.charger()
        assert stage.steve.actions()[0] == "BootNotification"
        told = stage.steve.got("StatusNotification")
        assert [(each["connectorId"], each["status"]) for each in told] == [(0, "Available"), (1, "Available")]
        assert all(each["timestamp"].endswith("Z") for each in told)


async def test_who_boots_is_said():
    async with Stage() as stage:
        await stage.charger()
        (boot,) = stage.steve.got("BootNotification")
        assert boot == {
            "chargePointModel": "olimex-esp32-poe",
            "chargePointVendor": "chargebus",
            "chargePointSerialNumber": "c1",
            "firmwareVersion": "1.2.3",
        }


async def test_a_reconnected_websocket_is_no_reboot():
    async with Stage() as stage:
        await stage.charger()
        await stage.steve.cut()
        await stage.pass_time(5)
        assert len(stage.steve.targets) == 2
        assert stage.steve.actions().count("BootNotification") == 1
        assert stage.steve.actions().count("StatusNotification") == 2


async def test_what_changed_while_the_line_was_down_is_told_afterwards():
    async with Stage() as stage:
        charger = await stage.charger()
        stage.steve.up = False
        await stage.steve.cut()
        await charger.state("Preparing")
        await charger.state("Available")
        await charger.state("Preparing")
        stage.steve.up = True
        await stage.pass_time(60)
        assert [each["status"] for each in stage.steve.got("StatusNotification")[2:]] == ["Preparing"]


async def test_a_charger_that_reboots_boots_anew():
    async with Stage() as stage:
        charger = await stage.charger()
        await charger.reboot()
        await stage.pass_time(5)
        assert stage.steve.actions().count("BootNotification") == 2
        assert stage.steve.actions().count("StatusNotification") == 4


async def test_a_boot_notification_without_answer_is_sent_again():
    async with Stage() as stage:
        stage.steve.refusing["BootNotification"] = 1
        await stage.charger()
        assert stage.steve.actions() == ["refused BootNotification"]
        stage.steve.silent.add("BootNotification")
        await stage.pass_time(100, 5)
        stage.steve.silent.clear()
        await stage.pass_time(100, 5)
        assert stage.steve.actions()[:2] == ["refused BootNotification", "BootNotification"]


async def test_heartbeats_come_at_the_interval_of_the_backend():
    async with Stage() as stage:
        stage.steve.interval = 600
        await stage.charger()
        await stage.pass_time(590, 60)
        assert stage.steve.got("Heartbeat") == []
        await stage.pass_time(20)
        assert len(stage.steve.got("Heartbeat")) == 1


async def test_a_charger_that_is_not_on_the_bus_is_unavailable_after_a_while():
    async with Stage() as stage:
        charger = await stage.charger()
        await charger.online(False)
        await stage.pass_time(59)
        assert len(stage.steve.got("StatusNotification")) == 2
        await stage.pass_time(3)
        told = stage.steve.got("StatusNotification")[2:]
        assert [(each["connectorId"], each["status"], each["info"]) for each in told] == [
            (0, "Unavailable", "not on the bus"),
            (1, "Unavailable", "not on the bus"),
        ]
        await charger.boot()
        await stage.pass_time(2)
        assert stage.steve.got("StatusNotification")[-1]["status"] == "Available"
