"""What a charger on MicroPython takes from the bus, byte for byte, and with the memory of a real board (S4, S5)."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import RunningBroker
from tests.bus_schema.json_bytes import BASE, STRINGS, WHOLE, damaged, peculiar
from tests.bus_schema.test_firmware_validator import contract
from tests.firmware.unix.charger_process import TOPIC, Charger
from tests.firmware.unix.program import run
from tests.waiting import eventually

pytestmark = pytest.mark.micropython


def _near(found: Any, expected: Any) -> bool:
    """Whether two values are the same; floats as far as single precision holds them."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return found.keys() == expected.keys() and all(_near(found[name], expected[name]) for name in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(_near, found, expected))
    if isinstance(expected, float) and isinstance(found, int | float):
        return found == pytest.approx(expected, rel=1e-6)
    return type(found) is type(expected) and bool(found == expected)


def test_micropython_takes_exactly_the_bytes_that_the_contract_takes(unix_port: str, tmp_path: Path) -> None:
    """S4."""
    payloads = [*peculiar(), *damaged(2000, seed=2)]
    corpus = tmp_path / "payloads"
    corpus.write_text("".join(payload.hex() + "\n" for payload in payloads))
    lines = run(unix_port, "reading.py", str(corpus)).splitlines()
    assert len(lines) == len(payloads)
    taken = 0
    for payload, line in zip(payloads, lines, strict=True):
        expected = contract(payload)
        assert _near(json.loads(line), expected), (payload[:300], line[:300], expected)
        taken += expected is not None
    assert 200 < taken < len(payloads) - 1000


def test_no_other_door_lets_in_what_could_not_be_published(unix_port: str, tmp_path: Path) -> None:
    """S4: the words of an HTTP server and of an image's header end up in reasons and in the state."""
    texts = [text for text in STRINGS if not {0, 10, 13} & set(text)]
    corpus = tmp_path / "texts"
    corpus.write_text("".join(text.hex() + "\n" for text in texts))
    refused = 0
    for text, line in zip(texts, run(unix_port, "doors.py", str(corpus)).splitlines(), strict=True):
        reason, version = line.split(" ")
        try:
            expected = "404 " + text.decode("utf-8")
        except UnicodeDecodeError:
            assert reason == "-", text
            refused += 1
        else:
            assert bytes.fromhex(reason).decode() == expected
        printable = all(0x20 <= byte <= 0x7E for byte in text)
        assert bytes.fromhex(version) == (text[:16] if printable else b"?")
    assert refused > 20


@pytest.mark.broker
async def test_every_hostile_message_is_answered_with_the_memory_of_a_real_board(
    unix_port: str, broker: RunningBroker, tmp_path: Path
) -> None:
    """S5: on a charging charger; it stays on the bus and goes on charging."""
    flood = [*WHOLE, *(f'{{"op":"resume",{BASE},"x":'.encode() + body for body in WHOLE)]
    async with Charger(unix_port, tmp_path, broker) as charger:
        await charger.charge()
        online = list(charger.site.online)
        for number, payload in enumerate(flood):
            before = len(charger.site.replies)
            charger.site.client.publish(f"{TOPIC}/command", payload, 1, False)
            charger.site.client.publish(f"{TOPIC}/event/ack", payload, 1, False)
            replies = await eventually(lambda seen=before: charger.site.replies[seen:], 10, f"answer to {number}")
            assert replies[0]["stage"] == "rejected", (payload[:100], replies)
            assert replies[0]["code"] in ("malformed", "too_large"), (payload[:100], replies)
        assert (await charger.answered(charger.command(op="identify")))["stage"] == "done"
        state = await charger.state(lambda state: True, "a state")
        assert state["status"] == "Charging" and state["contactor_closed"]
        assert charger.site.online == online
