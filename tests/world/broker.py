"""A model of an MQTT 3.1.1 broker: sessions, QoS 0 and 1, retained messages, wills, filters; no time, no network.

What travels between a client and the broker goes through :mod:`tests.world.link`, which decides when and whether it
arrives. The broker itself is exact, except that it can be killed and then keeps only what was on its disk.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import NamedTuple


class Packet(NamedTuple):
    """A PUBLISH packet. ``packet_id`` is 0 at QoS 0; ``retained`` has the meaning of its direction."""

    topic: str
    payload: bytes
    qos: int
    retained: bool
    packet_id: int = 0
    duplicate: bool = False


class Keep(Enum):
    """What a broker still has after it was restarted."""

    ALL = "all"
    """It was stopped in order, with persistence."""
    SNAPSHOT = "snapshot"
    """It was killed: what its last autosave wrote, hence also what has been acknowledged since."""
    NOTHING = "nothing"
    """It was killed, and persistence is off: messages that it had acknowledged are gone."""


@dataclass(slots=True)
class Session:
    """What the broker remembers of a client."""

    client_id: str
    clean: bool
    filters: dict[str, int] = field(default_factory=dict)
    waiting: deque[Packet] = field(default_factory=deque)
    in_flight: dict[int, Packet] = field(default_factory=dict)
    next_id: int = 0
    connection: "Connection | None" = None

    def copy(self) -> "Session":
        return Session(
            self.client_id, self.clean, dict(self.filters), deque(self.waiting), dict(self.in_flight), self.next_id
        )


@dataclass(slots=True, eq=False)
class Connection:
    """An open connection. ``send`` puts a packet on its way to the client, ``closed`` tells that the broker closed."""

    user: str
    session: Session
    will: Packet | None
    send: Callable[[Packet], None]
    closed: Callable[[], None]
    open: bool = True


Observer = Callable[[str, Packet], None]
"""Is told of every message that the broker takes: the user who published it, and the packet."""


class Broker:
    """The broker. ``window`` is how many QoS 1 messages a client may have unacknowledged."""

    def __init__(self, window: int = 20) -> None:
        self.up = True
        self.observers: list[Observer] = []
        self.retained: dict[str, Packet] = {}
        self.sessions: dict[str, Session] = {}
        self.messages = 0
        """Messages taken so far."""
        self._window = window
        self._disk: tuple[dict[str, Packet], dict[str, Session]] = ({}, {})
        self._matching: dict[str, list[tuple[Session, int]]] = {}

    def connect(
        self,
        user: str,
        client_id: str,
        clean: bool,
        will: Packet | None,
        send: Callable[[Packet], None],
        closed: Callable[[], None],
    ) -> tuple[Connection, bool]:
        """Open a connection; the second value tells whether a session was there. Takes over an older connection."""
        assert self.up
        old = self.sessions.get(client_id)
        if old is not None and old.connection is not None:
            self.lose(old.connection, tell=True)
            old = self.sessions.get(client_id)
        if clean or old is None or old.clean:
            session = self.sessions[client_id] = Session(client_id, clean)
            self._matching.clear()
            present = False
        else:
            session, present = old, True
        session.connection = connection = Connection(user, session, will, send, closed)
        for packet_id, packet in session.in_flight.items():
            send(Packet(packet.topic, packet.payload, 1, packet.retained, packet_id, duplicate=True))
        self._pump(session)
        return connection, present

    def disconnect(self, connection: Connection) -> None:
        """A DISCONNECT packet: no will."""
        connection.will = None
        self.lose(connection, tell=False)

    def lose(self, connection: Connection, *, tell: bool) -> None:
        """The connection is gone: publish the will and forget what a clean session had."""
        if not connection.open:
            return
        connection.open = False
        session = connection.session
        session.connection = None
        if session.clean and self.sessions.get(session.client_id) is session:
            del self.sessions[session.client_id]
            self._matching.clear()
        if tell:
            connection.closed()
        if connection.will is not None:
            self.publish(connection.user, connection.will)

    def subscribe(self, connection: Connection, filters: list[tuple[str, int]]) -> None:
        """Add or replace subscriptions and send the retained messages that match them."""
        session = connection.session
        for topic_filter, qos in filters:
            session.filters[topic_filter] = qos
            for topic, packet in list(self.retained.items()):
                if matches(topic_filter, topic):
                    self._enqueue(session, Packet(topic, packet.payload, min(qos, packet.qos), retained=True))
        self._matching.clear()

    def publish(self, user: str, packet: Packet) -> None:
        """Take a message and pass it on."""
        self.messages += 1
        topic = packet.topic
        if packet.retained:
            if packet.payload:
                self.retained[topic] = packet
            else:
                self.retained.pop(topic, None)
        for observer in self.observers:
            observer(user, packet)
        receivers = self._matching.get(topic)
        if receivers is None:
            receivers = self._matching[topic] = self._receivers(topic)
        for session, granted in receivers:
            qos = packet.qos if packet.qos < granted else granted
            self._enqueue(session, Packet(topic, packet.payload, qos, retained=False))

    def acknowledged(self, connection: Connection, packet_id: int) -> None:
        """A PUBACK from the client."""
        if connection.session.in_flight.pop(packet_id, None) is not None:
            self._pump(connection.session)

    def autosave(self) -> None:
        """Write to disk what a kill with :attr:`Keep.SNAPSHOT` leaves."""
        self._disk = self._persistent()

    def stop(self, keep: Keep) -> None:
        """Stop or kill: every connection breaks, no will is published."""
        self.up = False
        connections = [s.connection for s in self.sessions.values() if s.connection is not None]
        for connection in connections:
            connection.open = False
            connection.session.connection = None
        if keep is Keep.ALL:
            self.retained, self.sessions = self._persistent()
        else:
            self.retained, self.sessions = ({}, {}) if keep is Keep.NOTHING else self._disk
            self._disk = self._persistent()
        self._matching.clear()
        for connection in connections:
            connection.closed()

    def start(self) -> None:
        """Take connections again."""
        self.up = True

    def _persistent(self) -> tuple[dict[str, Packet], dict[str, Session]]:
        return dict(self.retained), {k: s.copy() for k, s in self.sessions.items() if not s.clean}

    def _receivers(self, topic: str) -> list[tuple[Session, int]]:
        found = []
        for session in self.sessions.values():
            granted = [qos for topic_filter, qos in session.filters.items() if matches(topic_filter, topic)]
            if granted:
                found.append((session, max(granted)))
        return found

    def _enqueue(self, session: Session, packet: Packet) -> None:
        if packet.qos == 0:
            if session.connection is not None:
                session.connection.send(packet)
            return
        session.waiting.append(packet)
        self._pump(session)

    def _pump(self, session: Session) -> None:
        while session.connection is not None and session.waiting and len(session.in_flight) < self._window:
            packet = session.waiting.popleft()
            session.next_id = packet_id = session.next_id % 65535 + 1
            packet = Packet(packet.topic, packet.payload, 1, packet.retained, packet_id)
            session.in_flight[packet_id] = packet
            session.connection.send(packet)


@lru_cache(maxsize=65_536)
def matches(topic_filter: str, topic: str) -> bool:
    """Tell whether ``topic`` is in the set that ``topic_filter`` names (``+`` one level, ``#`` the rest)."""
    if topic_filter == topic:
        return True
    wanted, levels = topic_filter.split("/"), topic.split("/")
    for position, level in enumerate(wanted):
        if level == "#":
            return True
        if position >= len(levels) or level not in ("+", levels[position]):
            return False
    return len(wanted) == len(levels)
