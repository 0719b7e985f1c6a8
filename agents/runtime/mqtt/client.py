"""The bus as a real MQTT connection: aiomqtt without its queue, manual acknowledgement and reconnection.

::

    transport = MqttTransport(options, clock)
    transport.serve(host)            # anything with subscriptions(), will(), deliver(), connected(), disconnected()
    task = asyncio.create_task(transport.run())
    ...
    await transport.close()

A message is handed to ``deliver`` in the moment it is read from the socket; aiomqtt's own queue, which is unbounded and
acknowledges what nobody has handled, is not used.
"""

import asyncio
import math
from functools import partial
from random import Random, SystemRandom
from typing import Any, Protocol

import aiomqtt
import paho.mqtt.client as paho
import structlog
from structlog.typing import FilteringBoundLogger

from agents.runtime.agent import BusUnavailable, Clock
from agents.runtime.backoff import full_jitter
from agents.runtime.bus import Publication
from agents.runtime.delivery.lane import RawMessage
from agents.runtime.mqtt.ack_window import AckWindow
from agents.runtime.mqtt.login_problem import login_problem
from agents.runtime.mqtt.message_socket import MessageSocket, Take
from agents.runtime.mqtt.options import NO_DELAY, MqttOptions

RECONNECT_BASE_S = 0.5
"""First bound of the delay before reconnecting."""

RECONNECT_CAP_S = 30.0
"""Last bound of it; a connection that lasted as long starts over with the first."""

ANSWER_TIMEOUT_S = 10.0
"""How long the broker may take to answer a CONNECT, SUBSCRIBE, PUBLISH or DISCONNECT."""


class Served(Protocol):
    """Whose messages a transport carries; :class:`agents.runtime.host.AgentHost` is one."""

    def subscriptions(self) -> list[tuple[str, int]]:
        """Return the topic filters to subscribe to, with their QoS."""

    def will(self) -> Publication | None:
        """Return what the broker is to publish when the connection is lost; asked before each connection."""

    def deliver(self, raw: RawMessage) -> None:
        """Take a message; must not block or raise. Messages may come before :meth:`connected`."""

    def connected(self) -> None:
        """Learn that subscriptions are made."""

    def disconnected(self) -> None:
        """Learn that the connection is lost."""


