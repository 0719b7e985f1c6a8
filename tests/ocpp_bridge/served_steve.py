"""The backend of the tests behind a real WebSocket server."""

import contextlib
from collections.abc import AsyncIterator
from random import Random
from typing import Any, TypeVar

import structlog
from websockets.asyncio.server import Server, serve

from agents.runtime.clock import SystemClock
from agents.runtime.ocpp import ConnectionLost, Dispatcher, message_ids
from agents.runtime.ocpp.v16 import V16
from agents.runtime.ocpp.v16.dialect import FROM_CHARGE_POINT
from agents.runtime.ocpp.websocket import WebSocketConnection
from tests.ocpp_bridge.steve import Steve


class ServedSteve(Steve):
    """SteVe's manners on a port of this machine."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.url = ""
        self.on_line: dict[str, Dispatcher] = {}

    async def _serve_socket(self, socket: Any) -> None:
        identity = socket.request.path.rsplit("/", 1)[1]
        handlers = {action: self._handler(identity, action) for action in FROM_CHARGE_POINT}
        dispatcher = Dispatcher(
            WebSocketConnection(socket),
            V16,
            handlers,
            clock=self.clock,
            message_ids=message_ids(Random()),
            log=structlog.get_logger(),
        )
        self.on_line[identity] = dispatcher
        with contextlib.suppress(ConnectionLost):
            await dispatcher.run()

    async def ask(self, request: Any, identity: str = "c1") -> Any:
        return await self.on_line[identity].call(request)


Served = TypeVar("Served", bound=ServedSteve)


@contextlib.asynccontextmanager
async def served(steve: Served | None = None) -> AsyncIterator[Served]:
    steve = ServedSteve() if steve is None else steve  # type: ignore[assignment]
    assert steve is not None
    server: Server
    async with serve(steve._serve_socket, "127.0.0.1", 0, subprotocols=["ocpp1.6"], compression=None) as server:
        steve.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/steve"
        yield steve
