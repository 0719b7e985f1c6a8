"""Acknowledges in the order in which messages were received, as MQTT demands, whatever order handlers finish in."""

from collections import deque
from collections.abc import Callable


class Receipt:
    """One received QoS 1 message; calling it says that the message has been dealt with."""

    __slots__ = ("_window", "done", "mid")

    def __init__(self, window: "AckWindow", mid: int) -> None:
        """Stand for packet ``mid``."""
        self._window = window
        self.mid = mid
        self.done = False

    def __call__(self) -> None:
        """Acknowledge, now or as soon as all earlier messages are; calling it again does nothing."""
        if not self.done:
            self.done = True
            self._window.advance()


class AckWindow:
    """The unacknowledged messages of one connection."""

    def __init__(self) -> None:
        """Acknowledge nothing before :meth:`open`."""
        self._send: Callable[[int], object] | None = None
        self._receipts: deque[Receipt] = deque()
        self.closed = False
        """True once the connection is lost."""

    def open(self, send: Callable[[int], object]) -> None:
        """Acknowledge with ``send(mid)`` from now on."""
        self._send = send
        self.advance()

    def __len__(self) -> int:
        return len(self._receipts)

    def receive(self, mid: int) -> Receipt:
        """Note a message that has come and return its receipt."""
        receipt = Receipt(self, mid)
        self._receipts.append(receipt)
        return receipt

    def advance(self) -> None:
        """Send every acknowledgement that nothing earlier holds up."""
        receipts = self._receipts
        while self._send is not None and receipts and receipts[0].done:
            self._send(receipts.popleft().mid)

    def close(self) -> None:
        """Send nothing any more: packet ids mean something else on the next connection."""
        self.closed = True
        self._send = None
        self._receipts.clear()
