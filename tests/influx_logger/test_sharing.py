"""Several logger processes share the work on a real Mosquitto with the contract's access list."""

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from agents.influx_logger.agent import InfluxLogger
from agents.influx_logger.settings import InfluxLoggerSettings
from agents.runtime.clock import SystemClock
from agents.runtime.database.store import Store
from agents.runtime.host import AgentHost
from agents.runtime.mqtt.client import MqttTransport
from agents.runtime.mqtt.options import MqttOptions
from bus_schema import Role, Topic
from bus_schema.generate.acl import device_user, mosquitto_acl, person_users, process_user
from bus_schema.topics import AGENT_HEALTH, BROKER_STATUS, CHARGER_STATE, CHARGER_TELEMETRY
from tests.bus_schema.mosquitto import mosquitto
from tests.influx_logger.harness import STATE, TELEMETRY
from tests.waiting import eventually

pytestmark = pytest.mark.broker

SITE = "garage"
CHARGERS = ("c1", "c2", "c3", "c4")
LOGGERS = [process_user(Role.INFLUX_LOGGER, number) for number in (1, 2)]
PRINCIPALS = [*LOGGERS, *person_users("technician"), *(device_user(Role.CHARGER, each) for each in CHARGERS)]
ACL, USERS = mosquitto_acl(SITE, PRINCIPALS), [user.name for user in PRINCIPALS]


@contextlib.asynccontextmanager
async def logger(folder: Path, port: int, share: str) -> AsyncIterator[AgentHost]:
    """A process of the logger, but for being a process; nothing leaves its spool."""
    settings = InfluxLoggerSettings(url="http://127.0.0.1:9", share=share)
    identity = InfluxLogger.identity(settings)
    store = Store(f"sqlite:///{folder}/{identity}.sqlite3", InfluxLogger.migrations)
    store.upgrade()
    options = MqttOptions("127.0.0.1", port, f"{SITE}-{identity}", username=identity, password=identity)
    transport = MqttTransport(options, SystemClock())
    host = AgentHost(InfluxLogger, settings, transport, SystemClock(), store, site=SITE)
    await host.start()
    transport.serve(host)
    running = asyncio.create_task(transport.run())
    try:
        yield host
    finally:
        await host.stop()
        await transport.close()
        await running
        store.close()


def spooled(folder: Path) -> Counter[str]:
    """Return how often each line of telemetry and state is in the spools."""
    found: Counter[str] = Counter()
    for path in folder.glob("influx_logger*.sqlite3"):
        with sqlite3.connect(path) as db:
            for (body,) in db.execute("SELECT body FROM influx_logger_block"):
                found.update(line for line in body.decode().split("\n") if line.startswith(("telemetry", "state")))
    return found


async def publish(port: int, charger: str, count: int) -> None:
    async with aiomqtt.Client("127.0.0.1", port, username=charger, password=charger) as client:
        for number in range(count):
            telemetry = TELEMETRY.model_copy(update={"ts": 1_760_000_000_000 + number})
            state = STATE.model_copy(update={"ts": 1_760_000_000_000 + number})
            where = {"charger": charger}
            await client.publish(CHARGER_TELEMETRY.format(SITE, **where), CHARGER_TELEMETRY.encode(telemetry), qos=0)
            await client.publish(CHARGER_STATE.format(SITE, **where), CHARGER_STATE.encode(state), qos=1)


async def test_each_message_is_kept_by_one_process(tmp_path: Path) -> None:
    with mosquitto(tmp_path, acl=ACL, users=USERS, as_deployed=True) as broker:
        shares = [logger(tmp_path, broker.port, share) for share in ("1/2", "2/2")]
        async with shares[0] as first, shares[1] as second:
            await eventually(lambda: first.counters.connections and second.counters.connections, 30, "connected")
            await asyncio.gather(*(publish(broker.port, charger, 100) for charger in CHARGERS))
            await eventually(lambda: sum(spooled(tmp_path).values()) >= 2 * 100 * len(CHARGERS), 30, "all is on disk")
            kept = spooled(tmp_path)
            assert len(kept) == 2 * 100 * len(CHARGERS)
            assert set(kept.values()) == {1}
            assert first.counters.dropped == second.counters.dropped == 0
        async with aiomqtt.Client("127.0.0.1", broker.port, username="technician", password="technician") as client:
            await client.subscribe(AGENT_HEALTH.filter(SITE), qos=1)
            async with asyncio.timeout(30):
                names: set[str] = set()
                async for message in client.messages:
                    names.add(str(message.topic).split("/")[4])
                    if names >= {"influx_logger", "influx_logger-2"}:
                        break


@pytest.mark.parametrize("row", [CHARGER_TELEMETRY, CHARGER_STATE], ids=lambda row: row.name)
async def test_a_charger_that_joins_a_shared_subscription_takes_nothing_away(tmp_path: Path, row: Topic[Any]) -> None:
    """Mosquitto's access list cannot forbid to join ``$share``; a rogue member once got half of the messages."""
    with mosquitto(tmp_path, acl=ACL, users=USERS, as_deployed=True) as broker:
        rogue = aiomqtt.Client("127.0.0.1", broker.port, username="c4", password="c4")
        shares = [logger(tmp_path, broker.port, share) for share in ("1/2", "2/2")]
        async with shares[0] as first, shares[1] as second:
            await eventually(lambda: first.counters.connections and second.counters.connections, 30, "connected")
            async with rogue:
                await rogue.subscribe(f"$share/influx_logger/{row.filter(SITE)}", qos=1)
                await asyncio.gather(*(publish(broker.port, charger, 50) for charger in CHARGERS[:3]))
                await eventually(lambda: sum(spooled(tmp_path).values()) >= 2 * 50 * 3, 30, "all is on disk")


async def test_what_the_broker_says_of_itself_is_told(tmp_path: Path) -> None:
    with mosquitto(tmp_path, acl=ACL, users=USERS, as_deployed=True) as broker:
        async with logger(tmp_path, broker.port, "1/1") as host:
            await eventually(
                lambda: host.agent._broker._is_news and "heap_bytes" in host.agent._broker._values, 30, "$SYS"
            )
            await host.agent.watch()
            async with aiomqtt.Client("127.0.0.1", broker.port, username="technician", password="technician") as client:
                await client.subscribe(BROKER_STATUS.format(SITE), qos=1)
                message = await asyncio.wait_for(anext(aiter(client.messages)), 30)
    status = BROKER_STATUS.decode(bytes(message.payload))
    assert status.clients_connected is not None
    assert status.messages_dropped == 0
    assert status.heap_bytes is not None and status.heap_bytes > 1000
    assert host.counters.rejected == 0
