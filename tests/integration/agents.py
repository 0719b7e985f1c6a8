"""Agents as real hosts on real MQTT connections, within the test's own process."""

import asyncio
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agents.registry import load_agent
from agents.runtime.agent import Agent
from agents.runtime.clock import SystemClock
from agents.runtime.database.store import Store
from agents.runtime.host import AgentHost
from agents.runtime.mqtt.client import MqttTransport
from agents.runtime.mqtt.options import MqttOptions
from tests.brokers import RunningBroker
from tests.integration.ear import SITE
from tests.waiting import eventually


class RunningAgent:
    """One agent: started, stopped, started again on the same database and the same MQTT session."""

    def __init__(self, name: str, broker: RunningBroker, folder: Path, **settings: Any) -> None:
        self.name = name
        self._type: type[Agent[Any]] = load_agent(name)
        self._settings: BaseModel = self._type.settings_type(**settings)
        self._broker = broker
        self._url = f"sqlite:///{folder / f'{name}.sqlite3'}"
        self.host: AgentHost | None = None
        self._store: Store | None = None
        self._transport: MqttTransport | None = None
        self._connection: asyncio.Task[None] | None = None

    async def start(self) -> "RunningAgent":
        clock = SystemClock()
        self._store = Store(self._url if self._type.migrations else "sqlite://", self._type.migrations)
        await asyncio.to_thread(self._store.upgrade)
        options = MqttOptions(self._broker.host, self._broker.port, f"{SITE}-{self.name}", self.name, keepalive_s=5)
        self._transport = MqttTransport(options, clock)
        self.host = AgentHost(self._type, self._settings, self._transport, clock, self._store, site=SITE)
        await self.host.start()
        self._transport.serve(self.host)
        self._connection = asyncio.create_task(self._transport.run())
        await self.connected(1)
        return self

    async def connected(self, times: int) -> None:
        """Wait until it has connected so many times since it was started."""
        host = self.host
        assert host is not None
        await eventually(lambda: host.counters.connections >= times, 60, f"{self.name} connected {times} times")

    @property
    def connections(self) -> int:
        assert self.host is not None
        return self.host.counters.connections

    async def stop(self) -> None:
        """End gracefully; does nothing when it does not run."""
        if self.host is None:
            return
        await self.host.stop()
        assert self._transport is not None
        assert self._connection is not None
        await self._transport.close()
        await self._connection
        assert self._store is not None
        self._store.close()
        self.host = None
