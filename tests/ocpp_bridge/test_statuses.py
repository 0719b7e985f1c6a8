"""StatusNotification (OCPP 1.6, 4.9)."""

import json

import pytest

from agents.ocpp_bridge.v16.statuses import Status, Steady, statuses
from bus_schema.charger_messages import State
from bus_schema.topics import CHARGER_STATE
from bus_schema.words import OCPP_ERROR_CODE, ChargerStatus, CpState, Fault
from tests.firmware.app.fakes import Bench
from tests.ocpp_bridge.stage import Stage


def state(status: ChargerStatus, **fields) -> State:
    return State(
        ts=None,
        uptime_ms=1,
        boot_id="0123456789ab",
        **{
            "cp_state": CpState.C,
            "status": status,
            "contactor_closed": False,
            "offered_current_a": 0.0,
            "limited_by": "load_balancer",
            "limit_reason": "0 A: phase L2 of circuit garage is full",
            "energy_wh": 0,
            **fields,
        },
    )


@pytest.mark.parametrize("status", list(ChargerStatus))
@pytest.mark.parametrize("available", [True, False])
def test_connector_0_is_only_available_unavailable_or_faulted(status, available):
    whole, connector = statuses(state(status, available=available), False)
    assert whole.connector_id == 0 and whole.status in ("Available", "Unavailable", "Faulted")
    assert connector == Status(1, status.value, info=connector.info)


def test_suspended_evse_outranks_suspended_ev():
    """As the charger says it, and as the backend is told."""

    def told(bench: Bench) -> str:
        return statuses(CHARGER_STATE.decode(json.dumps(bench.of("state")[-1])), False)[1].status

    bench = Bench()
    bench.charge()
    assert told(bench) == "Charging"
    bench.cp("B")
    assert told(bench) == "SuspendedEV"
    bench.send("set_limit", current_a=0.0, valid_for_s=600)
    bench.run(1)
    assert told(bench) == "SuspendedEVSE", "the car does not want, and may not"
    bench.cp("C")
    assert told(bench) == "SuspendedEVSE"


def test_suspended_evse_says_why():
    _, connector = statuses(state(ChargerStatus.SUSPENDED_EVSE), False)
    assert connector.info == "0 A: phase L2 of circuit garage is full"


async def test_every_fault_has_its_error_code_and_our_own_word():
    async with Stage() as stage:
        charger = await stage.charger()
        for fault in Fault:
            before = len(stage.steve.got("StatusNotification"))
            await charger.fault(fault)
            await stage.pass_time(1)
            whole, connector = stage.steve.got("StatusNotification")[before:]
            assert whole["status"] == connector["status"] == "Faulted"
            assert connector["errorCode"] == OCPP_ERROR_CODE[fault]
            assert connector["vendorErrorCode"] == fault.value and connector["vendorId"] == "chargebus"


async def test_a_silent_meter_is_told_beside_the_status():
    async with Stage() as stage:
        charger = await stage.charger()
        await charger.fault(Fault.METER_SILENT)
        await charger.state(ChargerStatus.AVAILABLE)
        await stage.pass_time(1)
        told = [each for each in stage.steve.got("StatusNotification") if each["connectorId"] == 1][-1]
        assert (told["status"], told["errorCode"]) == ("Available", "PowerMeterFailure")


async def test_equal_states_are_told_once():
    async with Stage() as stage:
        charger = await stage.charger()
        for _ in range(5):
            await charger.state()
            await stage.pass_time(10)
        assert len(stage.steve.got("StatusNotification")) == 2


async def test_a_status_must_stand_for_minimum_status_duration():
    async with Stage(configuration={"MinimumStatusDuration": "10"}) as stage:
        charger = await stage.charger()
        for _ in range(5):
            await charger.state("SuspendedEV")
            await stage.pass_time(4)
            await charger.state("Charging")
            await stage.pass_time(4)
        assert len(stage.steve.got("StatusNotification")) == 2
        await stage.pass_time(8)
        told = stage.steve.got("StatusNotification")[2:]
        assert [each["status"] for each in told] == ["Charging"]


def test_a_fault_is_told_at_once():
    steady = Steady(told=Status(1, "Available"))
    steady.take(Status(1, "Faulted"), 1000)
    assert steady.due(3600, 1000) == Status(1, "Faulted")
    steady.take(Status(1, "Preparing"), 2000)
    assert steady.due(3600, 2000) is None


async def test_unavailable_persists_over_reboot_because_the_charger_keeps_it():
    async with Stage() as stage:
        charger = await stage.charger()
        await charger.state("Unavailable", available=False)
        await charger.reboot()
        await stage.pass_time(5)
        assert [each["status"] for each in stage.steve.got("StatusNotification")[-2:]] == ["Unavailable"] * 2


async def test_a_session_of_a_vanished_charger_is_not_reported_as_over():
    async with Stage() as stage:
        charger = await stage.charger()
        await charger.start()
        await charger.online(False)
        await stage.pass_time(120)
        told = {each["connectorId"]: each["status"] for each in stage.steve.got("StatusNotification")}
        assert told == {0: "Unavailable", 1: "Charging"}
