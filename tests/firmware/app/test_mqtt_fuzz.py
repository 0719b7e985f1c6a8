"""The MQTT client against a peer that sends anything: it never raises, never keeps much, and comes back."""

import asyncio
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.app import mqtt_packets as packets
from firmware.app.mqtt import MqttClient
from tests.waiting import eventually

CONNACK = bytes((0x20, 2, 0, 0))
SUBACK = bytes((0x90, 3, 0, 1, 1))


class Owner:
    def __init__(self) -> None:
        self.received: list[tuple[str, bytes, bool]] = []
        self.up = 0
        self.down = 0

    def will(self) -> tuple[str, str, int, bool]:
        return ("will", "gone", 1, True)

    def subscriptions(self) -> list[tuple[str, int]]:
        return [("t", 1)]

    def on_connected(self) -> None:
        self.up += 1

    def on_disconnected(self) -> None:
        self.down += 1

    def on_message(self, topic: str, payload: bytes, retained: bool) -> None:
        assert len(payload) <= 4097
        self.received.append((topic, payload, retained))


async def against(peer: bytes, condition: Callable[[MqttClient, Owner], bool], hang_up: bool = True) -> Owner:
    """Let the client talk to a peer that sends these bytes, until ``condition``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(peer)
        try:
            await writer.drain()
            if not hang_up:
                await reader.read()
        except OSError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = MqttClient("127.0.0.1", server.sockets[0].getsockname()[1], "c", Random(1).randbytes)
    client.owner = owner = Owner()
    client.backoff_ms = (1, 2)
    client.timeout_s = 0.5
    task = asyncio.create_task(client.run())
    try:
        await eventually(lambda: task.done() or condition(client, owner), 5, client.last_error)
        assert not task.done(), "the client gives up for good, or has raised"
    finally:
        client.stop()
        await asyncio.wait_for(task, 5)
        server.close()
    return owner


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.booleans(), st.binary(max_size=300))
def test_any_bytes(greeted: bool, noise: bytes) -> None:
    greeting = CONNACK + SUBACK if greeted else b""
    asyncio.run(against(greeting + noise, lambda client, owner: client.failures > 2 or owner.down > 2))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=6))
def test_packets_that_are_whole_but_wrong(noise: list[tuple[int, bytes]]) -> None:
    stream = b"".join(packets.packet(first, body) for first, body in noise)
    asyncio.run(against(CONNACK + SUBACK + stream, lambda client, owner: client.failures > 2 or owner.down > 1))


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (b"\x20\x02\x00\x05", "not authorised"),
        (b"\x20\x02\x00\xff", "255"),
        (b"\x30\x00\x00\x00", "no CONNACK"),
        (CONNACK + b"\x90\x03\x00\x01\x80", "refuses the subscription"),
        (CONNACK + SUBACK + b"\x30\xff\xff\xff\xff\x01", "more than four bytes"),
        (CONNACK + SUBACK + b"\x36\x05\x00\x01t\x00\x01", "cannot be read"),
        (CONNACK + SUBACK + b"\x32\x03\x00\x01t", "cannot be read"),
        (CONNACK + SUBACK + b"\x30\x04\x00\x02\xff\xfe", "not UTF-8"),
        (CONNACK + SUBACK + b"\x10\x00", "unexpected packet"),
        (CONNACK + SUBACK + b"\x40\xff\xff\x7f", "a packet of type 4"),
    ],
)
async def test_what_is_wrong_is_said(stream: bytes, error: str) -> None:
    await against(stream, lambda client, owner: error in client.last_error, hang_up=False)


async def test_a_huge_message_is_read_past_and_not_kept() -> None:
    huge = packets.publish("t", b"x" * 20_000_000, 1, False, 7)
    stream = CONNACK + SUBACK + huge + packets.publish("t", b"after", 0, True, 0)
    owner = await against(stream, lambda client, owner: len(owner.received) >= 2, hang_up=False)
    assert [(len(payload), retained) for _, payload, retained in owner.received] == [(4097, False), (5, True)]


async def test_messages_may_come_before_the_subscription_is_confirmed() -> None:
    stream = CONNACK + packets.publish("t", b"early", 0, True, 0) + SUBACK
    owner = await against(stream, lambda client, owner: owner.up == 1, hang_up=False)
    assert owner.received == [("t", b"early", True)]


async def test_a_peer_that_accepts_and_says_nothing_is_left_in_time() -> None:
    await against(b"", lambda client, owner: client.failures >= 1, hang_up=False)


async def test_nobody_listens() -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    client = MqttClient("127.0.0.1", port, "c", Random(1).randbytes)
    client.owner = Owner()
    client.backoff_ms = (1, 2)
    task = asyncio.create_task(client.run())
    await eventually(lambda: client.failures > 3)
    assert "ConnectionRefusedError" in client.last_error
    client.stop()
    await asyncio.wait_for(task, 5)


def test_numbers_of_packets_are_never_used_twice_at_a_time() -> None:
    client = MqttClient("h", 1, "c", Random(1).randbytes)
    client.connected = True
    client.max_queued_bytes = 1 << 30
    assert client.publish("t", b"first", 1, False)
    for _ in range(70_000):
        client._number = client._next_number()
        assert client._number != 1
