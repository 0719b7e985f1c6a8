"""The bridge on a real broker, with the firmware's own app as the charger and a backend on a real WebSocket."""

import asyncio
import socket

import pytest
from ocpp.v16 import call, datatypes

from agents.ocpp_bridge.outbox import depth
from bus_schema.topics import CHARGER_STATE, SESSION
from bus_schema.words import ChargerStatus
from tests.brokers import RunningBroker
from tests.integration.chargers import CARD, OTHER_CARD, quick_car
from tests.integration.conftest import StartAgent, StartCharger, ear, start_agent, start_charger
from tests.integration.ear import Ear
from tests.ocpp_bridge.served_steve import ServedSteve, served
from tests.waiting import eventually

__all__ = ["ear", "start_agent", "start_charger"]

pytestmark = pytest.mark.broker


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def backends(steve: ServedSteve) -> list[dict[str, str]]:
    return [{"name": "steve", "url": steve.url, "kind": "steve"}]


async def status_is(ear: Ear, status: ChargerStatus) -> None:
    await ear.hears(CHARGER_STATE, lambda state: state.status is status, charger="c1")


async def stopped(steve: ServedSteve) -> int:
    """Wait for the transaction's end; return its Wh."""
    await eventually(
        lambda: None not in steve.energies().values() and steve.energies(), 30, "the transaction has ended"
    )
    (wh,) = steve.energies().values()
    assert wh is not None
    return wh


async def test_a_backend_starts_limits_and_stops_a_charger(
    ear: Ear, start_agent: StartAgent, start_charger: StartCharger
) -> None:
    async with served() as steve:
        steve.tags["APP"] = ("Accepted", None)
        await start_agent("ledger")
        await start_agent("ocpp_bridge", backends=backends(steve))
        charger = await start_charger("c1")
        car = charger.plug(quick_car(1000))
        await eventually(lambda: steve.got("BootNotification"), 20, "the charge point has booted")
        await status_is(ear, ChargerStatus.PREPARING)
        assert (await steve.ask(call.RemoteStartTransaction("APP", 1))).status == "Accepted"
        await status_is(ear, ChargerStatus.CHARGING)
        await eventually(lambda: steve.transactions, 10, "the transaction has begun")
        schedule = datatypes.ChargingSchedule("A", [datatypes.ChargingSchedulePeriod(0, 7.0)])
        profile = datatypes.ChargingProfile(1, 0, "TxProfile", "Relative", schedule, transaction_id=1)
        assert (await steve.ask(call.SetChargingProfile(1, profile))).status == "Accepted"
        await ear.hears(
            CHARGER_STATE,
            lambda state: state.limited_by == "ocpp_bridge" and state.offered_current_a == 7.0,
            charger="c1",
        )
        await charger.takes(car, 5)
        assert (await steve.ask(call.RemoteStopTransaction(1))).status == "Accepted"
        wh = await stopped(steve)
        assert abs(wh - car.energy_wh) <= 1
        assert steve.got("StopTransaction")[0]["reason"] == "Remote"
        statuses = [each["status"] for each in steve.got("StatusNotification") if each["connectorId"] == 1]
        assert "Charging" in statuses and "Preparing" in statuses


async def test_a_card_goes_to_the_backend_and_charges(
    ear: Ear, start_agent: StartAgent, start_charger: StartCharger
) -> None:
    async with served() as steve:
        steve.tags[CARD] = ("Accepted", None)
        await start_agent("ledger")
        await start_agent("access", policies=["backend"])
        await start_agent("ocpp_bridge", backends=backends(steve))
        charger = await start_charger("c1")
        car = charger.plug(quick_car(6))
        await eventually(lambda: steve.got("StatusNotification"), 20, "the charge point has booted")
        charger.tap(OTHER_CARD)
        assert "not known" in await charger.shows("refused")
        charger.tap(CARD)
        await charger.takes(car, 6)
        charger.unplug()
        assert abs(await stopped(steve) - car.energy_wh) <= 1
        assert [each["idTag"] for each in steve.got("Authorize")] == [OTHER_CARD, CARD]
        assert steve.got("StartTransaction")[0]["idTag"] == CARD


async def test_a_card_that_the_backend_has_listed_charges_while_the_bus_is_dead(
    broker: RunningBroker, ear: Ear, start_agent: StartAgent, start_charger: StartCharger
) -> None:
    async with served() as steve:
        await start_agent("ledger")
        await start_agent("access", policies=["local_list", "backend"])
        await start_agent("ocpp_bridge", backends=backends(steve))
        charger = await start_charger("c1")
        await eventually(lambda: steve.got("StatusNotification"), 20, "the charge point has booted")
        listed = [datatypes.AuthorizationData(CARD, datatypes.IdTagInfo("Accepted"))]
        assert (await steve.ask(call.SendLocalList(9, "Full", listed))).status == "Accepted"
        app = charger.device.app
        assert app is not None
        await eventually(lambda: app.local_list.cards == 1, 30, "the charger has the list")
        assert (await steve.ask(call.GetLocalListVersion())).list_version == 9
        broker.kill()
        await eventually(lambda: not charger.connected, 30, "the charger has lost the bus")
        car = charger.plug(quick_car(6))
        charger.tap(OTHER_CARD)
        await charger.shows("waiting")
        charger.tap(CARD)
        await charger.takes(car, 6)
        charger.unplug()
        broker.restart()
        assert abs(await stopped(steve) - car.energy_wh) <= 1
        assert steve.got("StartTransaction")[0]["idTag"] == CARD
        assert CARD not in [each["idTag"] for each in steve.got("Authorize")], "nobody was asked"


async def test_a_reset_reboots_the_charger_and_is_told(
    ear: Ear, start_agent: StartAgent, start_charger: StartCharger
) -> None:
    async with served() as steve:
        await start_agent("ledger")
        await start_agent("ocpp_bridge", backends=backends(steve))
        await start_charger("c1")
        await eventually(lambda: len(steve.got("StatusNotification")) >= 2, 20, "the charge point has booted")
        assert (await steve.ask(call.Reset("Soft"))).status == "Accepted"
        await eventually(lambda: len(steve.got("BootNotification")) == 2, 30, "it has booted again")


async def test_the_embedded_backend_serves_the_bridge(
    ear: Ear, start_agent: StartAgent, start_charger: StartCharger
) -> None:
    port = free_port()
    await start_agent("ledger")
    await start_agent(
        "csms", port=port, stations={"c1": {"on_bus": False, "without_password": True}}, id_tags={CARD: {}}
    )
    await start_agent("access", policies=["backend"])
    backend = {"name": "own", "url": f"ws://127.0.0.1:{port}"}
    bridge = await start_agent("ocpp_bridge", backends=[backend], reconnect_max_s=1)
    charger = await start_charger("c1")
    car = charger.plug(quick_car(6))

    def served_by() -> bool:
        assert bridge.host is not None
        points = bridge.host.agent._charge_points
        return "c1" in points and points["c1"].primary.online

    await eventually(served_by, 20, "the charge point is accepted")
    charger.tap(CARD)
    await charger.takes(car, 6)
    charger.unplug()
    record = await ear.hears(SESSION, lambda record: not record.active, within_s=30)
    assert abs(record.energy_wh - car.energy_wh) <= 1

    async def outbox() -> dict[tuple[str, str], int]:
        assert bridge.host is not None
        return await bridge.host.agent.store.run(depth)

    for _ in range(100):
        if await outbox() == {}:
            break
        await asyncio.sleep(0.05)
    assert await outbox() == {}
