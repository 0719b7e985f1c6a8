"""What a backend may ask of the Core profile (OCPP 1.6, chapter 5)."""

import pytest
from ocpp.v16 import call

from bus_schema.words import Fault, IdTokenType, ReplyCode, ReplyStage
from tests.ocpp_bridge.stage import Stage

REFUSED = (ReplyStage.REJECTED, ReplyCode.OCCUPIED, "somebody is using the charger")


async def test_a_remote_start_becomes_authorize():
    async with Stage(configuration={"ConnectionTimeOut": "45"}) as stage:
        charger = await stage.charger()
        assert (await stage.steve.call(call.RemoteStartTransaction("APP7", 1))).status == "Accepted"
        (command,) = charger.executed("authorize")
        assert (command.id_token.type, command.id_token.value) == (IdTokenType.BACKEND, "APP7")
        assert command.connection_timeout_s == 45 and command.source == "ocpp_bridge"
        assert stage.steve.got("Authorize") == []


async def test_a_remote_start_without_connector_means_the_only_one():
    async with Stage() as stage:
        charger = await stage.charger()
        assert (await stage.steve.call(call.RemoteStartTransaction("APP7"))).status == "Accepted"
        for connector in (0, 2):
            assert (await stage.steve.call(call.RemoteStartTransaction("APP7", connector))).status == "Rejected"
        assert len(charger.executed("authorize")) == 1


async def test_a_remote_start_that_the_charger_refuses_is_rejected():
    async with Stage() as stage:
        charger = await stage.charger()
        charger.answers["authorize"] = REFUSED
        assert (await stage.steve.call(call.RemoteStartTransaction("APP7", 1))).status == "Rejected"


async def test_a_remote_start_is_rejected_during_a_session_out_of_service_with_a_fault_and_offline():
    async with Stage() as stage:
        charger = await stage.charger()
        start = call.RemoteStartTransaction("APP7", 1)
        await charger.start()
        assert (await stage.steve.call(start)).status == "Rejected"
        await charger.end()
        await charger.state("Unavailable", available=False)
        assert (await stage.steve.call(start)).status == "Rejected"
        await charger.state("Available", available=True)
        await charger.fault(Fault.GROUND_LOST)
        assert (await stage.steve.call(start)).status == "Rejected"
        await charger.fault()
        await charger.online(False)
        assert (await stage.steve.call(start)).status == "Rejected"
        assert charger.executed("authorize") == []


async def test_with_authorize_remote_tx_requests_the_tag_is_authorized_first():
    async with Stage(configuration={"AuthorizeRemoteTxRequests": "true"}) as stage:
        stage.steve.tags["GOOD"] = ("Accepted", "FLEET")
        charger = await stage.charger()
        assert (await stage.steve.call(call.RemoteStartTransaction("BAD", 1))).status == "Accepted"
        await stage.pass_time(1)
        assert charger.executed("authorize") == []
        assert (await stage.steve.call(call.RemoteStartTransaction("GOOD", 1))).status == "Accepted"
        await stage.pass_time(1)
        (command,) = charger.executed("authorize")
        assert command.parent_id_token.value == "FLEET"
        assert [each["idTag"] for each in stage.steve.got("Authorize")] == ["BAD", "GOOD"]


async def test_a_remote_stop_ends_the_transaction_of_that_number_only():
    async with Stage() as stage:
        stage.steve.tags["CARD"] = ("Accepted", None)
        charger = await stage.charger()
        await charger.start()
        await stage.pass_time(2)
        for wrong in (0, 2, -1):
            assert (await stage.steve.call(call.RemoteStopTransaction(wrong))).status == "Rejected"
        assert (await stage.steve.call(call.RemoteStopTransaction(1))).status == "Accepted"
        (command,) = charger.executed("stop")
        assert command.session_id == charger.session.session_id and not command.de_authorized


@pytest.mark.parametrize("kind", ["Soft", "Hard"])
async def test_a_reset_is_accepted_and_then_done(kind):
    async with Stage() as stage:
        charger = await stage.charger()
        charger.answers["reset"] = (ReplyStage.ACCEPTED, ReplyCode.OK, "")
        assert (await stage.steve.call(call.Reset(kind))).status == "Accepted"
        await stage.pass_time(1)
        assert [command.kind for command in charger.executed("reset")] == [kind.lower()]
        await stage.pass_time(60)
        assert len(charger.executed("reset")) == 1


