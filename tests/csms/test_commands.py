"""Commands of the bus become calls to stations: answered, once, in time (invariant 7)."""

from pathlib import Path
from typing import Any

import pytest
from ocpp.v16 import call

from agents.csms import commands_kept
from agents.runtime.database.store import StoreUnavailable
from bus_schema.command import (
    Authorize,
    CancelReservation,
    Caps,
    GetLog,
    Identify,
    Reserve,
    Reset,
    SetAvailability,
    Stop,
    Trigger,
    Unlock,
    UpdateFirmware,
)
from bus_schema.message import IdToken
from bus_schema.topics import AGENT_REJECTED, CHARGER_COMMAND
from bus_schema.words import IdTokenType, ReplyCode, ReplyStage, StopReason
from tests.csms.stage import TIMES, Stage, turns

CARDS: dict[str, Any] = {"CARD1": {}}
PAYER = IdToken(type=IdTokenType.PAYMENT, value="a-payment-of-more-than-twenty-characters")


async def test_authorize_starts_remotely_and_the_session_is_its_senders() -> None:
    async with Stage() as site:
        station = await site.station()
        answer = await site.send(site.command(Authorize, "payment", id_token=PAYER, caps=Caps(energy_wh=500)))
        assert answer.stage is ReplyStage.DONE
        assert site.state().waiting_for_car_s == 60
        remote = station.took("RemoteStartTransaction")[0]
        assert (remote.connector_id, len(remote.id_tag)) == (1, 20)
        begun = await station.begin(remote.id_tag.upper())
        assert begun.id_tag_info.status == "Accepted"
        event = site.events()[0]
        assert (event.id_token, event.authorized_by) == (PAYER, "payment")
        await station.meter(1499, begun.transaction_id)
        await site.clock.advance(2)
        assert station.took("RemoteStopTransaction") == []
        await station.meter(1500, begun.transaction_id)
        await site.clock.advance(2)
        assert [request.transaction_id for request in station.took("RemoteStopTransaction")] == [1]
        await station.end(begun.transaction_id, 1510, reason="Remote")
        assert site.events()[-1].reason is StopReason.ENERGY_CAP


async def test_a_time_cap_ends_the_session() -> None:
    async with Stage() as site:
        station = await site.station()
        await site.send(site.command(Authorize, "payment", id_token=PAYER, caps=Caps(duration_min=1)))
        begun = await station.begin(station.took("RemoteStartTransaction")[0].id_tag)
        await site.clock.advance(58)
        assert station.took("RemoteStopTransaction") == []
        await site.clock.advance(4)
        assert len(station.took("RemoteStopTransaction")) == 1
        await station.end(begun.transaction_id, 1510, reason="Remote")
        assert site.events()[-1].reason is StopReason.TIME_CAP


async def test_an_authorization_survives_kill_9_before_the_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/csms.sqlite3"
    site = Stage(url)
    await site.__aenter__()
    station = await site.station()
    await site.send(site.command(Authorize, "payment", id_token=PAYER))
    tag = station.took("RemoteStartTransaction")[0].id_tag
    await site.kill()
    async with Stage(url, site.clock) as site:
        station = await site.station(boots=False)
        begun = await station.begin(tag)
        assert begun.id_tag_info.status == "Accepted"
        assert site.events()[0].id_token == PAYER


async def test_an_authorization_ends_after_its_time() -> None:
    async with Stage() as site:
        station = await site.station()
        await site.send(site.command(Authorize, "payment", id_token=PAYER, connection_timeout_s=5))
        site.state()
        await site.clock.advance(10)
        assert site.state().waiting_for_car_s is None
        starting = station.say(
            call.StartTransaction(
                connector_id=1,
                id_tag=station.took("RemoteStartTransaction")[0].id_tag,
                meter_start=1,
                timestamp=TIMES.format(10),
            )
        )
        await turns(50)
        await site.clock.advance(9)
        assert (await starting).id_tag_info.status == "Invalid"


async def test_stop_and_its_refusals() -> None:
    async with Stage(id_tags=CARDS) as site:
        station = await site.station()
        assert (await site.send(site.command(Stop))).code is ReplyCode.NO_SESSION
        begun = await station.begin()
        assert (await site.send(site.command(Stop, session_id="another-1"))).code is ReplyCode.OTHER_SESSION
        session_id = site.state().session.session_id
        assert (await site.send(site.command(Stop, session_id=session_id, reason="closing"))).stage is ReplyStage.DONE
        assert station.took("RemoteStopTransaction")[0].transaction_id == begun.transaction_id
        await station.end(begun.transaction_id, 1100, reason="Remote")
        event = site.events()[-1]
        assert (event.reason, event.detail) == (StopReason.REMOTE, "stopped by technician: closing")
        assert (await site.send(site.command(Authorize, id_token=PAYER))).stage is ReplyStage.DONE
        assert (await site.send(site.command(Stop))).reason == "nobody is awaited any more"


