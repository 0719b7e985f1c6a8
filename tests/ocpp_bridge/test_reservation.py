"""Reservation (OCPP 1.6, 5.1 and 5.13)."""

import pytest
from ocpp.v16 import call

from agents.runtime.ocpp import CallRefused, format_time
from bus_schema.words import IdTokenType, ReplyCode, ReplyStage
from tests.ocpp_bridge.stage import Stage


def reserve(stage: Stage, connector: int = 1, expires_s: int = 600, id: int = 5, tag: str = "04AB"):
    return call.ReserveNow(connector, format_time(stage.clock.now_ms() + expires_s * 1000), tag, id, "FLEET")


async def test_the_charger_keeps_the_reservation():
    async with Stage() as stage:
        charger = await stage.charger()
        assert (await stage.steve.call(reserve(stage))).status == "Accepted"
        (command,) = charger.executed("reserve")
        assert (command.reservation_id, command.id_token.value, command.parent_id_token.value) == (5, "04AB", "FLEET")
        assert command.expires_ts == stage.clock.now_ms() + 600_000


async def test_the_remote_start_of_whoever_reserved_counts_as_its_card():
    async with Stage() as stage:
        charger = await stage.charger()
        await stage.steve.call(reserve(stage))
        await stage.steve.call(call.RemoteStartTransaction("04ab", 1))
        await stage.steve.call(call.RemoteStartTransaction("OTHER", 1))
        tokens = [(command.id_token.type, command.id_token.value) for command in charger.executed("authorize")]
        assert tokens == [(IdTokenType.RFID, "04AB"), (IdTokenType.BACKEND, "OTHER")]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ReplyCode.OCCUPIED, "Occupied"),
        (ReplyCode.RESERVED, "Occupied"),
        (ReplyCode.FAULTED, "Faulted"),
        (ReplyCode.UNAVAILABLE, "Unavailable"),
        (ReplyCode.HARDWARE, "Rejected"),
    ],
)
async def test_why_the_charger_refuses_is_said(code, status):
    async with Stage() as stage:
        charger = await stage.charger()
        charger.answers["reserve"] = (ReplyStage.REJECTED, code, "no")
        assert (await stage.steve.call(reserve(stage))).status == status


async def test_connector_0_the_past_and_the_absent_are_refused():
    async with Stage() as stage:
        charger = await stage.charger()
        assert (await stage.steve.call(reserve(stage, connector=0))).status == "Rejected"
        assert (await stage.steve.call(reserve(stage, connector=2))).status == "Rejected"
        assert (await stage.steve.call(reserve(stage, expires_s=-1))).status == "Rejected"
        assert (await stage.steve.call(reserve(stage, id=-1))).status == "Rejected"
        await charger.online(False)
        assert (await stage.steve.call(reserve(stage))).status == "Unavailable"
        assert charger.executed("reserve") == []


async def test_a_date_that_is_none_is_a_property_violation():
    async with Stage() as stage:
        await stage.charger()
        payload = '{"connectorId":1,"expiryDate":"tomorrow","idTag":"04AB","reservationId":5}'
        with pytest.raises(CallRefused, match="PropertyConstraintViolation"):
            await stage.steve.lines["c1"][0].call_encoded("ReserveNow", payload)


async def test_cancelling():
    async with Stage() as stage:
        charger = await stage.charger()
        assert (await stage.steve.call(call.CancelReservation(5))).status == "Accepted"
        charger.answers["cancel_reservation"] = (ReplyStage.REJECTED, ReplyCode.UNKNOWN_RESERVATION, "none")
        assert (await stage.steve.call(call.CancelReservation(5))).status == "Rejected"
        assert (await stage.steve.call(call.CancelReservation(-7))).status == "Rejected"


async def test_a_used_reservation_is_named_in_the_start():
    async with Stage() as stage:
        charger = await stage.charger()
        await charger.start("04AB", reservation_id=5)
        await stage.pass_time(1)
        assert stage.steve.got("StartTransaction")[0]["reservationId"] == 5
