"""The console's own check that the broker carries messages."""

from dataclasses import dataclass, field
from typing import Any

from agents.console.loop_back import LoopBack
from agents.runtime.agent import BusUnavailable
from bus_schema.site_messages import SessionsQuery


@dataclass
class Clock:
    now_s: float = 0.0

    def now_ms(self) -> int:
        return 1_700_000_000_000

    def monotonic_s(self) -> float:
        return self.now_s


@dataclass
class FakeBus:
    site: str = "garage"
    gone: bool = False
    sent: list[SessionsQuery] = field(default_factory=list)

    async def publish(self, topic: Any, message: SessionsQuery, **ids: str) -> None:
        if self.gone:
            raise BusUnavailable("gone")
        assert ids == {"agent": "console"}
        self.sent.append(message)


async def test_connected_from_the_first_echo_until_none_has_come_for_six_seconds() -> None:
    bus, clock = FakeBus(), Clock()
    link = LoopBack(bus, clock, "console", "abc")
    assert not link.connected
    await link.ask()
    assert not link.connected
    assert link.heard(bus.sent[0])
    clock.now_s = 6.0
    assert link.connected
    clock.now_s = 6.1
    assert not link.connected


async def test_a_broker_that_refuses_is_noticed_at_once() -> None:
    bus = FakeBus()
    link = LoopBack(bus, Clock(), "console", "abc")
    await link.ask()
    link.heard(bus.sent[0])
    bus.gone = True
    await link.ask()
    assert not link.connected
    bus.gone = False
    await link.ask()
    link.heard(bus.sent[-1])
    assert link.connected


async def test_an_echo_of_an_earlier_run_proves_nothing_and_needs_no_answer() -> None:
    bus = FakeBus()
    old = LoopBack(bus, Clock(), "console", "old")
    await old.ask()
    link = LoopBack(bus, Clock(), "console", "new")
    assert link.heard(bus.sent[0])
    assert not link.connected


async def test_a_question_of_somebody_else_is_to_be_answered() -> None:
    link = LoopBack(FakeBus(), Clock(), "console", "abc")
    question = SessionsQuery(ts=1, id="x", source="technician", deadline_ts=2)
    assert not link.heard(question)
