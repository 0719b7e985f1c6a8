"""A backend that says nonsense, is late, or breaks off, costs at most its connection: no session and no Wh."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import structlog
from ocpp.v16 import call, datatypes

from agents.ocpp_bridge import websocket_connector
from agents.ocpp_bridge.connecting import Target, Unreachable
from agents.ocpp_bridge.link import Link
from agents.ocpp_bridge.websocket_connector import WebSocketConnector
from agents.runtime.ocpp import CallRefused
from bus_schema.words import ReplyCode, ReplyStage, Verdict
from tests.ocpp.bad_frames import FRAMES, error_codes
from tests.ocpp.pipe import End, Peer, pipe
from tests.ocpp_bridge.authority import Authority
from tests.ocpp_bridge.stage import Charger, Stage, StageClock, settle
from tests.ocpp_bridge.test_websocket import now_ms, server_tls


async def a_session_goes_through(stage: Stage, charger: Charger, wh: int = 321) -> None:
    """Charge, and see one transaction more with these Wh."""
    stage.steve.tags["CARD"] = ("Accepted", None)
    before = len(stage.steve.energies())
    await charger.start()
    await stage.pass_time(2)
    charger.energy_wh += wh
    await charger.end()
    await stage.pass_time(3)
    assert list(stage.steve.energies().values())[before:] == [wh]


def line(stage: Stage) -> End:
    """The backend's end of the connection."""
    return stage.steve.lines["c1"][1]


# --- frames -----------------------------------------------------------------------------------------------------------


async def test_every_bad_frame_is_answered_or_ignored_and_nothing_else_happens():
    async with Stage() as stage:
        charger = await stage.charger()
        mine, commands = line(stage).other, list(charger.commands)
        for frame, code in FRAMES:
            count = len(mine.sent)
            mine.put(frame)
            await settle()
            assert error_codes(mine.sent[count:]) == ([] if code is None else [code]), frame[:80]
        assert mine.closed_with is None and charger.commands == commands
        assert (await stage.steve.call(call.GetLocalListVersion())).list_version == 0
        await a_session_goes_through(stage, charger)
        assert stage.steve.actions().count("BootNotification") == 1 and stage.host.problems() == []


async def test_a_call_that_comes_twice_is_executed_once():
    async with Stage() as stage:
        charger = await stage.charger()
        for _ in range(3):
            await line(stage).send('[2,"same","RemoteStartTransaction",{"idTag":"APP","connectorId":1}]')
            await stage.pass_time(1)
        assert len(charger.executed("authorize")) == 1
        answers = [text for text in line(stage).other.sent if '"same"' in text]
        assert answers == ['[3,"same",{"status":"Accepted"}]'] * 3


async def test_a_late_answer_to_a_start_changes_nothing_and_the_message_comes_again():
    async with Stage(call_timeout_s=5) as stage:
        charger = await stage.charger()
        stage.steve.tags["CARD"] = ("Accepted", None)
        stage.steve.silent.add("StartTransaction")
        await charger.start()
        sent: list[Any] = []
        while len(sent) < 2:
            await stage.pass_time(1)
            sent = [json.loads(text) for text in line(stage).other.sent if '"StartTransaction"' in text]
        late = {"transactionId": 4711, "idTagInfo": {"status": "Blocked"}}
        await line(stage).send(json.dumps([3, sent[0][1], late]))
        await stage.pass_time(1)
        assert charger.executed("stop") == []
        stage.steve.silent.clear()
        await stage.pass_time(70)
        charger.energy_wh += 55
        await charger.end()
        await stage.pass_time(3)
        assert stage.steve.energies() == {1: 55}
        assert [each["transactionId"] for each in stage.steve.got("StopTransaction")] == [1]


# --- answers of a wrong shape -----------------------------------------------------------------------------------------


