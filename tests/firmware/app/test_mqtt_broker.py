"""The MQTT client against a real broker."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from firmware.app.mqtt import MqttClient
from tests.brokers import RunningBroker
from tests.missing import missing
from tests.waiting import eventually

pytestmark = pytest.mark.broker


class Owner:
    """Remembers what it is told."""

    def __init__(self, name: str, topics: list[tuple[str, int]]) -> None:
        self.name = name
        self.topics = topics
        self.received: list[tuple[str, bytes, bool]] = []
        self.ups = 0
        self.downs = 0

    def will(self) -> tuple[str, str, int, bool]:
        return (f"will/{self.name}", "gone", 1, True)

    def subscriptions(self) -> list[tuple[str, int]]:
        return self.topics

    def on_connected(self) -> None:
        self.ups += 1

    def on_disconnected(self) -> None:
        self.downs += 1

    def on_message(self, topic: str, payload: bytes, retained: bool) -> None:
        self.received.append((topic, payload, retained))


Connect = Callable[..., Awaitable[tuple[MqttClient, Owner]]]


@asynccontextmanager
async def clients(broker: RunningBroker) -> AsyncIterator[Connect]:
    tasks: list[asyncio.Task[None]] = []
    made: list[MqttClient] = []

    async def connect(name: str, *topics: str) -> tuple[MqttClient, Owner]:
        client = MqttClient(broker.host, broker.port, name, Random(1).randbytes)
        client.backoff_ms = (20, 200)
        client.owner = owner = Owner(name, [(topic, 1) for topic in topics] or [("unused", 1)])
        made.append(client)
        tasks.append(asyncio.create_task(client.run()))
        await eventually(lambda: client.connected, what=f"{name} connects: {client.last_error}")
        return client, owner

    yield connect
    for client in made:
        client.stop()
    await asyncio.wait_for(asyncio.gather(*tasks), 5)


async def test_messages_come_in_order_and_are_confirmed(broker: RunningBroker) -> None:
    async with clients(broker) as connect:
        _, reader = await connect("reader", "a/+")
        writer, _ = await connect("writer")
        for number in range(60):
            assert writer.publish("a/b", str(number), number % 2, False)
        await eventually(lambda: len(reader.received) == 60)
        assert [payload for _, payload, _ in reader.received] == [str(number).encode() for number in range(60)]
        await eventually(lambda: not writer._unconfirmed, what="all confirmed")


async def test_the_retained_flag_is_seen(broker: RunningBroker) -> None:
    async with clients(broker) as connect:
        writer, _ = await connect("writer")
        writer.publish("r/1", "kept", 1, True)
        await eventually(lambda: not writer._unconfirmed)
        _, reader = await connect("reader", "r/1")
        await eventually(lambda: reader.received == [("r/1", b"kept", True)])
        writer.publish("r/1", "live", 1, True)
        await eventually(lambda: reader.received[1:] == [("r/1", b"live", False)])


async def test_a_full_queue_says_no_and_loses_nothing(broker: RunningBroker) -> None:
    async with clients(broker) as connect:
        _, reader = await connect("reader", "q")
        writer, _ = await connect("writer")
        taken = [number for number in range(500) if writer.publish("q", str(number), 1, False)]
        assert len(taken) == writer.max_unconfirmed
        assert not writer.publish("q", b"x" * (writer.max_queued_bytes + 1), 0, False)
        await eventually(lambda: len(reader.received) == len(taken))
        assert [int(payload) for _, payload, _ in reader.received] == taken
        await eventually(lambda: writer.publish("q", "again", 1, False))


async def test_a_message_that_is_too_long_comes_cut_and_the_next_one_whole(broker: RunningBroker) -> None:
    async with clients(broker) as connect:
        client, reader = await connect("reader", "long")
        writer, _ = await connect("writer")
        writer.max_queued_bytes = 2_000_000
        for payload in (b"x" * 4096, b"y" * 4097, b"z" * 1_048_576, b"short"):
            assert writer.publish("long", payload, 1, False)
        await eventually(lambda: len(reader.received) == 4)
        assert [len(payload) for _, payload, _ in reader.received] == [4096, 4097, 4097, 5]
        assert client.oversized == 2


async def test_the_will_is_published_when_the_connection_breaks_and_on_leaving(broker: RunningBroker) -> None:
    async with clients(broker) as connect:
        _, watcher = await connect("watcher", "will/+")
        lost = MqttClient(broker.host, broker.port, "lost", Random(1).randbytes)
        lost.owner = Owner("lost", [("unused", 1)])
        task = asyncio.create_task(lost.run())
        await eventually(lambda: lost.connected)
        task.cancel()
        await eventually(lambda: ("will/lost", b"gone", False) in watcher.received)
        leaving, _ = await connect("leaving")
        leaving.stop()
        await eventually(lambda: ("will/leaving", b"gone", False) in watcher.received)


async def test_after_a_broken_connection_what_was_not_confirmed_comes_again(broker: RunningBroker) -> None:
    async with clients(broker) as connect:
        writer, owner = await connect("writer")
        _, reader = await connect("reader", "again")
        broker.kill()
        # Nobody confirms these: the broker is gone, which the client may not have noticed yet.
        sent = [number for number in range(5) if writer.publish("again", str(number), 1, False)]
        await eventually(lambda: owner.downs == 1)
        assert not writer.publish("again", "refused", 1, False)
        broker.restart()
        await eventually(lambda: owner.ups == 2 and reader.ups == 2)
        await eventually(lambda: not writer._unconfirmed)
        # The reader's own session was clean: it may have come back after the writer. Nothing is wrong, only missing.
        assert {int(payload) for _, payload, _ in reader.received} <= set(sent)
        assert writer.publish("again", "new", 1, False)
        await eventually(lambda: ("again", b"new", False) in reader.received)


async def test_a_silent_broker_is_given_up() -> None:
    silent: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent.append(writer)
        await reader.readexactly(2)
        writer.write(bytes((0x20, 2, 0, 0)) + bytes((0x90, 3, 0, 1, 1)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = MqttClient("127.0.0.1", server.sockets[0].getsockname()[1], "c", Random(1).randbytes)
    client.ping_every_s = 0.05
    client.owner = owner = Owner("c", [("t", 1)])
    client.backoff_ms = (10, 10)
    task = asyncio.create_task(client.run())
    try:
        await eventually(lambda: owner.downs >= 1, what=client.last_error)
    finally:
        task.cancel()
        server.close()


async def test_over_tls(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        missing("openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    making = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    command = ["openssl", *making.split(), "-keyout", str(key), "-out", str(certificate)]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
    received = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes((0x20, 2, 0, 0)) + bytes((0x90, 3, 0, 1, 1)))
        while data := await reader.read(100):
            received.extend(data)
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(serve, "localhost", 0, ssl=context)
    trusted = ssl.create_default_context(cafile=str(certificate))
    client = MqttClient("localhost", server.sockets[0].getsockname()[1], "c", Random(1).randbytes, ssl=trusted)
    client.owner = Owner("c", [("t", 1)])
    task = asyncio.create_task(client.run())
    await eventually(lambda: client.connected, what=client.last_error)
    client.publish("t", "secret", 0, False)
    await eventually(lambda: b"secret" in received)
    client.stop()
    await asyncio.wait_for(task, 5)
    server.close()