async def test_authorize_is_refused_where_nothing_could_begin() -> None:
    async with Stage(id_tags=CARDS) as site:
        station = await site.station()
        station.answers["RemoteStartTransaction"] = "Rejected"
        answer = await site.send(site.command(Authorize, id_token=PAYER))
        assert (answer.stage, answer.reason) == (ReplyStage.REJECTED, "the station refused: Rejected")
        assert site.state().waiting_for_car_s is None
        await station.status("Faulted", error="OtherError")
        assert (await site.send(site.command(Authorize, id_token=PAYER))).code is ReplyCode.FAULTED
        await station.status("Unavailable")
        assert (await site.send(site.command(Authorize, id_token=PAYER))).code is ReplyCode.UNAVAILABLE
        await station.status("Available")
        await station.begin()
        assert (await site.send(site.command(Authorize, id_token=PAYER))).code is ReplyCode.ALREADY_AUTHORIZED


@pytest.mark.parametrize(
    ("kind", "fields", "action", "word", "code"),
    [
        (Unlock, {}, "UnlockConnector", "UnlockFailed", ReplyCode.HARDWARE),
        (Unlock, {}, "UnlockConnector", "NotSupported", ReplyCode.NOT_SUPPORTED),
        (Reset, {"kind": "hard"}, "Reset", "Rejected", ReplyCode.HARDWARE),
        (SetAvailability, {"available": False}, "ChangeAvailability", "Rejected", ReplyCode.HARDWARE),
        (
            Reserve,
            {"reservation_id": 7, "id_token": PAYER, "expires_ts": 1_767_229_200_000},
            "ReserveNow",
            "Occupied",
            ReplyCode.OCCUPIED,
        ),
        (CancelReservation, {"reservation_id": 7}, "CancelReservation", "Rejected", ReplyCode.UNKNOWN_RESERVATION),
        (Trigger, {"message": "telemetry"}, "TriggerMessage", "NotImplemented", ReplyCode.NOT_SUPPORTED),
    ],
)
async def test_operations_reach_the_station_and_its_refusal_is_told(
    kind: Any, fields: dict[str, Any], action: str, word: str, code: ReplyCode
) -> None:
    async with Stage() as site:
        station = await site.station()
        station.heard.clear()
        good = await site.send(site.command(kind, **fields))
        assert (good.stage, good.op, [name for name, _ in station.heard]) == (ReplyStage.DONE, good.op, [action])
        station.answers[action] = word
        bad = await site.send(site.command(kind, **fields))
        assert (bad.stage, bad.code) == (ReplyStage.REJECTED, code)
        assert word in bad.reason


async def test_availability_and_reservations_are_shown() -> None:
    async with Stage() as site:
        await site.station()
        await site.send(site.command(SetAvailability, available=False))
        assert not site.state().available
        await site.send(site.command(Reserve, reservation_id=7, id_token=PAYER, expires_ts=site.clock.now_ms() + 9000))
        assert site.state().reservation.reservation_id == 7
        await site.clock.advance(21)
        assert site.state().reservation is None


async def test_transfers_are_accepted_and_end_as_the_station_says() -> None:
    async with Stage() as site:
        station = await site.station()
        command = site.command(UpdateFirmware, url="https://files.example/image.bin")
        assert (await site.send(command)).stage is ReplyStage.ACCEPTED
        await station.tell(call.FirmwareStatusNotification(status="Downloading"))
        assert site.replies() == []
        await station.tell(call.FirmwareStatusNotification(status="Installed"))
        assert [(reply.id, reply.stage) for reply in site.replies()] == [(command.id, ReplyStage.DONE)]
        command = site.command(GetLog, url="ftp://files.example/")
        assert (await site.send(command)).stage is ReplyStage.ACCEPTED
        await station.tell(call.DiagnosticsStatusNotification(status="UploadFailed"))
        assert [(reply.id, reply.stage) for reply in site.replies()] == [(command.id, ReplyStage.FAILED)]


async def test_each_command_is_executed_once() -> None:
    async with Stage() as site:
        station = await site.station()
        command = site.command(Reset, kind="soft")
        first = await site.send(command)
        again = await site.send(command)
        assert (again.stage, again.reason) == (first.stage, first.reason)
        assert len(station.took("Reset")) == 1


