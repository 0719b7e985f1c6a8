"""Smart charging end to end: a profile becomes a lease of source ``ocpp``."""

import pytest
from ocpp.v16 import call, datatypes
from sqlalchemy import update

from agents.ocpp_bridge.models import TransactionRow
from agents.runtime.ocpp import format_time
from tests.ocpp_bridge.stage import Lives, Stage


def profile(limit: float, purpose: str = "TxDefaultProfile", id: int = 1, unit: str = "A", **fields):
    periods = fields.pop("periods", [datatypes.ChargingSchedulePeriod(0, limit)])
    schedule = datatypes.ChargingSchedule(unit, periods, **fields.pop("schedule", {}))
    return datatypes.ChargingProfile(
        id, fields.pop("level", 0), purpose, fields.pop("kind", "Relative"), schedule, **fields
    )


async def install(stage: Stage, connector: int, given) -> str:
    return (await stage.steve.call(call.SetChargingProfile(connector, given))).status


def limits(charger) -> list[float]:
    return [command.current_a for command in charger.executed("set_limit")]


async def test_a_profile_becomes_a_lease_that_is_renewed_and_released():
    async with Stage() as stage:
        charger = await stage.charger()
        assert await install(stage, 0, profile(10.0)) == "Accepted"
        await stage.pass_time(1)
        (lease,) = charger.executed("set_limit")
        assert (lease.source, lease.current_a, lease.valid_for_s) == ("ocpp_bridge", 10.0, 300)
        assert "10 A: TxDefaultProfile 1 of the backend" in lease.reason
        await stage.pass_time(350)
        assert limits(charger) == [10.0] * 4
        before = len(charger.executed("release_limit"))
        assert (await stage.steve.call(call.ClearChargingProfile(id=1))).status == "Accepted"
        await stage.pass_time(200)
        assert len(charger.executed("release_limit")) == before + 1 and limits(charger) == [10.0] * 4
        assert (await stage.steve.call(call.ClearChargingProfile(id=1))).status == "Unknown"


async def test_a_lease_ends_with_the_period_that_it_stands_for():
    async with Stage() as stage:
        charger = await stage.charger()
        periods = [datatypes.ChargingSchedulePeriod(0, 16.0), datatypes.ChargingSchedulePeriod(60, 8.0)]
        begin = {"start_schedule": format_time(stage.clock.now_ms())}
        assert await install(stage, 0, profile(0, kind="Absolute", periods=periods, schedule=begin)) == "Accepted"
        await stage.pass_time(90)
        assert limits(charger)[0] == 16.0 and set(limits(charger)[1:]) == {8.0}
        assert charger.executed("set_limit")[0].valid_for_s <= 60


async def test_watts_are_shared_among_the_charger_s_phases():
    async with Stage() as stage:
        charger = await stage.charger()
        await install(stage, 0, profile(6900.0, unit="W"))
        await stage.pass_time(1)
        assert limits(charger) == [10.0]


async def test_a_tx_profile_needs_its_transaction_and_goes_with_it():
    async with Stage() as stage:
        stage.steve.tags["CARD"] = ("Accepted", None)
        charger = await stage.charger()
        assert await install(stage, 1, profile(7.0, "TxProfile")) == "Rejected"
        await charger.start()
        await stage.pass_time(2)
        assert await install(stage, 1, profile(7.0, "TxProfile", transaction_id=99)) == "Rejected"
        assert await install(stage, 1, profile(7.0, "TxProfile", transaction_id=1)) == "Accepted"
        await stage.pass_time(1)
        assert limits(charger)[-1] == 7.0
        released = len(charger.executed("release_limit"))
        await charger.end()
        await stage.pass_time(2)
        assert len(charger.executed("release_limit")) == released + 1


async def test_profiles_survive_a_restart(tmp_path):
    lives = Lives(tmp_path)
    async with lives.life(killed=True) as stage:
        charger = await stage.charger()
        await charger.start()
        await stage.pass_time(2)
        assert await install(stage, 1, profile(7.0, "TxProfile")) == "Accepted"
    async with lives.life() as again:
        await charger.boot()
        await again.pass_time(3)
        assert limits(charger)[-1] == 7.0
        with again.store.engine.begin() as connection:
            # Killed after the end was committed and before anything followed.
            connection.execute(update(TransactionRow).values(ended_ms=lives.clock.now_ms()))
    charger.session = None
    async with lives.life() as once_more:
        await charger.boot()
        await charger.start()
        before = len(limits(charger))
        await once_more.pass_time(200)
        assert limits(charger)[before:] == []


async def test_the_profile_of_a_remote_start_holds_from_the_first_moment(tmp_path):
    async with Stage() as stage:
        stage.steve.tags["APP"] = ("Accepted", None)
        charger = await stage.charger()
        start = call.RemoteStartTransaction("APP", 1, profile(9.0, "TxProfile"))
        assert (await stage.steve.call(start)).status == "Accepted"
        await charger.start("APP")
        await stage.pass_time(1)
        assert limits(charger)[0] == 9.0


@pytest.mark.parametrize(
    "bad",
    [
        profile(9.0, "TxDefaultProfile"),
        profile(9.0, "TxProfile", transaction_id=5),
        profile(9.0, "TxProfile", periods=[]),
    ],
)
async def test_a_remote_start_s_profile_must_be_a_tx_profile_without_transaction(bad):
    async with Stage() as stage:
        charger = await stage.charger()
        assert (await stage.steve.call(call.RemoteStartTransaction("APP", 1, bad))).status == "Rejected"
        assert charger.executed("authorize") == []


async def test_the_composite_schedule_is_the_resolver_s():
    async with Stage() as stage:
        charger = await stage.charger()
        await install(stage, 0, profile(10.0))
        answer = await stage.steve.call(call.GetCompositeSchedule(1, 3600, "W"))
        assert answer.status == "Accepted" and answer.connector_id == 1
        assert answer.charging_schedule.charging_schedule_period == [datatypes.ChargingSchedulePeriod(0, 6900.0)]
        assert (await stage.steve.call(call.GetCompositeSchedule(2, 3600))).status == "Rejected"
        assert charger.name == "c1"


async def test_a_charger_that_was_away_is_told_when_it_is_back():
    async with Stage() as stage:
        charger = await stage.charger()
        await charger.online(False)
        await install(stage, 0, profile(10.0))
        await stage.pass_time(20)
        assert limits(charger) == []
        await charger.boot()
        await stage.pass_time(2)
        assert limits(charger) == [10.0]


async def test_a_reboot_renews_the_lease():
    async with Stage() as stage:
        charger = await stage.charger()
        await install(stage, 0, profile(10.0))
        await stage.pass_time(2)
        await charger.reboot()
        await stage.pass_time(2)
        assert limits(charger) == [10.0, 10.0]
