"""The real connection: acknowledgement, reconnection, what a refused connection says."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from agents.runtime.agent import BusUnavailable
from agents.runtime.backoff import full_jitter
from agents.runtime.bus import Publication
from agents.runtime.clock import SystemClock
from agents.runtime.delivery.lane import RawMessage
from agents.runtime.mqtt.ack_window import AckWindow
from agents.runtime.mqtt.client import RECONNECT_BASE_S, RECONNECT_CAP_S, MqttTransport, _paho_of
from agents.runtime.mqtt.message_socket import MessageSocket
from agents.runtime.mqtt.options import MqttOptions
from tests.brokers import RunningBroker, free_port, mosquitto, remove_broker, start_broker
from tests.missing import missing
from tests.waiting import eventually


class Served:
    """Keeps what it is delivered; acknowledges when told."""

    def __init__(self) -> None:
        self.delivered: list[RawMessage] = []
        self.events: list[str] = []
        self.filters = [("test/#", 1)]
        self.acknowledge = False

    def subscriptions(self) -> list[tuple[str, int]]:
        return self.filters

    def will(self) -> Publication:
        return Publication("will", b"gone", 1, retain=True)

    def deliver(self, raw: RawMessage) -> None:
        self.delivered.append(raw)
        if self.acknowledge:
            raw.acknowledge()

    def connected(self) -> None:
        self.events.append("connected")

    def disconnected(self) -> None:
        self.events.append("disconnected")

    @property
    def payloads(self) -> list[bytes]:
        return [raw.payload for raw in self.delivered]


class FastClock(SystemClock):
    """Remembers how long it was to sleep, and sleeps hardly at all."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(min(seconds, 0.01))


