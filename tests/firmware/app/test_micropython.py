"""The application under MicroPython: the same life, message for message, and a session on a real broker.

The program is ``$MICROPYTHON``, ``micropython`` on the path, or what ``firmware/build_micropython_unix.sh`` makes.
"""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from bus_schema.topics import parse_topic
from firmware.app.mqtt import MqttClient
from tests.brokers import RunningBroker
from tests.missing import missing
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]
LIFE = Path(__file__).with_name("life.py")
MAX_HEAP = 176 * 1024
"""What the app may keep on the heap, code included: with pointers of eight bytes and nothing frozen."""

pytestmark = pytest.mark.micropython


@pytest.fixture
def micropython() -> str:
    built = ROOT / "firmware/build/micropython"
    found = os.environ.get("MICROPYTHON") or shutil.which("micropython") or (str(built) if built.exists() else None)
    if found is None:
        missing("micropython (firmware/build_micropython_unix.sh makes one)")
    return found


async def run(program: str, *arguments: str) -> str:
    environment = os.environ | {"MICROPYPATH": f"{ROOT}:.frozen", "PYTHONPATH": str(ROOT)}
    pipe, both = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    process = await asyncio.create_subprocess_exec(
        program, str(LIFE), *arguments, env=environment, stdout=pipe, stderr=both
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output.decode()[-2000:]
    return output.decode()


def publications(output: str) -> list[tuple[str, int, bool, Any]]:
    """Read what was printed, every message by the contract."""
    found = []
    for line in output.splitlines():
        topic, qos, retain, payload = json.loads(line)
        address = parse_topic(topic)
        address.topic.decode(payload)
        assert (qos, retain) == (address.topic.qos, address.topic.retained)
        found.append((topic, qos, retain, json.loads(payload)))
    return found


async def test_the_same_life_on_micropython_and_cpython(micropython: str, tmp_path: Path) -> None:
    outputs = []
    for program in (micropython, sys.executable):
        folder = tmp_path / Path(program).name
        folder.mkdir()
        outputs.append(publications(await run(program, str(folder))))
    assert outputs[0] == outputs[1]
    events = [message for topic, _, _, message in outputs[0] if topic.endswith("/event")]
    ended = {event["session_id"]: event["reason"] for event in events if event["type"] == "session_ended"}
    assert list(ended.values()) == ["PowerLoss", "energy_cap", "Local"]
    replies = {message["id"]: message for topic, _, _, message in outputs[0] if topic.endswith("/reply")}
    assert replies["id-6"]["code"] == "unknown_operation"
    assert replies["id-8"]["stage"] == "accepted"
    assert any("€ 😀 % full" in message.get("limit_reason", "") for _, _, _, message in outputs[0])


class Site:
    """Ledger and access in one: acknowledges events and lets everybody charge 1 Wh."""

    def __init__(self, broker: RunningBroker) -> None:
        self.client = MqttClient(broker.host, broker.port, "site", os.urandom)
        self.client.owner = self
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def will(self) -> tuple[str, str, int, bool]:
        return ("unused", "", 0, False)

    def subscriptions(self) -> list[tuple[str, int]]:
        return [("ev/v1/garage/charger/+/#", 1)]

    def on_connected(self) -> None: ...

    def on_disconnected(self) -> None: ...

    def on_message(self, topic: str, payload: bytes, retained: bool) -> None:
        address = parse_topic(topic)
        address.topic.decode(payload)
        message = json.loads(payload)
        self.seen.append((address.topic.name, message))
        utc = 1_800_000_000_000 + (message.get("uptime_ms") or 0)
        if address.topic.name == "charger_event":
            ack = {"ts": utc, "boot_id": message["boot_id"], "seq": message["seq"]}
            self.client.publish(topic + "/ack", json.dumps(ack), 1, False)
        elif address.topic.name == "charger_state" and message["status"] == "Preparing" and not message.get("session"):
            command = {
                "ts": utc,
                "id": f"a{len(self.seen)}",
                "source": "access",
                "deadline_ts": utc + 60_000,
                "op": "authorize",
                "id_token": {"type": "no_authorization", "value": ""},
                "caps": {"energy_wh": 1},
            }
            self.client.publish(topic.replace("/state", "/command"), json.dumps(command), 1, False)


@pytest.mark.broker
@pytest.mark.parametrize("host", ["micropython", "cpython"])
async def test_a_session_on_a_real_broker(
    host: str, request: pytest.FixtureRequest, broker: RunningBroker, tmp_path: Path
) -> None:
    program = request.getfixturevalue("micropython") if host == "micropython" else sys.executable
    site = Site(broker)
    task = asyncio.create_task(site.client.run())
    await eventually(lambda: site.client.connected)
    output = await run(program, str(tmp_path), broker.host, str(broker.port))
    await eventually(lambda: any(name == "charger_online" and not message["online"] for name, message in site.seen))
    (ended,) = [message for name, message in site.seen if message.get("type") == "session_ended"]
    assert ended["reason"] == "energy_cap"
    assert ended["energy_wh"] - ended["start_energy_wh"] in (1, 2)
    if host == "micropython":
        heap = int(output.split("heap ")[1])
        assert heap < MAX_HEAP, f"{heap} bytes of heap"
    site.client.stop()
    await asyncio.wait_for(task, 5)