class RawBackend:
    """A backend that a test writes by hand: ``answers`` gives the payload for an action."""

    def __init__(self, stage: Stage, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.heard: list[str] = []
        self.lines: list[Peer] = []
        self._tasks: set[asyncio.Task[None]] = set()
        stage.connect = self.connect  # type: ignore[method-assign]

    async def connect(self, _target: Target) -> End:
        mine, others = pipe()
        self.lines.append(Peer(others))
        task = asyncio.create_task(self._serve(self.lines[-1]))
        self._tasks.add(task)
        return mine

    async def _serve(self, peer: Peer) -> None:
        with contextlib.suppress(Exception):
            while True:
                kind, id, action, *_ = json.loads(await peer.end.receive())
                if kind == 2:
                    self.heard.append(action)
                    await peer.send([3, id, self.answers.get(action, {})])


GOOD_BOOT = {"status": "Accepted", "currentTime": "2026-01-01T00:00:00Z", "interval": 600}
TAG = {"idTagInfo": {"status": "Accepted"}}


@pytest.mark.parametrize(
    "boot",
    [
        {},
        [],
        None,
        "Accepted",
        {**GOOD_BOOT, "status": "Perhaps"},
        {**GOOD_BOOT, "status": None},
        {**GOOD_BOOT, "interval": "600"},
        {**GOOD_BOOT, "interval": -5},
        {**GOOD_BOOT, "interval": 10**30},
        {**GOOD_BOOT, "currentTime": 17},
        {**GOOD_BOOT, "currentTime": "yesterday"},
    ],
)
async def test_a_boot_answer_of_a_wrong_shape_delays_and_ends_nothing(boot):
    async with Stage() as stage:
        backend = RawBackend(stage, {"BootNotification": boot, "StartTransaction": {"transactionId": 1, **TAG}})
        charger = await stage.charger()
        await charger.start()
        await stage.pass_time(5)
        backend.answers["BootNotification"] = GOOD_BOOT
        await stage.pass_time(120)
        assert "StartTransaction" in backend.heard and len(backend.lines) == 1


@pytest.mark.parametrize(
    "start",
    [
        {},
        TAG,
        {"transactionId": None, **TAG},
        {"transactionId": "one", **TAG},
        {"transactionId": 1.5, **TAG},
        {"transactionId": 2**80, **TAG},
        {"transactionId": 1},
        {"transactionId": 1, "idTagInfo": "Accepted"},
        {"transactionId": 1, "idTagInfo": {"status": "Perhaps"}},
        [],
    ],
)
async def test_a_start_answer_of_a_wrong_shape_is_an_answered_failure_and_the_session_goes_on(start):
    async with Stage(configuration={"TransactionMessageRetryInterval": "5"}) as stage:
        backend = RawBackend(stage, {"BootNotification": GOOD_BOOT, "StartTransaction": start})
        charger = await stage.charger()
        await charger.start()
        await stage.pass_time(2)
        assert charger.executed("stop") == [] and backend.heard.count("StartTransaction") == 1
        backend.answers["StartTransaction"] = {"transactionId": 9, **TAG}
        await stage.pass_time(10)
        assert backend.heard.count("StartTransaction") == 2 and stage.point().active.transaction_id == 9
        assert len(backend.lines) == 1


@pytest.mark.parametrize("authorize", [{}, [], {"idTagInfo": {}}, {"idTagInfo": {"status": 1}}, {"idTagInfo": None}])
async def test_an_authorize_answer_of_a_wrong_shape_accepts_nobody(authorize):
    async with Stage() as stage:
        RawBackend(stage, {"BootNotification": GOOD_BOOT, "Authorize": authorize})
        await stage.charger()
        reply = await stage.ask_access("CARD")
        assert reply.verdict is Verdict.UNKNOWN


async def test_an_expiry_date_that_is_none_is_no_defect():
    async with Stage() as stage:
        info = {"status": "Accepted", "expiryDate": "the day after", "parentIdTag": "x" * 20}
        RawBackend(stage, {"BootNotification": GOOD_BOOT, "Authorize": {"idTagInfo": info}})
        await stage.charger()
        reply = await stage.ask_access("CARD")
        assert reply is not None and stage.host.problems() == []


# --- profiles that contradict themselves ------------------------------------------------------------------------------


def profile(**fields: Any) -> datatypes.ChargingProfile:
    schedule = fields.pop("schedule", None) or datatypes.ChargingSchedule(
        "A", fields.pop("periods", [datatypes.ChargingSchedulePeriod(0, 7.0)]), **fields.pop("of", {})
    )
    values = {"purpose": "TxDefaultProfile", "kind": "Relative", **fields}
    purpose, kind = values.pop("purpose"), values.pop("kind")
    return datatypes.ChargingProfile(1, values.pop("level", 0), purpose, kind, schedule, **values)


@pytest.mark.parametrize(
    ("connector", "bad"),
    [
        (1, profile(purpose="ChargePointMaxProfile")),
        (0, profile(purpose="TxProfile")),
        (1, profile(purpose="TxProfile")),
        (1, profile(purpose="TxProfile", transaction_id=99)),
        (1, profile(transaction_id=1)),
        (7, profile()),
        (1, profile(level=101)),
        (1, profile(periods=[])),
        (1, profile(periods=[datatypes.ChargingSchedulePeriod(60, 7.0)])),
        (1, profile(periods=[datatypes.ChargingSchedulePeriod(0, 7.0), datatypes.ChargingSchedulePeriod(0, 8.0)])),
        (1, profile(of={"duration": 0})),
        (1, profile(kind="Recurring")),
        (1, profile(kind="Recurring", recurrency_kind="Daily")),
        (1, profile(valid_from="2027-01-01T00:00:00Z", valid_to="2026-01-01T00:00:00Z")),
    ],
)
async def test_a_profile_that_contradicts_itself_limits_nothing(connector, bad):
    async with Stage() as stage:
        charger = await stage.charger()
        with contextlib.suppress(CallRefused):
            assert (await stage.steve.call(call.SetChargingProfile(connector, bad))).status == "Rejected"
        await stage.pass_time(3)
        assert charger.executed("set_limit") == [] and stage.host.problems() == []


# --- breaking off -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "action", ["BootNotification", "StatusNotification", "StartTransaction", "MeterValues", "StopTransaction"]
)
async def test_a_backend_that_breaks_off_after_any_message_gets_one_whole_transaction(action):
    async with Stage() as stage:
        stage.steve.cut_after = action
        stage.steve.tags["CARD"] = ("Accepted", None)
        charger = await stage.charger()
        await stage.pass_time(5)
        await charger.start()
        await stage.pass_time(55)
        charger.energy_wh += 77
        await charger.telemetry()
        await stage.pass_time(10)
        await charger.end()
        await stage.pass_time(65)
        assert stage.steve.cut_after is None, "it has broken off"
        assert stage.steve.energies() == {1: 77} and stage.steve.discarded == []


