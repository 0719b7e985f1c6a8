"""An HTTP server that lives within an agent's event loop: pages and REST APIs are served by it."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from agents.runtime.agent import CannotStart

_GRACE_S = 2
"""How long open connections may take to close at the end. s."""


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the agent's process decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves an application from :meth:`start` to :meth:`stop`."""

    def __init__(self, app: ASGIApp, host: str, port: int, *, what: str, settings: str) -> None:
        """Serve ``app`` at ``host`` and ``port``; port 0 lets the system choose.

        An address that cannot be used is reported as ``what`` cannot be served, with ``settings`` of site.toml as
        what to change: "the page", "host or port in section [console]".
        """
        self._host, self._port = host, port
        self._what, self._settings = what, settings
        self._server = _Server(
            uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=_GRACE_S)
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether it serves."""
        return self._task is not None and not self._task.done()

    async def start(self) -> str:
        """Begin to serve and return the address, such as ``http://127.0.0.1:8080/``.

        Raises :class:`CannotStart` naming the settings if the address cannot be used.
        """
        listener = self._listen()
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name=self._what)
        while not self._server.started:
            if self._task.done():
                await self._task
                raise RuntimeError(f"{self._what}: the server ended before it began to serve")
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
            raise CannotStart(
                f"{self._what} cannot be served at {self._host}:{self._port} ({error.strerror}): "
                f"set {self._settings} of site.toml"
            ) from error
        return listener
