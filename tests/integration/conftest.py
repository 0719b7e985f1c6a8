"""A site on a real broker."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import RunningBroker
from tests.integration.agents import RunningAgent
from tests.integration.chargers import RunningCharger
from tests.integration.ear import Ear

StartAgent = Callable[..., Awaitable[RunningAgent]]
StartCharger = Callable[..., Awaitable[RunningCharger]]


@pytest.fixture
async def ear(broker: RunningBroker) -> AsyncIterator[Ear]:
    async with Ear(broker) as ear:
        yield ear
        assert ear.violations() == []


@pytest.fixture
async def start_agent(broker: RunningBroker, tmp_path: Path) -> AsyncIterator[StartAgent]:
    """``await start_agent("ledger", gap_alarm_after_s=1)``; all are stopped at the end."""
    running: list[RunningAgent] = []

    async def start(name: str, **settings: Any) -> RunningAgent:
        agent = RunningAgent(name, broker, tmp_path, **settings)
        running.append(agent)
        return await agent.start()

    yield start
    for agent in reversed(running):
        await agent.stop()


@pytest.fixture
async def start_charger(
    broker: RunningBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StartCharger]:
    """``await start_charger("c1")``; all leave at the end.

    Where a broker has forgotten who was subscribed (the embedded one, when it is killed), events that come before the
    ledger is back reach nobody, and the charger's journal sends them again. Not after half a minute here.
    """
    monkeypatch.setattr("firmware.app.events.RESEND_AFTER_MS", 3_000)
    running: list[RunningCharger] = []

    async def start(charger: str, **options: Any) -> RunningCharger:
        device = RunningCharger(charger, broker, tmp_path, **options)
        running.append(device)
        return await device.power_on()

    yield start
    for device in running:
        await device.leave()