async def test_a_new_connection_is_made_only_when_the_old_one_is_closed():
    """SteVe takes several connections of a charge point and believes the last one."""
    async with Stage() as stage:
        await stage.charger()
        for _ in range(3):
            old = line(stage).other
            await stage.steve.call(call.ChangeConfiguration("WebSocketPingInterval", "45"))
            await stage.pass_time(5)
            assert old.closed_with is not None and line(stage).other is not old
        assert len(stage.steve.targets) == 4


@pytest.mark.parametrize("said", [None, (ReplyStage.ACCEPTED, ReplyCode.OK, "")], ids=["nothing", "accepted"])
async def test_every_call_is_answered_within_the_thirty_seconds_that_a_backend_waits(said):
    """Also when the charger says nothing at all, or accepts and never comes to an end."""
    calls = [
        call.ChangeAvailability(1, "Inoperative"),
        call.CancelReservation(1),
        call.RemoteStartTransaction("APP", 1),
        call.ReserveNow(1, "2026-01-02T00:00:00Z", "APP", 1),
        call.Reset("Soft"),
        call.SetChargingProfile(1, profile()),
        call.ClearChargingProfile(),
        call.TriggerMessage("MeterValues"),
        call.UnlockConnector(1),
        call.GetDiagnostics("ftp://x/y"),
        call.UpdateFirmware("https://x/y", "2026-01-01T00:00:00Z"),
    ]
    for each in calls:
        async with Stage() as stage:
            charger = await stage.charger()
            charger.answers = {op: lambda _command: said for op in _OPS}
            asked = asyncio.ensure_future(stage.steve.lines["c1"][0].call(each, timeout_s=1000))
            await stage.pass_time(29)
            assert asked.done(), type(each).__name__
            with contextlib.suppress(CallRefused):
                asked.result()


