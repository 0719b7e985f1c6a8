"""A small MQTT 3.1.1 client on asyncio: QoS 0 and 1, will, clean session, bounded everywhere.

It keeps connected, with full-jitter back-off. What was published with QoS 1 and not confirmed is sent again after a
reconnection, before anything new; nothing of QoS 1 is dropped, :meth:`MqttClient.publish` says no instead.
"""

import asyncio

from . import mqtt_packets as packets
from .mqtt_packets import ProtocolError
from .text import random_below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .seam import Owner, RandomBytes

MAX_TOPIC = 256
_SKIP = 512


class MqttClient:
    """One connection to a broker, again and again. ``owner`` must be set before :meth:`run`."""

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str,
        random: "RandomBytes",
        user: str | None = None,
        password: str | None = None,
        ssl: "Any" = None,
        max_payload: int = 4096,
    ) -> None:
        self._host = host
        self._port = port
        self._client_id = client_id
        self._random = random
        self._user = user
        self._password = password
        self._ssl = ssl
        self._max_payload = max_payload
        self.server_name: str | None = None
        """Whom the broker's certificate must name, where that is not ``host``."""
        self.keepalive_s = 30
        """What the broker is told: it gives us up after one and a half times as long without a packet."""
        self.ping_every_s = 15.0
        self.timeout_s = 10.0
        """Longest wait for the connection, for CONNACK and for SUBACK."""
        self.backoff_ms = (1000, 60_000)
        """Upper end of the first wait before a reconnection, and of the longest."""
        self.max_unconfirmed = 64
        self.max_queued_bytes = 32_768
        """Bound of what waits to be sent, and of what waits to be confirmed."""
        self.owner: Owner
        self.connected = False
        self.last_error = ""
        """Why the last connection ended or did not come about, in words."""
        self.failures = 0
        """Connections in a row that have ended or did not come about."""
        self.oversized = 0
        """Messages that were too long and therefore cut."""
        self._unconfirmed: list[tuple[int, bytes]] = []
        self._queue: list[bytes] = []
        self._queued_bytes = 0
        self._number = 0
        self._heard = False
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._subscribed = asyncio.Event()

    # --- what the owner calls -------------------------------------------------------------------------------------

    def publish(self, topic: str, payload: str | bytes, qos: int, retain: bool) -> bool:
        """Queue a publication; False if not connected or too much waits already."""
        data = payload.encode() if isinstance(payload, str) else payload
        if not self.connected or self._queued_bytes + len(data) > self.max_queued_bytes:
            return False
        if qos:
            if len(self._unconfirmed) >= self.max_unconfirmed:
                return False
            if sum([len(packet) for _, packet in self._unconfirmed]) + len(data) > self.max_queued_bytes:
                return False
            number = self._next_number()
            packet = packets.publish(topic, data, qos, retain, number)
            self._unconfirmed.append((number, packet))
        else:
            packet = packets.publish(topic, data, 0, retain, 0)
        self._send(packet)
        return True

    async def run(self) -> None:
        """Stay connected until :meth:`stop` or cancellation."""
        while not self._stopping.is_set():
            try:
                await self._connection()
            except (OSError, EOFError, MemoryError, asyncio.TimeoutError, ProtocolError) as error:
                self._note(error)
            if not self._stopping.is_set():
                low, high = self.backoff_ms
                longest = min(high, low << min(self.failures, 20))
                self.failures += 1
                await self._pause(random_below(self._random, longest + 1))

    async def _pause(self, ms: int) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), ms / 1000)
        except asyncio.TimeoutError:
            return

    def stop(self) -> None:
        """Say good-bye, with what the will would have said, and let :meth:`run` return."""
        self._stopping.set()
        self._ended.set()

    def _note(self, error: BaseException) -> None:
        self.last_error = "%s: %s" % (type(error).__name__, error)

    # --- one connection -------------------------------------------------------------------------------------------

    async def _connection(self) -> None:
        name = self.server_name if self._ssl else None
        opening = asyncio.open_connection(self._host, self._port, ssl=self._ssl, server_hostname=name)
        reader, writer = await asyncio.wait_for(opening, self.timeout_s)
        tasks = []
        try:
            await self._log_in(reader, writer)
            subscribed, ended = self._begin()
            for body in (self._write(writer), self._read(reader), self._keep_alive()):
                tasks.append(asyncio.create_task(self._guarded(body, subscribed, ended)))
            await asyncio.wait_for(subscribed.wait(), self.timeout_s)
            if not ended.is_set() and not self._stopping.is_set():
                self._up()
                await ended.wait()
        finally:
            for task in tasks:
                task.cancel()
            self._down()
            await self._close(writer)

    async def _log_in(self, reader: "Any", writer: "Any") -> None:
        """Wait until the broker lets us in; a TLS handshake that has not been made is made on the way."""
        will = self.owner.will()
        try:
            writer.write(packets.connect(self._client_id, self._user, self._password, self.keepalive_s, will))
            await asyncio.wait_for(writer.drain(), self.timeout_s)
            await asyncio.wait_for(self._connack(reader), self.timeout_s)
        except ValueError as error:
            # MicroPython's word for a certificate that is not trusted; its text is a line for each reason.
            reasons = [line for line in str(error).split("\n") if line]
            raise ProtocolError("the broker is not trusted: " + "; ".join(reasons)) from None

    async def _connack(self, reader: "Any") -> None:
        head = await reader.readexactly(4)
        if head[0] != packets.CONNACK << 4 or head[1] != 2:
            raise ProtocolError("no CONNACK")
        if head[3]:
            meaning = packets.REFUSALS[head[3]] if head[3] < len(packets.REFUSALS) else str(head[3])
            raise ProtocolError("the broker refuses: " + meaning)

    def _begin(self) -> "tuple[asyncio.Event, asyncio.Event]":
        """Return the events of this connection: subscribed, ended."""
        self._wake.clear()
        # New ones, so that a task of the last connection cannot end this one.
        self._subscribed, self._ended = asyncio.Event(), asyncio.Event()
        self._queue = []
        self._queued_bytes = 0
        self._heard = True
        self._send(packets.subscribe(self._next_number(), self.owner.subscriptions()))
        return self._subscribed, self._ended

    def _up(self) -> None:
        self.failures = 0
        self.connected = True
        self.last_error = ""
        for _, packet in self._unconfirmed:
            self._send(packet)
        self.owner.on_connected()

    def _down(self) -> None:
        if self.connected:
            self.connected = False
            self.owner.on_disconnected()

    async def _close(self, writer: "Any") -> None:
        try:
            if self._stopping.is_set():
                topic, payload, _, retain = self.owner.will()
                writer.write(packets.publish(topic, payload.encode(), 0, retain, 0) + packets.DISCONNECT)
                await asyncio.wait_for(writer.drain(), 1)
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), 1)
        except (OSError, EOFError, asyncio.TimeoutError):
            # It is gone either way.
            return

    async def _guarded(self, body: "Any", subscribed: asyncio.Event, ended: asyncio.Event) -> None:
        """Run one of the three loops; however it ends, the connection ends with it."""
        try:
            await body
        except (OSError, EOFError, MemoryError, ProtocolError) as error:
            # MemoryError: with a part of a packet read there is no way back into the stream but a new connection.
            self._note(error)
        finally:
            subscribed.set()
            ended.set()

    # --- writing --------------------------------------------------------------------------------------------------

    def _next_number(self) -> int:
        used = [number for number, _ in self._unconfirmed]
        while True:
            self._number = self._number % 0xFFFF + 1
            if self._number not in used:
                return self._number

    def _send(self, packet: bytes) -> None:
        self._queue.append(packet)
        self._queued_bytes += len(packet)
        self._wake.set()

    async def _write(self, writer: "Any") -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                packet = self._queue.pop(0)
                writer.write(packet)
                await writer.drain()
                self._queued_bytes -= len(packet)

    async def _keep_alive(self) -> None:
        """Ping, and give up when nothing has come between three pings."""
        silent = 0
        while silent < 3:
            await asyncio.sleep(self.ping_every_s)
            silent = 0 if self._heard else silent + 1
            self._heard = False
            self._send(packets.PINGREQ)
        raise ProtocolError("the broker is silent")

    # --- reading --------------------------------------------------------------------------------------------------

    async def _read(self, reader: "Any") -> None:
        while True:
            first = (await reader.readexactly(1))[0]
            size = await self._length(reader)
            self._heard = True
            kind = first >> 4
            if kind == packets.PUBLISH:
                await self._take_publish(reader, first, size)
                continue
            if size > _SKIP:
                raise ProtocolError("a packet of type %d with %d bytes" % (kind, size))
            body = await reader.readexactly(size) if size else b""
            if kind == packets.PUBACK and size == 2:
                number = body[0] << 8 | body[1]
                self._unconfirmed = [waiting for waiting in self._unconfirmed if waiting[0] != number]
            elif kind == packets.SUBACK and size > 2:
                if max(body[2:]) > 2:
                    raise ProtocolError("the broker refuses the subscription")
                self._subscribed.set()
            elif kind != packets.PINGRESP:
                raise ProtocolError("an unexpected packet of type %d" % kind)

    async def _length(self, reader: "Any") -> int:
        value = 0
        for shift in (0, 7, 14, 21):
            byte: int = (await reader.readexactly(1))[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ProtocolError("a length of more than four bytes")

    async def _take_publish(self, reader: "Any", first: int, size: int) -> None:
        qos = first >> 1 & 3
        head = await reader.readexactly(2)
        topic_size = head[0] << 8 | head[1]
        rest = size - 2 - topic_size - (2 if qos else 0)
        if qos > 1 or rest < 0 or topic_size > MAX_TOPIC:
            raise ProtocolError("a PUBLISH that cannot be read")
        try:
            topic = str(await reader.readexactly(topic_size), "utf-8")
        except ValueError:
            raise ProtocolError("a topic that is not UTF-8") from None
        number = await reader.readexactly(2) if qos else b""
        wanted = min(rest, self._max_payload + 1)
        payload = await reader.readexactly(wanted) if wanted else b""
        await self._skip(reader, rest - wanted)
        if wanted > self._max_payload:
            self.oversized += 1
        self.owner.on_message(topic, payload, first & 1 == 1)
        if qos:
            self._send(packets.puback(number[0] << 8 | number[1]))

    async def _skip(self, reader: "Any", count: int) -> None:
        """Read past the rest of a message that is too long, without keeping it."""
        while count > 0:
            data = await reader.read(min(count, _SKIP))
            if not data:
                raise EOFError("the connection ended within a message")
            self._heard = True
            count -= len(data)
