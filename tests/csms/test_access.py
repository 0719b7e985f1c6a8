"""A station asks whether a card may charge: the settings, who is awaited, or the bus."""

from typing import Any

from ocpp.v16 import call

from bus_schema.command import Authorize, Refuse, Stop
from bus_schema.message import IdToken
from bus_schema.words import IdTokenType, ReplyStage
from tests.csms.stage import TIMES, Stage, turns

CARD = IdToken(type=IdTokenType.RFID, value="04A2B3C4")
GROUP = IdToken(type=IdTokenType.RFID, value="FLEET")


async def presented(site: Stage, task: Any, charger: str = "box-1") -> Any:
    await turns(100)
    assert not task.done()
    return site.events(charger)[-1]


async def test_a_card_is_presented_on_the_bus_and_accepted() -> None:
    async with Stage() as site:
        station = await site.station()
        asking = station.say(call.Authorize(id_tag="04a2b3c4"))
        event = await presented(site, asking)
        assert (event.type, event.id_token) == ("card_presented", CARD)
        answer = await site.send(site.command(Authorize, "access", id_token=CARD, parent_id_token=GROUP))
        assert answer.stage is ReplyStage.DONE
        info = (await asking).id_tag_info
        assert (info.status, info.parent_id_tag) == ("Accepted", "FLEET")
        assert station.took("RemoteStartTransaction") == [], "the station starts by itself"
        begun = await station.begin("04a2b3c4")
        assert begun.id_tag_info.status == "Accepted"
        started = site.events()[-1]
        assert (started.id_token, started.authorized_by) == (CARD, "access")


async def test_a_refused_card_is_invalid() -> None:
    async with Stage() as site:
        station = await site.station()
        asking = station.say(call.Authorize(id_tag="04A2B3C4"))
        await presented(site, asking)
        other = IdToken(type=IdTokenType.RFID, value="FFFF")
        await site.send(site.command(Refuse, "access", id_token=other, reason="no"))
        assert not asking.done(), "another card's refusal"
        await site.send(site.command(Refuse, "access", id_token=CARD, reason="no"))
        assert (await asking).id_tag_info.status == "Invalid"


async def test_silence_is_a_refusal_in_time() -> None:
    async with Stage(answer_timeout_s=5) as site:
        station = await site.station()
        asking = station.say(call.Authorize(id_tag="04A2B3C4"))
        await presented(site, asking)
        await site.clock.advance(4.9)
        assert not asking.done()
        await site.clock.advance(0.2)
        assert (await asking).id_tag_info.status == "Invalid"


async def test_the_settings_decide_without_asking() -> None:
    async with Stage(id_tags={"card1": {"parent": "FLEET"}, "card2": {"status": "Blocked"}}) as site:
        station = await site.station()
        info = (await station.tell(call.Authorize(id_tag="CARD1"))).id_tag_info
        assert (info.status, info.parent_id_tag) == ("Accepted", "FLEET")
        assert (await station.tell(call.Authorize(id_tag="CARD2"))).id_tag_info.status == "Blocked"
        assert site.events() == []


async def test_a_start_without_asking_is_asked_about() -> None:
    async with Stage() as site:
        station = await site.station()
        request = call.StartTransaction(connector_id=1, id_tag="04A2B3C4", meter_start=10, timestamp=TIMES.format(0))
        starting = station.say(request)
        await presented(site, starting)
        await site.send(site.command(Authorize, "access", id_token=CARD))
        assert (await starting).id_tag_info.status == "Accepted"
        assert site.events()[-1].authorized_by == "access"


async def test_another_card_of_the_group_may_stop() -> None:
    async with Stage() as site:
        station = await site.station()
        await site.send(site.command(Authorize, "access", id_token=CARD, parent_id_token=GROUP))
        begun = await station.begin("04A2B3C4")
        asking = station.say(call.Authorize(id_tag="0511"))
        await presented(site, asking)
        session_id = site.agent._ports["box-1"].connector.state.session
        assert session_id is not None
        await site.send(site.command(Stop, "access", session_id=session_id.session_id))
        info = (await asking).id_tag_info
        assert (info.status, info.parent_id_tag) == ("Accepted", "FLEET")
        assert [request.transaction_id for request in station.took("RemoteStopTransaction")] == [begun.transaction_id]


async def test_the_card_is_asked_about_where_the_car_waits() -> None:
    async with Stage(stations={"box": {"connectors": 2}}) as site:
        station = await site.station()
        await station.status("Preparing", connector=2)
        asking = station.say(call.Authorize(id_tag="04A2B3C4"))
        event = await presented(site, asking, "box-2")
        assert event.type == "card_presented"
        await site.send(site.command(Authorize, "access", id_token=CARD), "box-2")
        assert (await asking).id_tag_info.status == "Accepted"


async def test_stand_alone_stations_charge_for_known_tags_only() -> None:
    async with Stage(stations={"box": {"on_bus": False}}, id_tags={"CARD1": {}}) as site:
        station = await site.station()
        assert (await station.tell(call.Authorize(id_tag="CARD1"))).id_tag_info.status == "Accepted"
        assert (await station.tell(call.Authorize(id_tag="STRANGER"))).id_tag_info.status == "Invalid"
