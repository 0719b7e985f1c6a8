"""Takes messages out of what a broker sends, in large pieces, and leaves the rest of MQTT to paho.

paho reads the head of a packet byte by byte and builds each message three times over: four system calls, a round of
the event loop and 30 µs for a message that is read in 3 µs here. Only whole PUBLISH packets of MQTT 3.1.1 with QoS 0
or 1 are taken; whatever else there is, also everything malformed, is paho's.
"""

import socket
import ssl
import sys
from collections.abc import Callable

READ_BYTES = 65_536
"""Most that is read at once: some 150 messages, which is how long one connection keeps the event loop to itself.
A larger packet is paho's."""

PUBLISH, QOS, RETAIN = 0x30, 0x06, 0x01
"""Of the first byte of a packet (MQTT 3.1.1, 2.2 and 3.3.1): kind of packet, and its flags."""

LONGEST_HEAD = 5
"""Bytes of a packet before its body, at most: the first, and four of its length (MQTT 3.1.1, 2.2.3)."""

Take = Callable[[str, bytes, int, bool, int], None]
"""Takes a message: topic, payload, QoS, whether it was retained, packet id (0 with QoS 0)."""


class MessageSocket:
    """A connected, non-blocking socket as paho and aiomqtt use it, but for the messages, which ``take`` gets.

    aiomqtt goes on reading for as long as :meth:`pending` says that something is left. In one such round the kernel is
    asked once: the connections of a process, its timers and its handlers take turns however fast a publisher is.
    """

    def __init__(self, inner: socket.socket, take: Take) -> None:
        """Read from ``inner``, which may be a TLS socket."""
        self._inner = inner
        self._take = take
        self._data = b""
        self._at = 0
        self._left_of_packet = 0
        self._asked = self._waits = False

    def recv(self, size: int) -> bytes:
        """Return at most ``size`` bytes of what is no message, none at the end of the stream.

        Raises :class:`BlockingIOError` where there is nothing, or nothing more in this round, and :class:`OSError`.
        """
        if not self._left_of_packet:
            while not self._takes_messages():
                if not self._fill():
                    return b""
        elif self._at >= len(self._data) and not self._fill():
            return b""
        data = self._data[self._at : self._at + min(size, self._left_of_packet)]
        self._at += len(data)
        self._left_of_packet -= len(data)
        return data

    def pending(self) -> int:
        """Return how many bytes can be had without waiting for the network; 0 ends the round."""
        left = len(self._data) - self._at
        if left and not self._waits:
            return left
        self._asked = self._waits = False
        return self._inner.pending() if isinstance(self._inner, ssl.SSLSocket) else 0

    def _fill(self) -> bool:
        """Read once more, behind what is left; False at the end of the stream."""
        if self._asked:
            self._waits = True
            raise BlockingIOError
        self._asked = True
        more = self._inner.recv(READ_BYTES)
        self._data, self._at = self._data[self._at :] + more, 0
        return bool(more)

    def _takes_messages(self) -> bool:
        """Take the messages that are here; True at a packet for paho, False where the next one is not here yet."""
        data = self._data
        here = len(data)
        while self._at + 2 <= here:
            at = self._at
            first, length, body = data[at], data[at + 1], at + 2
            if length & 0x80:
                length, body = _long_length(data, at + 1)
                if not body and here - at < LONGEST_HEAD:
                    return False
            end = body + length
            if not body or end - at > READ_BYTES:
                # After a length that is none, nobody knows where the next packet begins: paho ends the connection.
                self._left_of_packet = end - at if body else sys.maxsize
                return True
            if end > here:
                return False
            if first & 0xF0 != PUBLISH or not self._taken(first, body, end):
                self._left_of_packet = end - at
                return True
            self._at = end
        return False

    def _taken(self, first: int, body: int, end: int) -> bool:
        """Take the message between ``body`` and ``end``; False if it is not as it should be."""
        data, begin = self._data, body + 2
        qos, mid = (first & QOS) >> 1, 0
        if qos > 1 or begin >= end:
            return False
        topic_end = begin + (data[body] << 8 | data[body + 1])
        payload = topic_end + 2 if qos else topic_end
        if topic_end == begin or payload > end:
            return False
        if qos:
            mid = data[topic_end] << 8 | data[topic_end + 1]
        try:
            topic = data[begin:topic_end].decode()
        except UnicodeDecodeError:
            return False
        self._take(topic, data[payload:end], qos, bool(first & RETAIN), mid)
        return True

    def send(self, data: bytes) -> int:
        """Send, as the socket does."""
        return self._inner.send(data)

    def shutdown(self, how: int) -> None:
        """End the connection, as the socket does."""
        self._inner.shutdown(how)

    def close(self) -> None:
        """Close the socket."""
        self._inner.close()

    def fileno(self) -> int:
        """Return the socket's number, -1 once it is closed."""
        return self._inner.fileno()

    def setblocking(self, flag: bool) -> None:
        """Set the socket's mode."""
        self._inner.setblocking(flag)


def _long_length(data: bytes, at: int) -> tuple[int, int]:
    """Return a length of more than one byte and where the packet's body begins; 0 where no length ends."""
    length = shift = 0
    for index in range(at, min(at + LONGEST_HEAD - 1, len(data))):
        length |= (data[index] & 0x7F) << shift
        if not data[index] & 0x80:
            return length, index + 1
        shift += 7
    return 0, 0
