"""What a dispatcher needs of a connection: text in, text out."""

from typing import Protocol


class ConnectionLost(Exception):
    """The connection is gone; the text says why, as far as that is known."""

    def __init__(self, reason: str, code: int | None = None) -> None:
        """``code`` is the WebSocket close code, if one came."""
        super().__init__(reason)
        self.code = code


class Connection(Protocol):
    """A way to one peer that carries whole messages in order: a WebSocket, or two queues in a test."""

    async def send(self, text: str) -> None:
        """Send a message. May be called by several tasks. Raises :class:`ConnectionLost`."""

    async def receive(self) -> str | bytes:
        """Return the next message; ``bytes`` for a binary one. Raises :class:`ConnectionLost`."""

    async def alive(self, within_s: float) -> bool:
        """Tell whether the peer shows within ``within_s`` seconds that it is there. Never raises."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close. Does nothing when it is closed already; never raises."""
