"""Agents and a broker: health, wills, graceful stops."""

import asyncio
import signal
from pathlib import Path

import pytest

from bus_schema.topics import AGENT_HEALTH
from tests.brokers import RunningBroker
from tests.integration.conftest import StartAgent
from tests.integration.ear import SITE, Ear
from tests.processes import start_agent as start_process
from tests.waiting import eventually

pytestmark = pytest.mark.broker


async def test_health_is_kept_by_the_broker_and_taken_back_by_a_graceful_stop(
    ear: Ear, broker: RunningBroker, start_agent: StartAgent
) -> None:
    ledger = await start_agent("ledger")
    await ear.hears(AGENT_HEALTH, lambda health: health.online, agent="ledger")
    async with Ear(broker, "latecomer") as latecomer:
        health = await latecomer.hears(AGENT_HEALTH, agent="ledger")
        assert health.online
        assert health.problems == []
    await ledger.stop()
    await ear.hears(AGENT_HEALTH, lambda health: not health.online, agent="ledger")


async def test_the_broker_speaks_the_will_of_an_agent_that_is_killed(
    ear: Ear, broker: RunningBroker, tmp_path: Path
) -> None:
    (tmp_path / "site.toml").write_text(f'site = "{SITE}"\n[broker]\nhost = "{broker.host}"\nport = {broker.port}\n')
    process = start_process("ledger", tmp_path / "site.toml", tmp_path / "ledger.log")
    try:
        await ear.hears(AGENT_HEALTH, lambda health: health.online, agent="ledger", within_s=20)
        ear.forget()
        process.send_signal(signal.SIGKILL)
        await ear.hears(AGENT_HEALTH, lambda health: not health.online, agent="ledger")
    finally:
        process.kill()
        process.wait(10)


async def test_a_graceful_stop_of_a_process_exits_with_zero(ear: Ear, broker: RunningBroker, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(f'site = "{SITE}"\n[broker]\nhost = "{broker.host}"\nport = {broker.port}\n')
    process = start_process("ledger", tmp_path / "site.toml", tmp_path / "ledger.log")
    try:
        await ear.hears(AGENT_HEALTH, lambda health: health.online, agent="ledger", within_s=20)
        process.terminate()
        await eventually(lambda: process.poll() is not None, 15, "the ledger ends")
        assert process.returncode == 0, (tmp_path / "ledger.log").read_text()[-2000:]
    finally:
        process.kill()


async def test_a_killed_broker_tells_everybody_again(ear: Ear, broker: RunningBroker, start_agent: StartAgent) -> None:
    """After a restart of a broker that keeps nothing, what is retained is published again."""
    ledger = await start_agent("ledger")
    await ear.hears(AGENT_HEALTH, lambda health: health.online, agent="ledger")
    await asyncio.to_thread(broker.kill)
    ear.forget()
    await asyncio.to_thread(broker.restart)
    await ledger.connected(2)
    async with Ear(broker, "latecomer") as latecomer:
        assert (await latecomer.hears(AGENT_HEALTH, lambda health: health.online, agent="ledger")).online
