"""A station that tries all cards, begins transactions without end, or speaks without pause is slowed and named."""

import asyncio

import pytest
from ocpp.v16 import call

from agents.csms import pace
from agents.csms.pace import CARD_WAIT_S, CARDS, Pace
from agents.runtime.quota import Budget, Quotas
from bus_schema.command import Authorize
from bus_schema.message import IdToken
from bus_schema.topics import ALARM
from bus_schema.words import IdTokenType
from tests.csms.stage import TIMES, ScriptedStation, Stage, turns
from tests.csms.test_admission import PassingClock


async def tried(site: Stage, station: ScriptedStation, tag: str) -> str:
    asking = station.say(call.Authorize(id_tag=tag))
    while not asking.done():
        await site.clock.advance(1)
        await turns(20)
    return str((await asking).id_tag_info.status)


async def test_three_hundred_cards_are_noticed_slowed_and_named() -> None:
    async with Stage(id_tags={"GOOD": {}}, answer_timeout_s=1) as site:
        station = await site.station()
        site.bus.take(ALARM)
        began_s = site.clock.monotonic_s()
        for number in range(40):
            assert await tried(site, station, f"CARD{number}") == "Invalid"
        taken_s = site.clock.monotonic_s() - began_s
        asked = {event.seq for event in site.events() if event.type == "card_presented"}
        assert len(asked) <= CARDS.burst + CARDS.per_s * taken_s + 1 < 40
        assert taken_s > 20 * CARD_WAIT_S
        await site.clock.advance(2)
        alarms = [message for ids, message in site.bus.take(ALARM) if message is not None]
        assert alarms and "box was refused" in alarms[-1].text and "cards" in alarms[-1].text
        assert await tried(site, station, "GOOD") == "Accepted", "a driver with a known card is served at once"
        awaited = IdToken(type=IdTokenType.RFID, value="APP1")
        await site.send(site.command(Authorize, "access", id_token=awaited))
        assert (await station.begin("APP1")).id_tag_info.status == "Accepted"


async def test_cards_of_one_station_do_not_slow_another() -> None:
    async with Stage(stations={"box": {}, "other": {}}, answer_timeout_s=1) as site:
        station, other = await site.station(), await site.station("other")
        for number in range(15):
            await tried(site, station, f"CARD{number}")
        asking = other.say(call.Authorize(id_tag="CARD1"))
        await turns(100)
        assert [event.type for event in site.events("other-1")] == ["card_presented"]
        await site.clock.advance(2)
        assert (await asking).id_tag_info.status == "Invalid"


async def test_transactions_without_end_come_late_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "STARTS", Budget(burst=3, per_s=0.1))
    async with Stage(id_tags={"CARD1": {}}) as site:
        station = await site.station()
        began_s, numbers = site.clock.monotonic_s(), []
        for second in range(8):
            starting = asyncio.ensure_future(station.begin(at=TIMES.format(second)))
            while not starting.done():
                await turns(50)
                if not starting.done():
                    await site.clock.advance(1)
            numbers.append((await starting).transaction_id)
        assert len(set(numbers)) == 8
        assert site.clock.monotonic_s() - began_s >= 40


async def test_the_rate_of_calls_is_the_budget_in_the_long_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "CALLS", Budget(burst=5, per_s=2))
    clock, handled = PassingClock(), 0

    async def handle(_request: object) -> None:
        nonlocal handled
        handled += 1

    paced = Pace(Quotas(), clock).paced("box", {"Heartbeat": handle})["Heartbeat"]
    for _ in range(105):
        await paced(None)
    assert handled == 105 and 49 <= clock.elapsed_s <= 51
