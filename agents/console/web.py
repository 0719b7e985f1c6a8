"""The HTTP side of the console: its JSON endpoints, and a server that lives within the agent's event loop."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.console.cards import Snapshot
from agents.runtime.agent import CannotStart

_POLICY = (
    "default-src 'self' data:; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self' ws: wss:; object-src 'none'; base-uri 'self'"
)
"""Nothing is loaded from another host: garages are offline. Vue compiles its templates, hence ``unsafe-eval``."""

_GRACE_S = 2
"""How long open connections may take to close at the end. s."""


class PortTaken(CannotStart):
    """The page cannot be served at the configured address."""


class _PolicyHeader:
    """Adds the content security policy to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"content-security-policy", _POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        await self._app(scope, receive, send_with_policy)


def build_api(snapshot: Callable[[], Snapshot]) -> FastAPI:
    """Return an application with the read-only endpoints.

    ``GET /api/chargers`` gives what the page shows, null meaning unknown. ``GET /health`` answers 200 while the
    console has its broker, else 503.
    """
    # FastAPI's own documentation pages would load scripts from a foreign host.
    app = FastAPI(title="chargebus console", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.add_middleware(_PolicyHeader)

    @app.get("/api/chargers")
    async def chargers() -> dict[str, Any]:
        now = snapshot()
        return {"summary": asdict(now.summary), "chargers": [asdict(card) for card in now.chargers]}

    @app.get("/health")
    async def health(response: Response) -> dict[str, Any]:
        now = snapshot()
        if not now.summary.bus_connected:
            response.status_code = 503
        return {"ok": now.summary.bus_connected, "site": now.summary.site, "chargers": now.summary.chargers}

    @app.get("/api/{path:path}", include_in_schema=False)
    async def nothing(path: str) -> None:
        # Without this, the page below would answer a program with HTML.
        raise HTTPException(404, "no such endpoint")

    return app


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the agent's process decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class PageServer:
    """Serves an application from :meth:`start` to :meth:`stop`."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        """Serve ``app`` at ``host`` and ``port``; port 0 lets the system choose."""
        self._host, self._port = host, port
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=_GRACE_S
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether it serves."""
        return self._task is not None and not self._task.done()

    async def start(self) -> str:
        """Begin to serve and return the address of the page.

        Raises :class:`PortTaken` naming the setting if the address cannot be used.
        """
        listener = self._listen()
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="console page")
        while not self._server.started:
            if self._task.done():
                await self._task
                raise RuntimeError("the page's server ended before it began to serve")
            await asyncio.sleep(0.01)
        port = listener.getsockname()[1]
        shown = "127.0.0.1" if self._host in ("0.0.0.0", "::") else self._host
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"

    async def stop(self) -> None:
        """Close every connection and end."""
        if self._task is None:
            return
        self._server.should_exit = True
        await self._task
        self._task = None

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._port))
        except OSError as error:
            listener.close()
            raise PortTaken(
                f"the page cannot be served at {self._host}:{self._port} ({error.strerror}): "
                "set host or port in section [console] of site.toml"
            ) from error
        return listener
