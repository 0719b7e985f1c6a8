"""A station that says nonsense, is late, or breaks off costs its connection at most: no session, no other station."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from ocpp.v16 import call
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from agents.runtime.ocpp import ConnectionLost
from bus_schema import IdToken
from bus_schema.command import Authorize, SetLimit, Unlock
from bus_schema.words import IdTokenType, ReplyStage
from tests.csms.stage import ScriptedStation, Stage, turns
from tests.csms.test_server import BOOT, RealTime
from tests.csms.test_server import call as ask
from tests.ocpp.bad_frames import FRAMES, error_codes
from tests.ocpp.pipe import End, pipe

CARDS: dict[str, Any] = {"CARD1": {}}
TWO: dict[str, Any] = {"box": {}, "other": {}}


def agents_end(station: ScriptedStation) -> End:
    assert station._end is not None
    return station._end.other


async def a_session_goes_through(site: Stage, station: ScriptedStation, charger: str = "box-1") -> None:
    site.events(charger)
    begun = await station.begin(meter=1000)
    await station.end(begun.transaction_id, 1321)
    wh = [event.energy_wh for event in site.events(charger) if event.type in ("session_started", "session_ended")]
    assert wh == [1000, 1321]


# --- frames -----------------------------------------------------------------------------------------------------------


async def test_every_bad_frame_is_answered_or_ignored_and_nothing_else_happens() -> None:
    async with Stage(id_tags=CARDS, stations=TWO) as site:
        station, other = await site.station(), await site.station("other")
        theirs = agents_end(station)
        for frame, code in FRAMES:
            count = len(theirs.sent)
            theirs.put(frame)
            await turns(60)
            assert error_codes(theirs.sent[count:]) == ([] if code is None else [code]), frame[:80]
        assert theirs.closed_with is None and site.events() == []
        await a_session_goes_through(site, station)
        await a_session_goes_through(site, other, "other-1")


async def test_a_start_that_comes_twice_under_one_id_is_one_session() -> None:
    async with Stage(id_tags=CARDS) as site:
        station = await site.station()
        start = {"connectorId": 1, "idTag": "CARD1", "meterStart": 1000, "timestamp": "2026-01-01T00:00:00Z"}
        for _ in range(3):
            agents_end(station).put(json.dumps([2, "same", "StartTransaction", start]))
            await turns(200)
        answers = [json.loads(text) for text in agents_end(station).sent if '"same"' in text]
        assert len(answers) == 3 and answers[0][2]["transactionId"] == 1 and answers[1:] == answers[:1] * 2
        assert [event.type for event in site.events()] == ["session_started"]


NOW = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("StartTransaction", {"connectorId": 1, "idTag": "CARD1", "meterStart": "1000", "timestamp": NOW}),
        ("StartTransaction", {"connectorId": 1, "idTag": "CARD1", "meterStart": 1.5, "timestamp": NOW}),
        ("StartTransaction", {"connectorId": 1, "idTag": "CARD1", "meterStart": 2**80, "timestamp": NOW}),
        ("StartTransaction", {"connectorId": 1, "idTag": None, "meterStart": 1000, "timestamp": NOW}),
        ("StartTransaction", {"connectorId": "1", "idTag": "CARD1", "meterStart": 1000, "timestamp": NOW}),
        ("StartTransaction", {"connectorId": 1, "idTag": "x" * 21, "meterStart": 1000, "timestamp": NOW}),
        ("StopTransaction", {"transactionId": "1", "meterStop": 1, "timestamp": NOW}),
        ("StopTransaction", {"transactionId": 2**80, "meterStop": 1, "timestamp": NOW}),
        ("MeterValues", {"connectorId": 1, "meterValue": []}),
        ("MeterValues", {"connectorId": 1, "meterValue": {}}),
        ("MeterValues", {"connectorId": 1, "meterValue": [{"timestamp": NOW, "sampledValue": [{"value": 5}]}]}),
        ("MeterValues", {"connectorId": 1, "meterValue": [{"timestamp": NOW, "sampledValue": [{"value": "much"}]}]}),
        ("StatusNotification", {"connectorId": 1, "status": "Exploded", "errorCode": "NoError"}),
        ("StatusNotification", {"connectorId": -1, "status": "Available", "errorCode": "NoError"}),
        ("BootNotification", {"chargePointVendor": 1, "chargePointModel": "Box"}),
        ("Authorize", {"idTag": ["CARD1"]}),
    ],
)
async def test_a_call_of_a_wrong_type_begins_and_ends_nothing(action: str, payload: Any) -> None:
    async with Stage(id_tags=CARDS) as site:
        station = await site.station()
        theirs = agents_end(station)
        theirs.put(json.dumps([2, "bad", action, payload]))
        for _ in range(20):
            await turns(10)
        (answer,) = [json.loads(text) for text in theirs.sent if '"bad"' in text]
        assert answer[0] == 4 or action in ("MeterValues", "StatusNotification")
        assert site.events() == [] and theirs.closed_with is None
        await a_session_goes_through(site, station)


# --- answers of a wrong shape, and late ones --------------------------------------------------------------------------


class RawStation:
    """A station that answers what the test has written."""

    def __init__(self, site: Stage, answers: dict[str, Any]) -> None:
        self.site, self.answers = site, answers
        self.asked: list[tuple[str, str]] = []
        self._mine, self._theirs = pipe()
        self._tasks: list[asyncio.Task[None]] = []

    async def connect(self) -> "RawStation":
        self._tasks = [asyncio.create_task(self._serve()), asyncio.create_task(self._run())]
        await self.say([2, "boot", "BootNotification", BOOT])
        return self

    async def _serve(self) -> None:
        with contextlib.suppress(ConnectionLost):
            await self.site.agent.serve("box", self._theirs)

    async def _run(self) -> None:
        with contextlib.suppress(ConnectionLost):
            while True:
                message = json.loads(await self._mine.receive())
                if message[0] != 2:
                    continue
                self.asked.append((message[2], message[1]))
                answer = self.answers.get(message[2], {"status": "Accepted"})
                if answer is not None:
                    await self._mine.send(json.dumps([3, message[1], answer]))

    async def say(self, message: Any) -> None:
        await self._mine.send(json.dumps(message))
        for _ in range(20):
            await turns()


WRONG: list[Any] = [{}, [], "Accepted", {"status": 1}, {"status": None}, {"status": "Perhaps"}]


@pytest.mark.parametrize("wrong", WRONG)
async def test_an_answer_of_a_wrong_shape_is_no_consent(wrong: Any) -> None:
    async with Stage() as site:
        names = ("SetChargingProfile", "RemoteStartTransaction", "UnlockConnector")
        await RawStation(site, dict.fromkeys(names, wrong)).connect()
        card = IdToken(type=IdTokenType.RFID, value="CARD1")
        for command in (
            site.command(SetLimit, current_a=8.0, valid_for_s=60),
            site.command(Authorize, id_token=card),
            site.command(Unlock),
        ):
            answer = await site.send(command)
            # A limit that may be in force is neither done nor refused; it is sent again.
            stages = (ReplyStage.REJECTED, ReplyStage.FAILED) if command.op != "set_limit" else (ReplyStage.ACCEPTED,)
            assert answer.stage in stages and answer.reason, command.op
        state = site.state()
        assert state.waiting_for_car_s is None and state.offered_current_a != 8.0


async def test_an_answer_that_comes_late_changes_nothing() -> None:
    async with Stage() as site:
        station = await RawStation(site, {"UnlockConnector": None}).connect()
        site.put_command(site.command(Unlock, id="late", deadline_s=100))
        await turns(100)
        for _ in range(40):
            await site.clock.advance(1)
        first = [reply for reply in site.replies() if reply.id == "late"]
        assert first[-1].stage is ReplyStage.FAILED
        (id,) = [id for action, id in station.asked if action == "UnlockConnector"]
        await station.say([3, id, {"status": "Unlocked"}])
        assert [reply for reply in site.replies() if reply.id == "late"] == []
        assert [text for text in station._theirs.sent if f'"{id}"' in text][1:] == [], "no answer to an answer"


# --- breaking off, and too much ---------------------------------------------------------------------------------------


async def test_a_frame_of_ten_mebibytes_costs_one_connection() -> None:
    async with (
        RealTime(stations=TWO) as site,
        connect(site.url("other"), subprotocols=["ocpp1.6"]) as other,  # type: ignore[list-item]
    ):
        socket = await connect(site.url(), subprotocols=["ocpp1.6"])  # type: ignore[list-item]
        assert (await ask(socket, "BootNotification", BOOT))[2]["status"] == "Accepted"
        with contextlib.suppress(ConnectionClosed):
            await socket.send('[2,"big","DataTransfer",{"vendorId":"' + "x" * (10 * 1024 * 1024) + '"}]')
        await asyncio.wait_for(socket.wait_closed(), 10)
        # 1006 where the rest of the frame was still on its way.
        assert socket.close_code in (1009, 1006)
        assert (await ask(other, "BootNotification", BOOT))[2]["status"] == "Accepted"
        async with connect(site.url(), subprotocols=["ocpp1.6"]) as again:  # type: ignore[list-item]
            assert "currentTime" in (await ask(again, "Heartbeat", {}))[2]


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"GET",
        b"GET /ocpp/box HTTP/1.1\r\nHost: x\r\n",
        b"GET /ocpp/box HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"\x00" * 100_000,
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /ocpp/box HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
    ],
)
async def test_a_station_that_breaks_off_within_the_handshake_holds_up_nobody(begin: bytes) -> None:
    async with RealTime() as site:
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", site.agent.settings.port)
            with contextlib.suppress(ConnectionError):
                writer.write(begin)
                await writer.drain()
            writer.close()
            del reader
        async with connect(site.url(), subprotocols=["ocpp1.6"]) as socket:  # type: ignore[list-item]
            assert (await ask(socket, "BootNotification", BOOT))[2]["status"] == "Accepted"


@pytest.mark.parametrize("after", ["nothing", "boot", "status", "start", "stop"])
async def test_a_station_that_breaks_off_after_any_message_goes_on_where_it_was(after: str) -> None:
    async with Stage(id_tags=CARDS) as site:
        station = await site.station(boots=False)

        async def cut(now: str) -> ScriptedStation:
            if now != after:
                return station
            await station.cut()
            return await site.station(boots=False)

        station = await cut("nothing")
        await station.boot()
        station = await cut("boot")
        await station.status("Preparing")
        station = await cut("status")
        begun = await station.begin(meter=1000)
        station = await cut("start")
        await station.end(begun.transaction_id, 1321)
        station = await cut("stop")
        await station.tell(call.Heartbeat())
        wh = [event.energy_wh for event in site.events() if event.type in ("session_started", "session_ended")]
        assert wh == [1000, 1321]
