"""A WebSocket as a connection, for either role."""

import asyncio

from websockets.asyncio.connection import Connection as Socket
from websockets.exceptions import ConnectionClosed

from agents.runtime.ocpp.connection import ConnectionLost


class WebSocketConnection:
    """One WebSocket of the ``websockets`` package, client's or server's side."""

    def __init__(self, socket: Socket) -> None:
        """Use ``socket``, which is open."""
        self._socket = socket

    async def send(self, text: str) -> None:
        """Send a text message. Raises :class:`ConnectionLost`."""
        try:
            await self._socket.send(text)
        except ConnectionClosed as closed:
            raise _lost(closed) from None

    async def receive(self) -> str | bytes:
        """Return the next message. Raises :class:`ConnectionLost`."""
        try:
            return await self._socket.recv()
        except ConnectionClosed as closed:
            raise _lost(closed) from None

    async def alive(self, within_s: float) -> bool:
        """Tell whether the peer answers a ping within ``within_s`` seconds. Never raises."""
        try:
            async with asyncio.timeout(within_s):
                # Also sending may wait: for a peer that takes nothing any more.
                await (await self._socket.ping())
        except (ConnectionClosed, TimeoutError):
            return False
        return True

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close, with at most 123 bytes of reason (RFC 6455)."""
        await self._socket.close(code, reason.encode()[:123].decode("utf-8", "ignore"))


def _lost(closed: ConnectionClosed) -> ConnectionLost:
    if closed.rcvd is not None:
        reason = f"closed by the peer with {closed.rcvd.code}"
        return ConnectionLost(
            reason + (f" ({closed.rcvd.reason[:100]})" if closed.rcvd.reason else ""), closed.rcvd.code
        )
    if closed.sent is not None:
        return ConnectionLost(f"closed with {closed.sent.code} ({closed.sent.reason[:100]})", closed.sent.code)
    return ConnectionLost("the connection broke without a good-bye")
