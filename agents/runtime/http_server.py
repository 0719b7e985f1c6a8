"""An HTTP server that lives within an agent's event loop: pages and REST APIs are served by it."""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence

import structlog
import uvicorn
from starlette.types import ASGIApp

from agents.runtime.agent import CannotStart
from agents.runtime.serving.browser_guard import API_POLICY, BrowserGuard
from agents.runtime.serving.descriptors import descriptor_limit, share
from agents.runtime.serving.hosts import KnownHosts
from agents.runtime.serving.http_timeouts import MAX_HEAD_BYTES, TimedHttp
from agents.runtime.serving.listener import BoundedListener
from agents.runtime.serving.sparing_log import SparingLog

_GRACE_S = 2
"""How long open connections may take to close at the end. s."""

MOST_CONNECTIONS = 128
"""Connections at the same time, where the process may have enough descriptors. A browser opens up to seven."""

PART = 0.2
"""Part of the process's descriptors that a server gets: an agent may have two, and stations besides."""

MAX_SOCKET_MESSAGE_BYTES = 64 * 1024
"""Longest message that a page may send over its WebSocket."""


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the agent's process decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves an application from :meth:`start` to :meth:`stop`."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        what: str,
        settings: str,
        hosts: Sequence[str] = (),
        policy: str = API_POLICY,
    ) -> None:
        """Serve ``app`` at ``host`` and ``port``; port 0 lets the system choose.

        An address that cannot be used is reported as ``what`` cannot be served, with ``settings`` of site.toml as
        what to change: "the page", "host or port in section [console]". ``hosts`` are further names by which browsers
        may ask for it, ``policy`` is its content security policy.
        """
        self._host, self._port = host, port
        self._what, self._settings = what, settings
        self._server = _Server(
            uvicorn.Config(
                BrowserGuard(app, KnownHosts(host, hosts), policy),
                http=TimedHttp,
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
                ws_max_size=MAX_SOCKET_MESSAGE_BYTES,
                ws_per_message_deflate=False,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                timeout_graceful_shutdown=_GRACE_S,
            )
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

    def _listen(self) -> BoundedListener:
        most = share(descriptor_limit(), PART, MOST_CONNECTIONS)
        log = SparingLog(structlog.get_logger(), time.monotonic)

        def refused(peer: str, why: str) -> None:
            log.warning("connection_refused", server=self._what, peer=peer, reason=why)

        try:
            # One peer alone must not keep all others out.
            return BoundedListener(
                self._host, self._port, most=most, most_of_one=max(2, most * 3 // 4), refused=refused
            )
        except (OSError, OverflowError) as error:
            raise CannotStart(
                f"{self._what} cannot be served at {self._host}:{self._port} "
                f"({getattr(error, 'strerror', None) or error}): set {self._settings} of site.toml"
            ) from error
