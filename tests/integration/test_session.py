"""A whole session, from the card to the ledger's record, with the firmware's app on virtual hardware."""

import asyncio

import pytest

from bus_schema.event import SessionRecord
from bus_schema.topics import CHARGER_EVENT, CHARGER_STATE, SESSION
from bus_schema.words import ChargerStatus, IdTokenType, StopReason
from tests.brokers import RunningBroker
from tests.integration.chargers import CARD, OTHER_CARD, quick_car
from tests.integration.conftest import StartAgent, StartCharger
from tests.integration.ear import Ear
from tests.integration.test_ledger_on_the_bus import sessions_of
from tests.waiting import eventually

pytestmark = pytest.mark.broker

LIST = {"policies": ["local_list"], "cards": [{"uid": CARD, "name": "Ada"}]}


async def ended(ear: Ear, charger: str) -> SessionRecord:
    return await ear.hears(SESSION, lambda record: record.charger == charger and not record.active, within_s=30)


async def ended_by_the_records(ear: Ear, charger: str) -> SessionRecord:
    """The same by asking the ledger: after an outage the ear may connect later than the ledger publishes."""
    async with asyncio.timeout(30):
        while True:
            over = [record for record in await sessions_of(ear, charger) if not record.active]
            if over:
                return over[-1]


def agrees(record: SessionRecord, car_wh: float) -> bool:
    """Whether the ledger's energy is the car's own to the watt-hour."""
    return abs(record.energy_wh - car_wh) <= 1


async def test_from_the_card_to_the_record_to_the_watt_hour(
    ear: Ear, start_agent: StartAgent, start_charger: StartCharger
) -> None:
    await start_agent("ledger")
    await start_agent("access", **LIST)
    charger = await start_charger("c1")
    car = charger.plug(quick_car(12))
    await ear.hears(CHARGER_STATE, lambda state: state.status is ChargerStatus.PREPARING, charger="c1")
    charger.tap(CARD)
    await ear.hears(CHARGER_STATE, lambda state: state.status is ChargerStatus.CHARGING, charger="c1")
    await charger.takes(car, 12)
    charger.unplug()
    record = await ended(ear, "c1")
    assert agrees(record, car.energy_wh), (record.energy_wh, car.energy_wh)
    assert record.reason is StopReason.EV_DISCONNECTED
    assert record.id_token is not None
    assert (record.id_token.type, record.id_token.value) == (IdTokenType.RFID, CARD)
    assert record.authorized_by == "access"
    assert len(await sessions_of(ear, "c1")) == 1


async def test_an_unknown_card_is_refused_with_a_reason_before_it(
    ear: Ear, start_agent: StartAgent, start_charger: StartCharger
) -> None:
    await start_agent("ledger")
    await start_agent("access", **LIST)
    charger = await start_charger("c1")
    car = charger.plug(quick_car())
    charger.tap(OTHER_CARD)
    assert "not known" in await charger.shows("refused")
    assert car.energy_wh == 0
    assert ear.all(SESSION) == []


async def test_charging_is_free_where_nobody_is_asked(
    ear: Ear, start_agent: StartAgent, start_charger: StartCharger
) -> None:
    await start_agent("ledger")
    await start_agent("access", policies=["free"])
    charger = await start_charger("c1")
    car = charger.plug(quick_car(6))
    await charger.takes(car, 6)
    charger.unplug()
    record = await ended(ear, "c1")
    assert agrees(record, car.energy_wh)
    assert record.id_token is not None
    assert record.id_token.type is IdTokenType.NO_AUTHORIZATION


async def test_a_ledger_that_restarts_in_the_middle_misses_nothing(
    ear: Ear, start_agent: StartAgent, start_charger: StartCharger
) -> None:
    ledger = await start_agent("ledger")
    await start_agent("access", policies=["free"])
    charger = await start_charger("c1")
    car = charger.plug(quick_car(15))
    await charger.takes(car, 3)
    await ledger.stop()
    await charger.takes(car, 15)
    charger.unplug()
    await eventually(lambda: any(event.type == "session_ended" for event in ear.all(CHARGER_EVENT, charger="c1")))
    await ledger.start()
    record = await ended(ear, "c1")
    assert agrees(record, car.energy_wh)
    assert len(await sessions_of(ear, "c1")) == 1


async def test_a_broker_that_is_killed_in_the_middle_stops_no_car_and_costs_no_event(
    ear: Ear, start_agent: StartAgent, start_charger: StartCharger, broker: RunningBroker
) -> None:
    ledger = await start_agent("ledger")
    await start_agent("access", policies=["free"])
    charger = await start_charger("c1")
    car = charger.plug(quick_car(20))
    await charger.takes(car, 3)
    await asyncio.to_thread(broker.kill)
    await charger.takes(car, 20)
    charger.unplug()
    await asyncio.to_thread(broker.restart)
    await ledger.connected(2)
    await ear.listening()
    record = await ended_by_the_records(ear, "c1")
    assert agrees(record, car.energy_wh)
    assert len(await sessions_of(ear, "c1")) == 1


async def test_a_charger_that_loses_power_ends_its_session_at_the_register_it_finds(
    ear: Ear, start_agent: StartAgent, start_charger: StartCharger
) -> None:
    await start_agent("ledger")
    await start_agent("access", **LIST)
    charger = await start_charger("c1")
    car = charger.plug(quick_car(60))
    charger.tap(CARD)
    await charger.takes(car, 6)
    await charger.power_off()
    taken_wh = car.energy_wh
    await charger.power_on()
    record = await ended(ear, "c1")
    assert record.reason is StopReason.POWER_LOSS
    assert agrees(record, taken_wh)


async def test_a_reconnect_storm_loses_and_doubles_nothing(
    ear: Ear, start_agent: StartAgent, start_charger: StartCharger, broker: RunningBroker
) -> None:
    """Eight chargers in the middle of sessions; the broker dies twice under them."""
    ledger = await start_agent("ledger")
    await start_agent("access", policies=["free"])
    chargers = [await start_charger(f"c{number}") for number in range(1, 9)]
    cars = {charger.id: charger.plug(quick_car(8 + number)) for number, charger in enumerate(chargers)}
    for charger in chargers:
        await charger.takes(cars[charger.id], 2)
    for times in (2, 3):
        await asyncio.to_thread(broker.kill)
        await asyncio.to_thread(broker.restart)
        await ledger.connected(times)
    # A record is not retained: whoever is to hear the end of a session must be there.
    await ear.listening()
    for charger in chargers:
        await charger.takes(cars[charger.id], cars[charger.id].battery_wh)
        charger.unplug()
    for charger in chargers:
        record = await ended(ear, charger.id)
        assert agrees(record, cars[charger.id].energy_wh), charger.id
        assert len(await sessions_of(ear, charger.id)) == 1
