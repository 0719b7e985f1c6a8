"""What a broker sends is read as paho reads it, however it is cut into pieces; nothing else reaches paho changed."""

import socket
import ssl
import struct
from collections.abc import Iterator

import paho.mqtt.client as paho
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from agents.runtime.mqtt.message_socket import READ_BYTES, MessageSocket

Message = tuple[str, bytes, int, bool, int]


def length_of(size: int) -> bytes:
    """Return the length field of a packet."""
    found = bytearray()
    while True:
        size, low = divmod(size, 128)
        found.append(low | (0x80 if size else 0))
        if not size:
            return bytes(found)


def packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + length_of(len(body)) + body


def publish(topic: bytes, payload: bytes, qos: int = 0, retain: bool = False, mid: int = 1) -> bytes:
    head = struct.pack("!H", len(topic)) + topic + (struct.pack("!H", mid) if qos else b"")
    return packet(0x30 | qos << 1 | retain, head + payload)


class Pieces:
    """A socket whose bytes come in pieces; between two there is nothing to read."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = [each for each in pieces if each]
        self.reads = 0

    def recv(self, size: int) -> bytes:
        self.reads += 1
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if len(piece) > size:
            self._pieces.insert(0, piece[size:])
        return piece[:size]

    def close(self) -> None:
        pass


class Paho(paho.Client):
    """paho on a socket of the test's, as aiomqtt uses it. Keeps the packets that it handles and that are no message."""

    def __init__(self, sock: object) -> None:
        super().__init__(CallbackAPIVersion.VERSION2)
        self.messages: list[Message] = []
        self.others: list[tuple[int, bytes]] = []
        self._sock = sock  # type: ignore[assignment]
        self.manual_ack_set(True)
        self.on_message = lambda _client, _userdata, message: self.take(
            message.topic, bytes(message.payload), message.qos, message.retain, message.mid
        )

    def take(self, *message: object) -> None:
        self.messages.append(message)  # type: ignore[arg-type]

    def _packet_handle(self) -> MQTTErrorCode:
        command: int = self._in_packet["command"]
        if command & 0xF0 == 0x30:
            return super()._packet_handle()
        self.others.append((command, bytes(self._in_packet["packet"])))
        return MQTTErrorCode.MQTT_ERR_SUCCESS


def read_all(pieces: list[bytes], through: bool) -> tuple[list[Message], list[tuple[int, bytes]], bool]:
    """Return what a client reads, and whether it ends with an error before the end of the stream."""
    source = Pieces(pieces)
    client = Paho(source)
    if through:
        client._sock = MessageSocket(source, client.take)  # type: ignore[arg-type, assignment]
    for _ in range(sum(map(len, pieces)) * 2 + 10):
        # As aiomqtt's callback does.
        code = client.loop_read()
        while through and code == MQTTErrorCode.MQTT_ERR_SUCCESS and client._sock.pending() > 0:  # type: ignore[union-attr]
            code = client.loop_read()
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return client.messages, client.others, code == MQTTErrorCode.MQTT_ERR_PROTOCOL
    raise AssertionError("the end of the stream was never told")


topics = st.one_of(
    st.sampled_from([b"ev/v1/garage/charger/c1/telemetry", b"a", b"", b"\xff\xfe", "größe".encode()]),
    st.binary(max_size=6),
)
# From 128 bytes on a length has two bytes, from 16,384 on three.
payloads = st.one_of(st.binary(max_size=20), st.integers(100, 400).map(bytes), st.integers(16_300, 16_400).map(bytes))
messages = st.builds(publish, topics, payloads, st.integers(0, 1), st.booleans(), st.integers(1, 65535))
others = st.builds(packet, st.sampled_from([0x20, 0x40, 0x90, 0xD0, 0xB0]), st.binary(max_size=200))
broken = st.one_of(
    st.builds(packet, st.sampled_from([0x30, 0x31, 0x32, 0x36]), st.binary(max_size=5)),
    st.just(b"\x30\xff\xff\xff\xff\xff\x01"),
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.one_of(messages, messages, others), max_size=12),
    st.one_of(st.just(b""), broken, st.binary(max_size=20)),
    st.lists(st.one_of(st.integers(1, 3), st.integers(1, 400)), max_size=30),
)
@example([publish(b"t", bytes(200)), publish(b"u", b"1")], b"", [2])  # Cut within a length.
@example([packet(0x32, b"\0\1t"), publish(b"u", b"1")], b"", [])  # QoS 1 without an id.
@example([], b"\x30\xff\xff\xff\xff\xff\x01", [1, 1, 3])  # A length that is none, in pieces.
def test_it_is_read_as_paho_alone_reads_it(packets: list[bytes], end: bytes, cuts: list[int]) -> None:
    stream = b"".join(packets) + end
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(stream[at : at + cut])
        at += cut
    pieces.append(stream[at:])
    try:
        alone = read_all(pieces, through=False)
    except UnicodeDecodeError:  # A topic that is not UTF-8: it is paho's to say so, through us, too.
        with pytest.raises(UnicodeDecodeError):
            read_all(pieces, through=True)
        return
    assert read_all(pieces, through=True) == alone