class Connection:
    """A transport that runs in the background."""

    def __init__(self, broker: Any, client_id: str = "agent", clock: SystemClock | None = None, **options: Any) -> None:
        self.served = Served()
        self.logs = structlog.testing.LogCapture()
        log: Any = structlog.wrap_logger(None, processors=[self.logs])
        self.transport = MqttTransport(
            MqttOptions(broker.host, broker.port, client_id, **options),
            FastClock() if clock is None else clock,
            random=Random(1),
            log=log,
        )
        self.transport.serve(self.served)
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Connection":
        self.task = asyncio.create_task(self.transport.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.transport.close()
        assert self.task is not None
        await asyncio.wait_for(self.task, 20)

    async def up(self) -> "Connection":
        await eventually(lambda: "connected" in self.served.events, 15, "connected")
        return self

    def cut(self) -> None:
        """Lose the connection without a word."""
        assert self.transport._client is not None
        inner = _paho_of(self.transport._client).socket()
        assert isinstance(inner, MessageSocket)
        inner.shutdown(socket.SHUT_RDWR)

    def delays(self) -> bool:
        """Tell whether the second of two small messages waits for the first one's acknowledgement (Nagle)."""
        assert self.transport._client is not None
        inner = _paho_of(self.transport._client).socket()
        assert isinstance(inner, MessageSocket)
        return not inner._inner.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    def reasons(self) -> list[str]:
        return [entry["reason"] for entry in self.logs.entries if entry["event"] == "broker_unavailable"]


@pytest.fixture
async def other(broker: RunningBroker) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client(broker.host, broker.port) as client:
        yield client


async def test_aiomqtt_still_keeps_its_paho_client_where_we_reach_for_it() -> None:
    client = aiomqtt.Client("localhost")
    inner = _paho_of(client)
    assert isinstance(inner, paho.Client)
    inner.manual_ack_set(True)
    assert inner._manual_ack is True
    client._client = None  # type: ignore[assignment]
    with pytest.raises(TypeError, match="adapt _paho_of"):
        _paho_of(client)


@pytest.mark.broker
async def test_no_small_message_waits_for_the_one_before(broker: RunningBroker) -> None:
    async with Connection(broker) as connection:
        await connection.up()
        assert not connection.delays()


@pytest.mark.broker
async def test_unacknowledged_messages_come_again_and_acknowledged_ones_do_not(
    broker: RunningBroker, other: aiomqtt.Client
) -> None:
    async with Connection(broker) as connection:
        await connection.up()
        for number in range(6):
            await other.publish("test/a", str(number), qos=1)
        await eventually(lambda: len(connection.served.delivered) == 6)
        for raw in connection.served.delivered[:3]:
            raw.acknowledge()
        assert connection.transport.unacknowledged == 3
        await asyncio.wait_for(connection.transport.publish("test/flush", b"", 1, False), 5)  # Acks are written by now.
        connection.served.delivered.clear()
        connection.cut()
        await eventually(lambda: connection.served.events.count("connected") == 2)
        await eventually(lambda: connection.served.payloads[:3] == [b"3", b"4", b"5"])
        assert b"0" not in connection.served.payloads


@pytest.mark.broker
async def test_acknowledgements_keep_the_order_of_reception(broker: RunningBroker, other: aiomqtt.Client) -> None:
    async with Connection(broker) as connection:
        await connection.up()
        for number in range(4):
            await other.publish("test/a", str(number), qos=1)
        await eventually(lambda: len(connection.served.delivered) == 4)
        for raw in connection.served.delivered[1:]:
            raw.acknowledge()
        assert connection.transport.unacknowledged == 4, "the first holds up the others"
        connection.served.delivered[0].acknowledge()
        connection.served.delivered[0].acknowledge()
        assert connection.transport.unacknowledged == 0


@pytest.mark.broker
async def test_unacknowledged_messages_are_bounded_by_the_brokers_window(
    broker: RunningBroker, other: aiomqtt.Client
) -> None:
    """The only bound of QoS 1, which is never dropped: what an agent does not acknowledge stays at the broker."""
    async with Connection(broker) as connection:
        served = connection.served
        await connection.up()
        for _ in range(25):
            await asyncio.gather(*(other.publish("test/a", "x", qos=1) for _ in range(100)))
        await eventually(lambda: len(served.delivered) >= 1000)
        await other.publish("test/a", "x", qos=1)
        assert len(served.delivered) == 1000
        served.acknowledge = True
        for raw in served.delivered[:]:
            raw.acknowledge()
        await eventually(lambda: len(served.delivered) == 2501, 20)


@given(st.permutations(range(8)))
def test_window_sends_in_order_each_once(order: list[int]) -> None:
    sent: list[int] = []
    window = AckWindow()
    receipts = [window.receive(mid) for mid in range(8)]
    window.open(sent.append)
    for number in order:
        receipts[number]()
        assert sent == list(range(len(sent)))
    assert sent == list(range(8))
    late = window.receive(9)
    window.close()
    late()
    assert sent == list(range(8)), "a packet id of a lost connection means nothing on the next one"


@pytest.mark.broker
async def test_messages_queued_while_away_arrive_before_it_says_connected(
    broker: RunningBroker, other: aiomqtt.Client
) -> None:
    async with Connection(broker) as connection:
        await connection.up()
    for number in range(20):
        await other.publish("test/a", str(number), qos=1)
    async with Connection(broker) as connection:
        connection.served.acknowledge = True
        await eventually(lambda: len(connection.served.delivered) == 20)
        assert connection.served.payloads == [str(number).encode() for number in range(20)]
        assert not any(raw.retained for raw in connection.served.delivered)
        await connection.up()


@pytest.mark.broker
async def test_handler_may_publish_as_soon_as_it_has_a_message(broker: RunningBroker, other: aiomqtt.Client) -> None:
    async with Connection(broker) as connection:
        await connection.up()
    await other.publish("test/a", "1", qos=1)
    async with Connection(broker) as connection:
        served, published, ready = connection.served, [], []

        def deliver(raw: RawMessage) -> None:
            ready.append(connection.transport._client is not None)
            if not published:
                published.append(asyncio.ensure_future(connection.transport.publish("answer", b"2", 1, False)))
            raw.acknowledge()

        served.deliver = deliver  # type: ignore[method-assign]
        await eventually(lambda: published)
        await asyncio.wait_for(published[0], 10)
        assert all(ready), "a handler that started at once would have found no connection"


@pytest.mark.broker
async def test_take_over_by_a_second_copy_does_not_lose_or_spin(broker: RunningBroker) -> None:
    clock = FastClock()
    async with Connection(broker, clock=clock) as first:
        await first.up()
        async with Connection(broker, client_id="agent") as second:
            await second.up()
            await eventually(lambda: "disconnected" in first.served.events)
    assert all(delay <= RECONNECT_CAP_S for delay in clock.slept)


@pytest.mark.broker
async def test_publication_fails_at_once_when_the_broker_dies(broker: RunningBroker) -> None:
    async with Connection(broker, clock=SystemClock()) as connection:
        await connection.up()
        await connection.transport.publish("x", b"1", 1, False)
        waiting = asyncio.create_task(_publish_until_it_fails(connection.transport))
        await asyncio.to_thread(broker.kill)
        await asyncio.wait_for(waiting, 5)
        with pytest.raises(BusUnavailable, match="not connected"):
            await connection.transport.publish("x", b"1", 1, False)


async def _publish_until_it_fails(transport: MqttTransport) -> None:
    with pytest.raises(BusUnavailable):
        while True:
            await transport.publish("x", b"1", 1, False)


@pytest.mark.broker
async def test_thousand_publications_at_once(broker: RunningBroker, other: aiomqtt.Client) -> None:
    await other.subscribe("x", 1)
    async with Connection(broker) as connection:
        await connection.up()
        await asyncio.gather(*(connection.transport.publish("x", str(n).encode(), 1, False) for n in range(1000)))
    received = []
    async for message in other.messages:
        received.append(int(message.payload))
        if len(received) == 1000:
            break
    assert received == list(range(1000))


async def test_delays_between_attempts_are_jittered_within_bounds() -> None:
    class Nowhere:
        host, port = "127.0.0.1", free_port()

    clock = FastClock()
    async with Connection(Nowhere, clock=clock) as connection:
        await eventually(lambda: len(clock.slept) >= 12, 20)
    for attempt, delay in enumerate(clock.slept):
        assert 0 <= delay <= min(RECONNECT_CAP_S, RECONNECT_BASE_S * 2**attempt)
    assert len({round(delay, 6) for delay in clock.slept}) > 8
    assert max(clock.slept) > 2
    assert "nothing listens there" in connection.reasons()[0]


@given(st.integers(0, 10_000), st.integers(0, 2**32))
def test_jitter_is_within_its_bounds(attempt: int, seed: int) -> None:
    delay = full_jitter(Random(seed), attempt, 0.5, 30.0)
    assert 0 <= delay <= min(30.0, 0.5 * 2.0 ** min(attempt, 62))


async def test_name_that_nobody_knows_is_explained() -> None:
    class Nowhere:
        host, port = "no-such-host.invalid", 1883

    async with Connection(Nowhere) as connection:
        reasons = await eventually(connection.reasons, 20)
    assert "check broker.host" in reasons[0] or "cannot be looked up" in reasons[0]


@pytest.mark.broker
async def test_wrong_password_is_explained(tmp_path: Path) -> None:
    if mosquitto() is None or shutil.which("mosquitto_passwd") is None:
        missing("mosquitto and mosquitto_passwd")
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "ledger", "right"], check=True)
    passwords.chmod(0o600)
    conf = f"password_file {passwords}\n"
    broker = start_broker("installed", tmp_path, extra_conf=f"allow_anonymous false\n{conf}", wait_for_login=False)
    try:
        async with Connection(broker, username="ledger", password="wrong") as connection:
            reasons = await eventually(connection.reasons, 10)
        assert "ledger" in reasons[0]
        assert "password" in reasons[0]
        assert "wrong'" not in reasons[0]
        async with Connection(broker, username="ledger", password="right") as connection:
            await connection.up()
        assert "right" not in repr(connection.transport._options)
    finally:
        remove_broker(broker)