class MqttTransport:
    """One MQTT client that stays connected; the :class:`agents.runtime.bus.Transport` of a real process."""

    def __init__(
        self,
        options: MqttOptions,
        clock: Clock,
        *,
        random: Random | None = None,
        log: FilteringBoundLogger | None = None,
    ) -> None:
        """Prepare; nothing is connected before :meth:`run`."""
        self._options = options
        self._clock = clock
        self._random = SystemRandom() if random is None else random
        self._log: FilteringBoundLogger = structlog.get_logger() if log is None else log
        self._served: Served | None = None
        self._client: aiomqtt.Client | None = None
        self._connecting: aiomqtt.Client | None = None
        self._window: AckWindow | None = None
        self._publishing: set[asyncio.Timeout] = set()
        self._closing = asyncio.Event()

    def serve(self, served: Served) -> None:
        """Carry the messages of ``served``; call it before :meth:`run`."""
        self._served = served

    @property
    def unacknowledged(self) -> int:
        """QoS 1 messages that were delivered on this connection and not acknowledged yet."""
        return 0 if self._window is None else len(self._window)

    async def run(self) -> None:
        """Connect, and reconnect whenever the connection is lost, until :meth:`close`."""
        attempt = 0
        while not self._closing.is_set():
            started_s = self._clock.monotonic_s()
            try:
                await self._connection()
                reason = "the broker closed the connection"
            except (aiomqtt.MqttError, OSError) as error:
                reason = await login_problem(error, self._options, self._clock.now_ms())
            if self._closing.is_set():
                return
            if self._clock.monotonic_s() - started_s >= RECONNECT_CAP_S:
                attempt = 0
            delay_s = full_jitter(self._random, attempt, RECONNECT_BASE_S, RECONNECT_CAP_S)
            attempt += 1
            where = f"{self._options.host}:{self._options.port}"
            self._log.warning("broker_unavailable", broker=where, reason=reason, retry_in_s=round(delay_s, 2))
            await self._pause(delay_s)

    async def close(self) -> None:
        """Say good-bye to the broker, so that it does not publish the will, and let :meth:`run` return."""
        self._closing.set()

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        """Publish; at QoS 1 return once the broker has acknowledged it.

        Raises :class:`BusUnavailable` when not connected, when the connection is lost meanwhile, and when the broker
        does not answer within :data:`ANSWER_TIMEOUT_S`.
        """
        client = self._client
        if client is None:
            raise BusUnavailable("not connected to the broker")
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S) as scope:
                # aiomqtt does not notice by itself that the connection a publication waits on is lost.
                self._publishing.add(scope)
                try:
                    await client.publish(topic, payload, qos, retain, timeout=math.inf)
                finally:
                    self._publishing.discard(scope)
        except TimeoutError:
            lost = self._client is not client
            reason = "the connection was lost" if lost else f"the broker did not answer in {ANSWER_TIMEOUT_S:.0f} s"
            raise BusUnavailable(reason) from None
        except (aiomqtt.MqttError, ValueError) as error:
            raise BusUnavailable(f"the broker did not take the message: {error}") from error

    async def _connection(self) -> None:
        """Live through one connection: returns or raises :class:`aiomqtt.MqttError` when it is over."""
        served = self._served
        if served is None:
            raise RuntimeError("call serve() before run()")
        window = self._window = AckWindow()
        client = self._new_client(served)
        inner = _paho_of(client)
        inner.manual_ack_set(True)
        take = partial(self._take, served, window)
        _take_messages(inner, take)
        window.open(lambda mid: inner.ack(mid, 1))
        self._connecting = client
        try:
            async with client:
                self._client = client
                for topic_filter, qos in served.subscriptions():
                    await self._subscribe(client, topic_filter, qos)
                self._log.info("connected", broker=f"{self._options.host}:{self._options.port}")
                served.connected()
                await self._until_lost(client)
        finally:
            self._client = self._connecting = None
            window.close()
            if inner.socket() is not None:
                inner.disconnect()  # aiomqtt leaves the socket open when writing to it has failed.
            for scope in self._publishing:
                if not scope.expired():
                    scope.reschedule(0)
            served.disconnected()

    def _new_client(self, served: Served) -> aiomqtt.Client:
        options = self._options
        will = served.will()
        client = aiomqtt.Client(
            options.host,
            options.port,
            identifier=options.client_id,
            username=options.username,
            password=options.password,
            clean_session=options.clean_session,
            keepalive=options.keepalive_s,
            timeout=ANSWER_TIMEOUT_S,
            will=None if will is None else aiomqtt.Will(will.topic, will.payload, will.qos, will.retain),
            tls_context=options.tls_context(),
        )
        client.pending_calls_threshold = 65_535  # Only the threshold of a warning.
        return client

    def _take(
        self, served: Served, window: AckWindow, topic: str, payload: bytes, qos: int, retain: bool, mid: int
    ) -> None:
        if window.closed:
            return
        if self._client is None:
            # What the broker has queued comes right behind the CONNACK, before aiomqtt says that it is connected.
            self._client = self._connecting
        served.deliver(RawMessage(topic, payload, qos, retain, window.receive(mid) if qos else _nothing))

    async def _subscribe(self, client: aiomqtt.Client, topic_filter: str, qos: int) -> None:
        granted = await client.subscribe(topic_filter, qos)
        # paho reports a refusal as 0x80 or above.
        refused = [code for code in granted if (code if isinstance(code, int) else code.value) >= 0x80]
        if refused:
            self._log.error("subscription_refused", filter=topic_filter, remedy="check the broker's access list")

    async def _until_lost(self, client: aiomqtt.Client) -> None:
        async def listen() -> None:
            async for _ in client.messages:
                raise AssertionError("messages go past aiomqtt's queue")

        lost = asyncio.ensure_future(listen())
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({lost, closing}, return_when=asyncio.FIRST_COMPLETED)
            if lost.done():
                lost.result()
        finally:
            lost.cancel()
            closing.cancel()

    async def _pause(self, seconds: float) -> None:
        pause = asyncio.ensure_future(self._clock.sleep(seconds))
        closing = asyncio.ensure_future(self._closing.wait())
        await asyncio.wait({pause, closing}, return_when=asyncio.FIRST_COMPLETED)
        pause.cancel()
        closing.cancel()


def _paho_of(client: aiomqtt.Client) -> paho.Client:
    """Return the paho client inside an aiomqtt client.

    aiomqtt 2 has no way to acknowledge by hand; this and :func:`_take_messages` are the only places that reach into it
    and into paho, and ``tests/runtime/test_mqtt.py`` fails when an update moves what they reach for.
    """
    inner: Any = client._client
    if not isinstance(inner, paho.Client):
        raise TypeError("aiomqtt keeps its paho client elsewhere: adapt _paho_of")
    return inner


def _take_messages(inner: paho.Client, take: Take) -> None:
    """Hand the messages of a paho client that is not connected yet to ``take``, past aiomqtt's queue."""
    reached: Any = inner
    create = getattr(reached, "_create_socket", None)
    if create is None:
        raise TypeError("paho makes its socket elsewhere: adapt _take_messages")

    def reading() -> MessageSocket:
        connected = create()
        # aiomqtt sets its ``socket_options`` only on what is a socket.socket, and passes over all else in silence.
        connected.setsockopt(*NO_DELAY)
        return MessageSocket(connected, take)

    reached._create_socket = reading
    # Those that MessageSocket leaves to paho.
    inner.on_message = lambda _client, _userdata, message: take(
        message.topic, bytes(message.payload), message.qos, message.retain, message.mid
    )


def _nothing() -> None:
    """Acknowledge nothing: QoS 0."""
