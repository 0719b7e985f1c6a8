"""A command is answered, or its sender learns that nobody knows (invariant 7)."""

import asyncio
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from agents.runtime.agent import BusUnavailable, Received
from agents.runtime.bus import TypedBus
from agents.runtime.commands import COMPLETION_S, GRACE_S, CommandSender, NoReply
from agents.runtime.counters import Counters
from bus_schema import Address
from bus_schema.command import CommandReply, Reset, SetLimit
from bus_schema.topics import CHARGER_COMMAND, CHARGER_COMMAND_REPLY
from bus_schema.words import ReplyCode, ReplyStage
from tests.runtime.fakes import BOOT, SITE, FakeTransport, ManualClock, settle


class Desk:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.transport = FakeTransport()
        bus = TypedBus(SITE, "access", self.transport, self.clock, Counters())
        self.sender = CommandSender(bus, self.clock, "access", random=Random(1))

    def limit(self, **fields: Any) -> SetLimit:
        return self.sender.make(SetLimit, current_a=10.0, valid_for_s=60, **fields)

    def reply(self, id: str | None, stage: ReplyStage, charger: str = "c1", code: ReplyCode = ReplyCode.OK) -> None:
        message = CommandReply(ts=None, uptime_ms=1, boot_id=BOOT, id=id, op="x", stage=stage, code=code)
        address = Address(CHARGER_COMMAND_REPLY, SITE, {"charger": charger})
        self.sender.on_reply(Received(message, address, False, self.clock.now_ms()))


@pytest.fixture
async def desk() -> Desk:
    return Desk()


def test_made_commands_carry_id_source_and_deadline() -> None:
    desk = Desk()
    command = desk.limit(deadline_s=5)
    assert command.source == "access"
    assert command.deadline_ts == desk.clock.now_ms() + 5000
    assert command.ts == desk.clock.now_ms()
    assert len({desk.limit().id for _ in range(100)}) == 100
    with pytest.raises(ValidationError):
        desk.sender.make(SetLimit, current_a=-1.0, valid_for_s=60)


@pytest.mark.parametrize("stage", [ReplyStage.DONE, ReplyStage.FAILED, ReplyStage.REJECTED, ReplyStage.EXPIRED])
async def test_final_answer_is_returned(desk: Desk, stage: ReplyStage) -> None:
    command = desk.limit()
    sending = asyncio.create_task(desk.sender.send("c1", command))
    await settle()
    assert desk.transport.messages(CHARGER_COMMAND, charger="c1") == [command]
    desk.reply(command.id, stage)
    assert (await sending).stage is stage
    assert desk.sender._waiting == {}


async def test_accepted_means_keep_waiting(desk: Desk) -> None:
    command = desk.sender.make(Reset, kind="soft", deadline_s=5)
    sending = asyncio.create_task(desk.sender.send("c1", command))
    await settle()
    desk.reply(command.id, ReplyStage.ACCEPTED)
    await desk.clock.advance(30)
    assert not sending.done()
    desk.reply(command.id, ReplyStage.DONE)
    assert (await sending).stage is ReplyStage.DONE


async def test_accepted_and_then_silence_says_so(desk: Desk) -> None:
    command = desk.sender.make(Reset, kind="soft")
    sending = asyncio.create_task(desk.sender.send("c1", command))
    await settle()
    desk.reply(command.id, ReplyStage.ACCEPTED)
    await desk.clock.advance(COMPLETION_S + 1)
    with pytest.raises(NoReply, match="c1 accepted reset but did not say how it ended") as caught:
        await sending
    assert caught.value.accepted


async def test_silence_is_no_reply_after_the_deadline(desk: Desk) -> None:
    sending = asyncio.create_task(desk.sender.send("c1", desk.limit(deadline_s=3)))
    await desk.clock.advance(3 + GRACE_S - 0.1)
    assert not sending.done()
    await desk.clock.advance(0.2)
    with pytest.raises(NoReply, match=r"charger c1 did not answer set_limit within 5\.0 s") as caught:
        await sending
    assert not caught.value.accepted
    assert desk.sender._waiting == {}


async def test_answers_of_others_do_not_count(desk: Desk) -> None:
    command = desk.limit()
    sending = asyncio.create_task(desk.sender.send("c1", command))
    await settle()
    desk.reply(command.id, ReplyStage.DONE, charger="c2")
    desk.reply("access-0", ReplyStage.DONE)
    desk.reply(None, ReplyStage.REJECTED, code=ReplyCode.MALFORMED)
    await settle()
    assert not sending.done()
    desk.reply(command.id, ReplyStage.DONE)
    desk.reply(command.id, ReplyStage.DONE)  # At least once: it may come twice.
    await sending


async def test_bus_that_is_away_is_told_to_the_caller(desk: Desk) -> None:
    desk.transport.up = False
    with pytest.raises(BusUnavailable):
        await desk.sender.send("c1", desk.limit())
    assert desk.sender._waiting == {}


def test_a_sender_cannot_be_made_that_chargers_would_refuse() -> None:
    bus, clock = TypedBus(SITE, "access", FakeTransport(), ManualClock(), Counters()), ManualClock()
    with pytest.raises(ValueError, match="access may not command as load_balancer"):
        CommandSender(bus, clock, "access", source="load_balancer")
    command = CommandSender(bus, clock, "anna", source="technician").make(Reset, kind="soft")
    assert command.source == "technician"