@pytest.mark.broker
async def test_tls_is_checked_and_explained(tmp_path: Path) -> None:
    if mosquitto() is None or shutil.which("openssl") is None:
        missing("mosquitto and openssl")
    certificate, key = _certificate(tmp_path, "localhost")
    stranger, _ = _certificate(tmp_path, "elsewhere")
    conf = f"certfile {certificate}\nkeyfile {key}\n"
    broker = start_broker("installed", tmp_path, extra_conf="", listener_conf=conf, wait_for_login=False)

    class Named:
        host, port = "localhost", broker.port

    try:
        async with Connection(Named, ca_file=certificate) as connection:
            await connection.up()
        async with Connection(Named, ca_file=stranger) as connection:
            reasons = await eventually(connection.reasons, 10)
        assert "check broker.ca_file" in reasons[0]
        async with Connection(Named, tls=True) as connection:
            reasons = await eventually(connection.reasons, 10)
        assert "check broker.ca_file" in reasons[0]
    finally:
        remove_broker(broker)


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=DNS:{name}"],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


@pytest.mark.broker
async def test_will_is_published_when_the_connection_is_cut(broker: RunningBroker, other: aiomqtt.Client) -> None:
    await other.subscribe("will", 1)
    async with Connection(broker, clock=SystemClock()) as connection:
        await connection.up()
        connection.cut()
        message = await asyncio.wait_for(anext(aiter(other.messages)), 10)
        assert message.payload == b"gone"
