"""HTTP/1.1 for uvicorn with an end to waiting: whoever connects must ask, and take the answer, within a time."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0
"""Longest time from a connection, or from the last answer, to the whole head of a request. s."""

EXCHANGE_S = 60.0
"""Longest time from the head of a request to the last byte of its answer. s."""

MAX_HEAD_BYTES = 16 * 1024
"""Longest head of a request: browsers send about one kilobyte."""


class TimedHttp(H11Protocol):
    """One connection. A WebSocket that it becomes is no longer timed here."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._within(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come in pieces: only of what is not whole yet does h11 see that it is too long."""
        for at in range(0, len(data), MAX_HEAD_BYTES):
            if not self.transport.is_closing():
                super().data_received(data[at : at + MAX_HEAD_BYTES])

    def handle_events(self) -> None:
        """Take what has come; with the head of a request the time for its exchange begins."""
        before = self.conn.their_state
        super().handle_events()
        if before is h11.IDLE and self.conn.their_state is not h11.IDLE and self._deadline is not None:
            self._within(EXCHANGE_S)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over."""
        self._stop()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self._within(HEAD_S)
        super().on_response_complete()

    def _within(self, seconds: float) -> None:
        self._stop()
        if not self.transport.is_closing():
            self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
