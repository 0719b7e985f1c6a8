"""An agent says that it lives and what keeps it from its work."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from agents.runtime.agent import Agent
from agents.runtime.configuration.site_config import AgentSettings
from agents.runtime.host import AgentHost
from bus_schema.topics import AGENT_HEALTH
from tests.runtime.fakes import SITE, FakeTransport, ManualClock, make_host, settle


class Patient(Agent[AgentSettings]):
    """Has the problems that a test gives it."""

    name = "patient"
    settings_type = AgentSettings

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.ills: list[str] = []

    def problems(self) -> list[str]:
        return self.ills


class Ward:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.transport = FakeTransport()
        self.host: AgentHost = make_host(Patient, self.clock, self.transport)

    @property
    def patient(self) -> Patient:
        agent = self.host.agent
        assert isinstance(agent, Patient)
        return agent

    @property
    def told(self) -> list[Any]:
        return self.transport.messages(AGENT_HEALTH, agent="patient")


@pytest.fixture
async def ward() -> AsyncIterator[Ward]:
    made = Ward()
    await made.host.start()
    yield made
    made.host.kill()


async def test_nothing_is_told_before_connecting(ward: Ward) -> None:
    await ward.clock.advance(100)
    assert ward.told == []


async def test_told_on_connecting_and_every_30_s(ward: Ward) -> None:
    ward.host.connected()
    await settle()
    assert [health.online for health in ward.told] == [True]
    await ward.clock.advance(29)
    assert len(ward.told) == 1
    await ward.clock.advance(62)
    assert len(ward.told) == 4
    topic, _, qos, retain = ward.transport.published[0]
    assert (topic, qos, retain) == (f"ev/v1/{SITE}/agent/patient/health", 1, True)


async def test_told_again_after_a_reconnection(ward: Ward) -> None:
    """The broker has published the will meanwhile."""
    ward.host.connected()
    await settle()
    ward.host.disconnected()
    await ward.clock.advance(100)
    assert len(ward.told) == 1
    ward.host.connected()
    await settle()
    assert [health.online for health in ward.told] == [True, True]


@pytest.mark.timeout(20)
async def test_a_connection_that_breaks_at_once_does_not_keep_the_agent_busy(ward: Ward) -> None:
    ward.host.connected()
    ward.host.disconnected()
    await settle()
    assert ward.told == []
    ward.host.connected()
    await settle()
    assert [message.online for message in ward.told] == [True]


async def test_problems_are_told_when_they_change(ward: Ward) -> None:
    ward.host.connected()
    await ward.clock.advance(5)
    ward.patient.ills = ["the coffee is cold"]
    await ward.clock.advance(2)
    ward.patient.ills = []
    await ward.clock.advance(2)
    assert [health.problems for health in ward.told] == [[], ["the coffee is cold"], []]


async def test_a_problem_whose_figure_grows_is_told_at_the_usual_times(ward: Ward) -> None:
    """A line of log and a message for every point that waits for a database would be many."""
    ward.host.connected()
    await ward.clock.advance(5)
    for waiting in range(1, 10):
        ward.patient.ills = [f"c1 is cold; {waiting} points wait"]
        await ward.clock.advance(1.5)
    assert [health.problems for health in ward.told] == [[], ["c1 is cold; 1 points wait"]]
    ward.patient.ills = ["c2 is cold; 9 points wait"]
    await ward.clock.advance(2)
    assert ward.told[-1].problems == ["c2 is cold; 9 points wait"], "another charger is another problem"
    await ward.clock.advance(30)
    assert len(ward.told) == 4


async def test_many_and_long_problems_fit_the_message(ward: Ward) -> None:
    ward.patient.ills = [f"{number} " + "x" * 1000 for number in range(9)]
    ward.host.connected()
    await settle()
    problems = ward.told[0].problems
    assert len(problems) == 5
    assert problems[-1] == "and 5 more"


async def test_bus_that_refuses_is_tried_again(ward: Ward) -> None:
    ward.transport.up = False
    ward.host.connected()
    await ward.clock.advance(5)
    ward.transport.up = True
    await ward.clock.advance(2)
    assert len(ward.told) == 1


async def test_will_and_good_bye_say_offline(ward: Ward) -> None:
    will = ward.host.will()
    assert AGENT_HEALTH.decode(will.payload).online is False
    assert (will.topic, will.qos, will.retain) == (f"ev/v1/{SITE}/agent/patient/health", 1, True)
    ward.host.connected()
    await settle()
    await ward.host.stop()
    assert [health.online for health in ward.told] == [True, False]


async def test_killed_agent_says_nothing_more(ward: Ward) -> None:
    ward.host.connected()
    await settle()
    ward.host.kill()
    await ward.clock.advance(100)
    assert len(ward.told) == 1