@given(st.lists(st.integers(1, READ_BYTES - 1), max_size=5), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_what_is_larger_than_a_read_comes_too(cuts: list[int], times: int) -> None:
    large = publish(b"t", bytes(READ_BYTES * times))
    stream = publish(b"before", b"1") + large + publish(b"after", b"2")
    pieces = [stream[begin:end] for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(stream)], strict=True)]
    found, _, _ = read_all(pieces, through=True)
    assert [(topic, len(payload)) for topic, payload, *_ in found] == [
        ("before", 1), ("t", READ_BYTES * times), ("after", 1)
    ]  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, 100, 124, 125, 4096, 16_380, 16_381, READ_BYTES - 10])
@pytest.mark.parametrize("qos", [0, 1])
def test_a_message_of_any_size_is_taken_without_paho(size: int, qos: int) -> None:
    taken: list[Message] = []
    stream = publish(b"t", bytes(size), qos, True, 4711)
    reader = MessageSocket(Pieces([stream]), lambda *message: taken.append(message))  # type: ignore[arg-type]
    with pytest.raises(BlockingIOError):
        reader.recv(1)
    assert taken == [("t", bytes(size), qos, True, 4711 if qos else 0)]


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 100])
def test_a_message_that_comes_in_two_pieces_is_taken_without_paho(cut: int) -> None:
    taken: list[Message] = []
    stream = publish(b"t", bytes(16_400))
    reader = MessageSocket(Pieces([stream[:cut], stream[cut:]]), lambda *message: taken.append(message))  # type: ignore[arg-type]
    for pieces in (1, 2):
        with pytest.raises(BlockingIOError):
            reader.recv(1)
        assert (reader.pending(), len(taken)) == (0, pieces - 1)


def test_many_messages_are_one_read() -> None:
    source = Pieces([publish(b"t", b"x" * 100) * 100])
    taken: list[object] = []
    reader = MessageSocket(source, lambda *message: taken.append(message))  # type: ignore[arg-type]
    with pytest.raises(BlockingIOError):
        reader.recv(1)
    assert (len(taken), source.reads, reader.pending()) == (100, 1, 0)


def test_a_publisher_that_never_stops_does_not_keep_the_loop() -> None:
    unit = publish(b"t", b"x" * 90)

    class Endless:
        read = 0

        def recv(self, size: int) -> bytes:
            begin = self.read % len(unit)
            self.read += size
            return (unit * (size // len(unit) + 2))[begin : begin + size]

    taken: list[object] = []
    reader = MessageSocket(Endless(), lambda *message: taken.append(message))  # type: ignore[arg-type]
    for turn in range(1, 4):
        while True:
            with pytest.raises(BlockingIOError):
                reader.recv(1)
            if not reader.pending():
                break
        assert turn * READ_BYTES / len(unit) - turn < len(taken) <= turn * READ_BYTES / len(unit)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_it_is_a_socket_for_everything_else(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    reader = MessageSocket(ours, lambda *_message: None)
    reader.setblocking(False)
    assert reader.fileno() == ours.fileno()
    assert reader.send(b"ping") == 4 and theirs.recv(9) == b"ping"
    with pytest.raises(BlockingIOError):
        reader.recv(1)
    assert reader.pending() == 0
    theirs.close()
    assert reader.recv(1) == b""
    reader.close()
    assert reader.fileno() == -1


def test_what_tls_has_decoded_is_pending() -> None:
    class Decoded(ssl.SSLSocket):
        def __init__(self) -> None:  # A socket that was never opened: only its kind and these two matter.
            pass

        def pending(self) -> int:
            return 7

        def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
            raise ssl.SSLWantReadError

        def __del__(self) -> None:
            pass

    reader = MessageSocket(Decoded.__new__(Decoded), lambda *_message: None)
    with pytest.raises(ssl.SSLWantReadError):
        reader.recv(1)
    assert reader.pending() == 7