async def test_a_defect_in_one_connection_s_code_closes_it_before_the_next_is_made():
    clock, ends, order = StageClock(), [], []

    class Backend:
        async def connect(self, _target: Target) -> End:
            order.extend(end.closed_with for end in ends)
            ends.append(pipe()[0])
            return ends[-1]

    async def target() -> Target:
        return Target("ws://x/c1", "ocpp1.6")

    async def serve(_connection: Any) -> None:
        raise KeyError("a defect")

    link = Link(Backend(), target, serve, clock=clock, random=Random(1), log=structlog.get_logger(), max_delay_s=1)
    running = asyncio.create_task(link.run())
    await clock.advance(3)
    running.cancel()
    assert len(ends) >= 3 and set(order) == {1001}
    assert link.problem is not None and "a defect of the bridge (KeyError)" in link.problem


_OPS = (
    "authorize",
    "cancel_reservation",
    "get_log",
    "release_limit",
    "reserve",
    "reset",
    "set_availability",
    "set_limit",
    "trigger",
    "unlock",
    "update_firmware",
)


# --- the handshake ----------------------------------------------------------------------------------------------------

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _at_once(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    return


async def _after_the_request(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


def _after(text: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text)
        await writer.drain()

    return talk


async def _never(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


@pytest.mark.parametrize(
    "talk",
    [
        _at_once,
        _after_the_request,
        _after(b"HTTP/1."),
        _after(b"HTTP/1.1 101 Switching Protocols\r\nUpgr"),
        _after(UPGRADE + b"\r\n"),
        _after(UPGRADE + b"Sec-WebSocket-Accept: bm90IHlvdXJz\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"),
        _after(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
        _after(b"HTTP/1.1 302 Found\r\nLocation: http://\r\n\r\n"),
        _after(b"\x00" * 100_000),
        _after(b"HTTP/1.1 101 OK\r\n" + b"X: y\r\n" * 100_000),
        _never,
    ],
    ids=lambda talk: getattr(talk, "__name__", ""),
)
async def test_whatever_a_backend_does_in_the_handshake_is_unreachable_and_said(talk, monkeypatch):
    monkeypatch.setattr(websocket_connector, "OPEN_TIMEOUT_S", 0.5)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable) as raised:
            await asyncio.wait_for(WebSocketConnector().connect(Target(f"ws://127.0.0.1:{port}/c1", "ocpp1.6")), 10)
    assert str(raised.value)


async def test_a_backend_that_breaks_off_within_tls_or_speaks_none_is_unreachable(tmp_path: Path):
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    for answer in (hang_up, _plain):
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(Unreachable):
                await WebSocketConnector().connect(Target(f"wss://127.0.0.1:{port}/c1", "ocpp1.6"))


async def _plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()
    writer.close()


async def test_a_charge_point_without_the_certificate_that_is_asked_for_is_told_so(tmp_path: Path):
    authority = Authority(now_ms())
    context: ssl.SSLContext = server_tls(tmp_path, authority, client=True)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = await asyncio.start_server(_plain, "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}/c1"
        with pytest.raises(Unreachable, match=r"closed|TLS fails"):
            await WebSocketConnector().connect(Target(url, "ocpp1.6", ca_pem=(authority.root_pem,)))


async def test_nothing_is_left_running_when_it_ends_amid_all_that():
    async with Stage() as stage:
        RawBackend(stage, {})
        await stage.charger()
        await stage.pass_time(5)
    await settle()
