"""The application under MicroPython: the same life, message for message, and a session on a real broker.

The program is ``$MICROPYTHON``, ``micropython`` on the path, or what ``firmware/build_micropython_unix.sh`` makes.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bus_schema.topics import parse_topic
from tests.brokers import RunningBroker
from tests.firmware import life_program
from tests.firmware.listener import Listener
from tests.waiting import eventually

LIFE = Path(__file__).with_name("life.py")
MAX_HEAP = 176 * 1024
"""What the app may keep on the heap, code included: with pointers of eight bytes and nothing frozen."""

pytestmark = pytest.mark.micropython


@pytest.fixture
def micropython() -> str:
    return life_program.micropython()


async def run(program: str, *arguments: str) -> str:
    return await life_program.run(program, LIFE, *arguments)


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


WHOLE_NUMBERS = """\
[0, 0, 0, 0, 1001, 1234567, 8388609, 9999999, 16777215, 50000004, 10000000000]
1000 [0, 1, 101, 101, 201]
20000000 [0, 1, 101, 101, 201]
2000000000 [0, 1, 101, 101, 201]
[None, None, None, None]
16777217 16777217 2027-01-15T12:39:37.217Z
1073741823 1073741823 2027-01-27T18:15:41.823Z
2147483649 2147483649 2027-02-09T04:31:23.649Z
4294967297 4294967297 2027-03-06T01:02:47.297Z
True
"""


async def test_registers_and_times_are_whole_numbers_in_single_precision_too(micropython: str) -> None:
    for program in (micropython, sys.executable):
        assert await life_program.run(program, LIFE.with_name("whole_numbers.py")) == WHOLE_NUMBERS, program


class Site(Listener):
    """Ledger and access in one: acknowledges events and lets everybody charge 1 Wh."""

    def take(self, name: str, topic: str, message: dict[str, Any], retained: bool) -> None:
        utc = 1_800_000_000_000 + (message.get("uptime_ms") or 0)
        if name == "charger_event":
            self.acknowledge(topic, message, utc)
        elif name == "charger_state" and message["status"] == "Preparing" and not message.get("session"):
            token = {"type": "no_authorization", "value": ""}
            charger, number = topic.removesuffix("/state"), f"a{len(self.seen)}"
            self.command(charger, number, utc, op="authorize", id_token=token, caps={"energy_wh": 1})


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
