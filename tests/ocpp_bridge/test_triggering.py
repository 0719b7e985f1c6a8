"""Remote Trigger (OCPP 1.6, 5.17) and its extension."""

import pytest
from ocpp.v16 import call

from tests.ocpp_bridge.stage import Stage


@pytest.mark.parametrize(
    "message",
    [
        "BootNotification",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "StatusNotification",
    ],
)
async def test_what_is_triggered_is_sent(message):
    async with Stage() as stage:
        await stage.charger()
        before = len(stage.steve.got(message))
        assert (await stage.steve.call(call.TriggerMessage(message))).status == "Accepted"
        await stage.pass_time(1)
        assert len(stage.steve.got(message)) > before


@pytest.mark.parametrize(
    "message", ["BootNotification", "Heartbeat", "LogStatusNotification", "SignChargePointCertificate"]
)
async def test_extended_trigger(message):
    async with Stage() as stage:
        await stage.charger()
        action = {"SignChargePointCertificate": "SignCertificate"}.get(message, message)
        before = len(stage.steve.got(action))
        assert (await stage.steve.call(call.ExtendedTriggerMessage(message))).status == "Accepted"
        await stage.pass_time(1)
        assert len(stage.steve.got(action)) == before + 1


async def test_one_connector_or_all():
    async with Stage() as stage:
        await stage.charger()
        before = len(stage.steve.got("StatusNotification"))
        for connector in (0, 1, None):
            assert (await stage.steve.call(call.TriggerMessage("StatusNotification", connector))).status == "Accepted"
            await stage.pass_time(1)
        assert [each["connectorId"] for each in stage.steve.got("StatusNotification")[before:]] == [0, 1, 0, 1]
        assert (await stage.steve.call(call.TriggerMessage("StatusNotification", 2))).status == "Rejected"


async def test_idle_is_told_when_nothing_is_under_way():
    async with Stage() as stage:
        await stage.charger()
        for message in ("DiagnosticsStatusNotification", "FirmwareStatusNotification"):
            await stage.steve.call(call.TriggerMessage(message))
            await stage.pass_time(1)
            assert stage.steve.got(message) == [{"status": "Idle"}]
