"""Packets of MQTT 3.1.1, as far as a charger needs them."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    Will = tuple[str, str, int, bool]

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP = 2, 3, 4, 9, 13
"""Types of packets that a broker sends to us."""

PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"

MAX_LENGTH = 268_435_455

REFUSALS = ("", "protocol version", "client id", "server unavailable", "user name or password", "not authorised")
"""Meaning of CONNACK's return codes."""


class ProtocolError(Exception):
    """The peer has sent what MQTT 3.1.1 does not allow; the connection is of no use any more."""


def text(value: str) -> bytes:
    """Return a string with its length in front."""
    data = value.encode()
    return bytes((len(data) >> 8, len(data) & 0xFF)) + data


def length(value: int) -> bytes:
    """Return a remaining length: 7 bits a byte, lowest first."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | 0x80 if value else low)
        if not value:
            return bytes(out)


def packet(first: int, body: bytes) -> bytes:
    """Return a whole packet."""
    return bytes((first,)) + length(len(body)) + body


def connect(client_id: str, user: str | None, password: str | None, keepalive_s: int, will: "Will | None") -> bytes:
    """Return CONNECT with a clean session. ``will``: topic, payload, QoS and retain."""
    flags = 0x02
    body = text(client_id)
    if will is not None:
        flags |= 0x04 | will[2] << 3 | (0x20 if will[3] else 0)
        body += text(will[0]) + text(will[1])
    if user is not None:
        flags |= 0x80
        body += text(user)
        if password is not None:
            flags |= 0x40
            body += text(password)
    return packet(0x10, text("MQTT") + bytes((4, flags, keepalive_s >> 8, keepalive_s & 0xFF)) + body)


def subscribe(number: int, topics: "list[tuple[str, int]]") -> bytes:
    """Return SUBSCRIBE for ``(topic, QoS)``."""
    body = bytes((number >> 8, number & 0xFF))
    for topic, qos in topics:
        body += text(topic) + bytes((qos,))
    return packet(0x82, body)


def publish(topic: str, payload: bytes, qos: int, retain: bool, number: int) -> bytes:
    """Return PUBLISH."""
    numbered = bytes((number >> 8, number & 0xFF)) if qos else b""
    return packet(0x30 | qos << 1 | (1 if retain else 0), text(topic) + numbered + payload)


def puback(number: int) -> bytes:
    """Return PUBACK."""
    return bytes((0x40, 2, number >> 8, number & 0xFF))