async def test_a_reset_without_answer_is_tried_reset_retries_times():
    async with Stage(configuration={"ResetRetries": "2"}) as stage:
        charger = await stage.charger()
        charger.answers["reset"] = lambda _command: None
        assert (await stage.steve.call(call.Reset("Hard"))).status == "Accepted"
        await stage.pass_time(120)
        assert len(charger.executed("reset")) == 3


async def test_a_reset_of_a_charger_that_is_away_is_rejected():
    async with Stage() as stage:
        charger = await stage.charger()
        await charger.online(False)
        assert (await stage.steve.call(call.Reset("Soft"))).status == "Rejected"


async def test_a_soft_reset_stops_the_transaction_first_and_a_hard_one_after_the_boot():
    async with Stage() as stage:
        stage.steve.tags["CARD"] = ("Accepted", None)
        charger = await stage.charger()
        await charger.start()
        await stage.pass_time(2)
        await charger.end("SoftReset")
        await stage.pass_time(1)
        await charger.reboot()
        await stage.pass_time(3)
        kinds = [action for action in stage.steve.actions() if action in ("BootNotification", "StopTransaction")]
        assert kinds == ["BootNotification", "StopTransaction", "BootNotification"]
        await charger.start()
        await stage.pass_time(2)
        session, charger.session = charger.session, None
        await charger.reboot()
        charger.session = session
        await charger.end("HardReset")
        await stage.pass_time(3)
        kinds = [action for action in stage.steve.actions() if action in ("BootNotification", "StopTransaction")]
        assert kinds[3:] == ["BootNotification", "StopTransaction"]
        assert [each["reason"] for each in stage.steve.got("StopTransaction")] == ["SoftReset", "HardReset"]


async def test_unlocking():
    async with Stage() as stage:
        charger = await stage.charger()
        assert (await stage.steve.call(call.UnlockConnector(1))).status == "Unlocked"
        for unknown in (0, 2):
            assert (await stage.steve.call(call.UnlockConnector(unknown))).status == "NotSupported"
        charger.answers["unlock"] = (ReplyStage.REJECTED, ReplyCode.NOT_SUPPORTED, "no lock")
        assert (await stage.steve.call(call.UnlockConnector(1))).status == "NotSupported"
        charger.answers["unlock"] = (ReplyStage.FAILED, ReplyCode.HARDWARE, "stuck")
        assert (await stage.steve.call(call.UnlockConnector(1))).status == "UnlockFailed"
        await charger.online(False)
        assert (await stage.steve.call(call.UnlockConnector(1))).status == "UnlockFailed"


async def test_availability():
    async with Stage() as stage:
        charger = await stage.charger()
        assert (await stage.steve.call(call.ChangeAvailability(0, "Inoperative"))).status == "Accepted"
        assert (await stage.steve.call(call.ChangeAvailability(1, "Operative"))).status == "Accepted"
        assert (await stage.steve.call(call.ChangeAvailability(2, "Operative"))).status == "Rejected"
        assert [command.available for command in charger.executed("set_availability")] == [False, True]
        await charger.start()
        assert (await stage.steve.call(call.ChangeAvailability(1, "Inoperative"))).status == "Scheduled"
        charger.answers["set_availability"] = (ReplyStage.REJECTED, ReplyCode.HARDWARE, "flash full")
        assert (await stage.steve.call(call.ChangeAvailability(1, "Operative"))).status == "Rejected"


async def test_data_transfer_of_a_vendor_is_not_understood():
    async with Stage() as stage:
        await stage.charger()
        assert (await stage.steve.call(call.DataTransfer("acme", data="x"))).status == "UnknownVendorId"
        assert (await stage.steve.call(call.DataTransfer("chargebus"))).status == "UnknownMessageId"


async def test_calls_that_do_not_wait_for_each_other_are_all_answered():
    import asyncio

    async with Stage() as stage:
        await stage.charger()
        dispatcher, end = stage.steve.lines["c1"]
        for n in range(20):
            await end.send(f'[2,"x{n}","GetLocalListVersion",{{}}]')
        await stage.pass_time(1)
        sent = [text for text in end.other.sent if text.startswith('[3,"x')]
        assert len(sent) == 20 and dispatcher.counts.malformed == 0
        await asyncio.sleep(0)


async def test_every_action_of_a_central_system_is_answered():
    from agents.runtime.ocpp.v16.dialect import FROM_CENTRAL_SYSTEM

    async with Stage() as stage:
        await stage.charger()
        handlers = stage.point().handlers(stage.point().sessions[0])
        assert set(handlers) == set(FROM_CENTRAL_SYSTEM)