async def test_a_database_that_is_away_does_not_execute_a_command_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Stage() as site:
        station = await site.station()
        keep, failures = commands_kept.keep_answer, iter([True, True])

        def failing(*arguments: Any) -> None:
            if next(failures, False):
                raise StoreUnavailable("database is locked")
            keep(*arguments)

        monkeypatch.setattr(commands_kept, "keep_answer", failing)
        command = site.command(Reset, kind="soft")
        site.put_command(command)
        await turns(50)
        assert site.replies() == []
        await site.clock.advance(3)
        assert [(reply.id, reply.stage) for reply in site.replies()] == [(command.id, ReplyStage.DONE)]
        assert len(station.took("Reset")) == 1


async def test_a_command_that_kill_9_has_cut_is_not_executed_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/csms.sqlite3"
    site = Stage(url)
    await site.__aenter__()
    station = await site.station()
    station.silent.add("Reset")
    command = site.command(Reset, kind="soft", deadline_s=600)
    site.put_command(command)
    await turns(50)
    assert len(station.took("Reset")) == 1
    await site.kill()
    async with Stage(url, site.clock) as site:
        station = await site.station(boots=False)
        again = await site.send(command)
        assert again.stage is ReplyStage.FAILED
        assert station.took("Reset") == []


async def test_late_early_retained_and_foreign_commands_are_not_executed() -> None:
    async with Stage() as site:
        station = await site.station()
        late = await site.send(site.command(Reset, kind="soft", deadline_s=-1))
        assert late.stage is ReplyStage.EXPIRED
        early = await site.send(site.command(Reset, kind="soft", ts=site.clock.now_ms() - 1))
        assert early.code is ReplyCode.ISSUED_BEFORE_BOOT
        await site.hear(
            CHARGER_COMMAND, [site.command(Reset, kind="soft")], retained=True, charger="box-1", sender="technician"
        )
        await site.hear(CHARGER_COMMAND, [site.command(Reset, kind="soft")], charger="another", sender="technician")
        assert station.took("Reset") == []
        assert (await site.send(site.command(Identify))).code is ReplyCode.NOT_SUPPORTED


@pytest.mark.parametrize(
    ("sender", "source"), [("console", "load_balancer"), ("access", "technician"), ("box-1", "access")]
)
async def test_a_command_in_a_foreign_name_is_refused_and_counted(sender: str, source: str) -> None:
    """Fault X6; the id is still its owner's."""
    async with Stage() as site:
        station = await site.station()
        command = site.command(Reset, source, kind="soft")
        refused = await site.send(command, sender=sender)
        assert (refused.stage, refused.code) == (ReplyStage.REJECTED, ReplyCode.NOT_ALLOWED)
        assert refused.reason.startswith(f"{sender} may not command as {source}")
        assert station.took("Reset") == []
        await site.clock.advance(2)
        assert [report.code for _, report in site.bus.take(AGENT_REJECTED)] == ["not_allowed"]
        assert (await site.send(command)).stage is ReplyStage.DONE


async def test_an_id_belongs_to_whoever_has_used_it_first(tmp_path: Path) -> None:
    """Fault X6: the answer to another's command must not pass for that to one's own, also after a restart."""
    url, command = f"sqlite:///{tmp_path}/csms.sqlite3", None
    for _ in ("its life", "the next"):
        async with Stage(url) as site:
            await site.station()
            command = command or site.command(Reset, "load_balancer", kind="soft")
            assert (await site.send(command)).stage is ReplyStage.DONE
            stolen = site.command(Reset, "access", kind="soft").model_copy(update={"id": command.id})
            refused = await site.send(stolen)
            assert (refused.stage, refused.code) == (ReplyStage.REJECTED, ReplyCode.NOT_ALLOWED)
            assert refused.reason == "another sender has used this id; use a new one"
            await site.clock.advance(2)
            assert [report.code for _, report in site.bus.take(AGENT_REJECTED)] == ["not_allowed"]
            assert (await site.send(command)).stage is ReplyStage.DONE, "its owner is answered as before"


async def test_a_hung_station_holds_up_no_other() -> None:
    async with Stage(stations={"box": {}, "other": {}}) as site:
        station, other = await site.station(), await site.station("other")
        station.silent.add("Reset")
        site.put_command(site.command(Reset, kind="soft"))
        assert (await site.send(site.command(Reset, kind="soft"), "other-1")).stage is ReplyStage.DONE
        assert len(other.took("Reset")) == 1
        await site.clock.advance(31)
        assert [reply.stage for reply in site.replies()] == [ReplyStage.FAILED]
