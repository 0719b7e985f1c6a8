"""The network between one client and the broker, and the client's end of the MQTT connection.

A TCP connection keeps the order of what one client sends, whatever it delays; only a ``hostile`` link does not. What is
on its way when the connection breaks is lost. A cut link stalls: the two ends find out by their own keep-alives, the
client before the broker, so that the broker's will comes late, as it does in a garage.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.world.broker import Broker, Connection, Packet
from tests.world.loop import VirtualLoop


@dataclass(frozen=True, slots=True)
class LinkFaults:
    """What a link does to packets. Probabilities are per packet."""

    delay_ms: int = 0
    """Longest usual delay."""
    slow: float = 0.0
    """Probability of a delay up to ``slow_ms`` (a retransmission): everything behind it waits too."""
    slow_ms: int = 0
    drop: float = 0.0
    """Probability that a QoS 0 message is lost."""
    duplicate: float = 0.0
    """Probability that a QoS 1 message arrives a second time."""
    hostile: bool = False
    """Whether packets of one connection overtake each other, which TCP forbids."""
    keep_alive_ms: int = 15_000
    """After so long without an answer the client gives up; the broker after one and a half times that."""


Will = Callable[[], Packet]


class _Lane:
    """One direction of a connection."""

    def __init__(self, loop: VirtualLoop, faults: LinkFaults, random: Random, *, direct: bool) -> None:
        self.cut = False
        self._direct = direct
        self._loop, self._faults, self._random = loop, faults, random
        self._last_ms = 0
        self._stalled: list[Callable[[], None]] = []
        self._instant = faults.delay_ms == 0 and faults.slow == 0

    def send(self, arrive: Callable[[], None]) -> None:
        if self.cut:
            self._stalled.append(arrive)
        elif self._instant and self._last_ms <= self._loop.now_ms:
            if self._direct:
                arrive()
            else:
                self._loop.at(self._loop.now_ms, arrive)
        else:
            when = self._loop.now_ms + self._delay()
            if not self._faults.hostile:
                when = self._last_ms = max(self._last_ms, when)
            self._loop.at(when, arrive)

    def again(self, arrive: Callable[[], None]) -> None:
        """Let the packet that was just sent arrive once more: behind it, or on a hostile link whenever it likes.

        A client sends unacknowledged packets again in their order, so that an old one never comes alone after a newer.
        """
        if not self._faults.hostile:
            self.send(arrive)
        elif not self.cut:
            self._loop.at(self._loop.now_ms + self._random.randrange(self._faults.slow_ms + 1), arrive)

    def heal(self) -> None:
        self.cut = False
        stalled, self._stalled = self._stalled, []
        for arrive in stalled:
            self.send(arrive)

    def _delay(self) -> int:
        faults, random = self._faults, self._random
        if faults.slow and random.random() < faults.slow:
            return random.randrange(faults.slow_ms + 1)
        return random.randrange(faults.delay_ms + 1)


class BusClient:
    """A client of the broker: connects by itself, again and again, until it is stopped.

    ``on_message(packet, acknowledge)`` is called for every message; ``on_up`` after each connect and ``on_down``
    after each loss. ``subscriptions`` is asked at every connect. ``resend`` keeps unacknowledged QoS 1 messages over a
    reconnect and sends them again with DUP; otherwise ``on_lost`` of each is called.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        broker: Broker,
        random: Random,
        faults: LinkFaults,
        *,
        user: str,
        client_id: str,
        clean: bool,
        will: Will | None,
        subscriptions: Callable[[], list[tuple[str, int]]],
        on_message: Callable[[Packet, Callable[[], None]], None],
        on_up: Callable[[], None],
        on_down: Callable[[], None],
        resend: bool = False,
    ) -> None:
        self.user, self.client_id = user, client_id
        self.faults = faults
        self.connection: Connection | None = None
        self._loop, self._broker, self._random = loop, broker, random
        self._clean, self._will, self._subscriptions = clean, will, subscriptions
        self._on_message, self._on_up, self._on_down = on_message, on_up, on_down
        self._resend = resend
        # Without a delay the broker has a packet at once, but never may a client be called out of its own call.
        self._up = _Lane(loop, faults, random, direct=True)
        self._down = _Lane(loop, faults, random, direct=False)
        self._pending: dict[int, tuple[Packet, Callable[[bool], None] | None]] = {}
        self._next_id = 0
        self._running = False
        self._cut = False
        self._life = 0

    @property
    def connected(self) -> bool:
        """Whether the client believes that it is connected."""
        return self.connection is not None

    @property
    def unconfirmed(self) -> int:
        """QoS 1 messages that the broker has not acknowledged."""
        return len(self._pending)

    def start(self) -> None:
        """Begin to connect."""
        self._running = True
        self._life += 1
        self._try_later(0)

    def stop(self) -> None:
        """Say good-bye and stay away."""
        connection = self.connection
        self._running = False
        if connection is not None:
            self._up.send(lambda: self._broker.disconnect(connection) if connection.open else None)
            self._forget()

    def die(self, *, power: bool) -> None:
        """The client's process is killed, or (``power``) its machine: then the broker only notices by keep-alive."""
        connection = self.connection
        self._running = False
        self.connection = None
        self._life += 1
        self._pending.clear()
        if connection is not None:
            after = self._broker_patience() if power or self._cut else self._random.randrange(50)
            self._loop.at(self._loop.now_ms + after, lambda: self._broker.lose(connection, tell=False))

    def drop(self) -> None:
        """The connection breaks, seen by both ends at once."""
        connection = self.connection
        if connection is not None:
            self._broker.lose(connection, tell=False)
            self._lost(connection)

    def partition(self) -> None:
        """Cut the cable."""
        if self._cut:
            return
        self._cut = self._up.cut = self._down.cut = True
        connection = self.connection
        if connection is not None:
            patience = self.faults.keep_alive_ms
            client_after = self._random.randrange(patience // 3, patience)
            self._loop.at(self._loop.now_ms + client_after, lambda: self._give_up(connection))
            self._loop.at(self._loop.now_ms + self._broker_patience(), lambda: self._expire(connection))

    def heal(self) -> None:
        """Mend the cable: what was stalled arrives, if its connection still stands."""
        self._cut = False
        self._up.heal()
        self._down.heal()

    def publish(
        self, topic: str, payload: bytes, qos: int, retain: bool, done: Callable[[bool], None] | None = None
    ) -> bool:
        """Send a message; False if there is no connection. ``done(True)`` is called at the broker's PUBACK,
        ``done(False)`` if the connection broke before it.
        """
        connection = self.connection
        if connection is None:
            return False
        if qos == 0:
            if not (self.faults.drop and self._random.random() < self.faults.drop):
                packet = Packet(topic, payload, 0, retain)
                self._up.send(lambda: self._broker.publish(self.user, packet) if connection.open else None)
            return True
        self._next_id = packet_id = self._next_id % 65535 + 1
        packet = Packet(topic, payload, 1, retain, packet_id)
        self._pending[packet_id] = (packet, done)
        self._transmit(connection, packet)
        return True

    def _transmit(self, connection: Connection, packet: Packet) -> None:
        def arrive() -> None:
            if connection.open:
                self._broker.publish(self.user, packet)
                self._down.send(lambda: self._confirmed(connection, packet.packet_id))

        self._up.send(arrive)
        if self.faults.duplicate and self._random.random() < self.faults.duplicate:
            self._up.again(arrive)

    def _confirmed(self, connection: Connection, packet_id: int) -> None:
        if self.connection is connection:
            _, done = self._pending.pop(packet_id, (None, None))
            if done is not None:
                done(True)

    def _receive(self, connection: Connection, packet: Packet) -> None:
        if self.connection is not connection:
            return

        def acknowledge() -> None:
            if packet.qos and self.connection is connection:
                self._up.send(
                    lambda: self._broker.acknowledged(connection, packet.packet_id) if connection.open else None
                )

        self._on_message(packet, acknowledge)

    def _deliver(self, connection: Connection, packet: Packet) -> None:
        faults = self.faults
        if packet.qos == 0 and faults.drop and self._random.random() < faults.drop:
            return
        self._down.send(lambda: self._receive(connection, packet))
        if packet.qos and faults.duplicate and self._random.random() < faults.duplicate:
            again = Packet(packet.topic, packet.payload, 1, packet.retained, packet.packet_id, duplicate=True)
            self._down.again(lambda: self._receive(connection, again))

    def _connect(self) -> None:
        if not self._running or self.connection is not None:
            return
        if self._cut or not self._broker.up:
            self._try_later(self._random.randrange(200, 5000))
            return
        box: list[Connection] = []
        early: list[Packet] = []

        def send(packet: Packet) -> None:
            if box:
                self._deliver(box[0], packet)
            else:
                early.append(packet)

        def closed() -> None:
            self._loop.at(self._loop.now_ms + self._random.randrange(20), lambda: self._lost(box[0]))

        will = None if self._will is None else self._will()
        connection, _ = self._broker.connect(self.user, self.client_id, self._clean, will, send, closed)
        box.append(connection)
        self.connection = connection
        for packet in early:
            self._deliver(connection, packet)
        self._broker.subscribe(connection, self._subscriptions())
        for packet, _ in list(self._pending.values()):
            again = Packet(packet.topic, packet.payload, 1, packet.retained, packet.packet_id, duplicate=True)
            self._transmit(connection, again)
        self._on_up()

    def _try_later(self, after_ms: int) -> None:
        life = self._life
        delay = after_ms + self._random.randrange(self.faults.delay_ms * 2 + 1)
        self._loop.at(self._loop.now_ms + delay, lambda: self._connect() if life == self._life else None)

    def _give_up(self, connection: Connection) -> None:
        if self._cut and self.connection is connection:
            self._lost(connection)

    def _expire(self, connection: Connection) -> None:
        if self._cut or self.connection is not connection:
            self._broker.lose(connection, tell=True)

    def _lost(self, connection: Connection) -> None:
        if self.connection is connection:
            self._forget()
            if self._running:
                self._try_later(self._random.randrange(50, 3000))

    def _forget(self) -> None:
        self.connection = None
        lost, self._pending = ([], self._pending) if self._resend else (list(self._pending.values()), {})
        self._on_down()
        for _, done in lost:
            if done is not None:
                done(False)

    def _broker_patience(self) -> int:
        return self.faults.keep_alive_ms * 3 // 2
