"""The WebSocket server that stations connect to: bounded, and sparing with its log."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from agents.csms.admission import Admission
from agents.csms.gate import identity_of
from agents.csms.settings import CsmsSettings
from agents.runtime.agent import CannotStart
from agents.runtime.ocpp import Connection
from agents.runtime.ocpp.websocket import WebSocketConnection
from agents.runtime.serving.descriptors import descriptor_limit, share
from agents.runtime.serving.listener import Address, BoundedListener
from agents.runtime.serving.sparing_log import SparingLog

ServeStation = Callable[[str, Connection], Awaitable[None]]
"""Gets the identity of a station and an open connection; returns when that is lost."""

MAX_MESSAGE_BYTES = 128 * 1024
"""Longest message of a station: an answer with all its configuration keys has some 20 KiB."""

HANDSHAKE_S = 10.0
"""Longest time from a connection to the end of its handshake, and of its TLS handshake. s."""

PART = 0.6
"""Part of the process's descriptors that stations get."""

MOST_STATIONS = 10_000
"""Connections of stations, where the process may have enough descriptors."""

_QUIET = logging.Logger("agents.csms.server.websockets", logging.CRITICAL + 1)
"""The library writes a traceback for each handshake that is none; here a line is written instead."""


class Listener(Protocol):
    """Lets stations connect."""

    port: int
    """Where it listens."""
    room: int
    """How many stations may be connected at the same time."""

    async def start(self, port: int) -> None:
        """Listen. Raises :class:`CannotStart` naming the setting."""

    async def stop(self) -> None:
        """Close every connection."""

    @property
    def running(self) -> bool:
        """Whether it listens."""


Listen = Callable[[CsmsSettings, Admission, str, SparingLog, ServeStation], Listener]
"""Makes a listener for settings, admission, subprotocol, log, and what serves a connection; a test hands in its own."""


class _Handshake(ServerConnection):
    """A connection that says why its handshake has failed."""

    def __init__(self, *args: Any, failed: Callable[[Address, str], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._failed = failed

    async def handshake(self, *args: Any, **kwargs: Any) -> None:
        try:
            await super().handshake(*args, **kwargs)
        except asyncio.CancelledError:
            self._failed(_address(self), f"no whole request within {HANDSHAKE_S:.0f} s")
            raise
        except Exception as error:
            # The library raises whatever it found, and ends the connection for it.
            self._failed(_address(self), _words(error))
            raise


class StationServer:
    """Listens for WebSockets of stations and gives each that is open to ``serve_station``."""

    def __init__(
        self,
        settings: CsmsSettings,
        admission: Admission,
        subprotocol: str,
        log: SparingLog,
        serve_station: ServeStation,
    ) -> None:
        """Nothing is open before :meth:`start`."""
        self._settings = settings
        self._admission = admission
        self._subprotocol = subprotocol
        self._serve_station = serve_station
        self._log = log
        self._server: Server | None = None
        self._listener: BoundedListener | None = None
        self.port = 0
        self.room = share(descriptor_limit(), PART, MOST_STATIONS)

    async def start(self, port: int) -> None:
        """Listen. Raises :class:`CannotStart` naming the setting."""
        try:
            listener = self._listener = BoundedListener(
                self._settings.host,
                port,
                most=self.room,
                # Handshakes only: a whole site may come from one address.
                most_of_one=max(4, self.room // 4),
                refused=lambda peer, why: self._log.warning("connection_refused", peer=peer, reason=why),
            )
            self._server = await serve(
                self._handle,
                sock=listener,
                subprotocols=[self._subprotocol],  # type: ignore[list-item]
                process_request=self._admit,
                ssl=self._tls(),
                max_size=MAX_MESSAGE_BYTES,
                max_queue=4,
                open_timeout=HANDSHAKE_S,
                ping_interval=30,
                ping_timeout=30,
                compression=None,
                server_header=None,
                logger=_QUIET,
                create_connection=partial(_Handshake, failed=self._failed),  # type: ignore[arg-type]
            )
        except (OSError, OverflowError) as error:
            await self.stop()
            raise CannotStart(
                f"stations cannot connect to {self._settings.host}:{port} "
                f"({getattr(error, 'strerror', None) or error}): "
                "set host, port, cert_file or key_file in section [csms] of site.toml"
            ) from None
        self.port = listener.getsockname()[1]

    async def stop(self) -> None:
        """Close every connection."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._server is not None and self._server.is_serving()

    def _tls(self) -> ssl.SSLContext | None:
        if self._settings.cert_file is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._settings.cert_file, self._settings.key_file)
        return context

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        address = _address(connection)
        refused = await self._admission.refusal(address[0], request.path, request.headers)
        if refused is None:
            if self._listener is not None:
                self._listener.settled(address)
            return None
        self._log.warning(
            "station_refused",
            peer=address[0],
            station=identity_of(request.path),
            status=int(refused.status),
            reason=refused.words.strip(),
        )
        response = connection.respond(refused.status, refused.words)
        if refused.status is HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = 'Basic realm="OCPP"'
        if refused.retry_after_s is not None:
            response.headers["Retry-After"] = str(refused.retry_after_s)
        return response

    async def _handle(self, connection: ServerConnection) -> None:
        request = connection.request
        identity = None if request is None else identity_of(request.path)
        if identity is not None:
            await self._serve_station(identity, WebSocketConnection(connection))

    def _failed(self, address: Address, reason: str) -> None:
        self._log.warning("handshake_failed", peer=address[0], reason=reason)


def _address(connection: ServerConnection) -> Address:
    found = connection.remote_address
    return (str(found[0]), int(found[1])) if found else ("unknown", 0)


def _words(error: BaseException) -> str:
    """Return what is wrong with a handshake: the library's words, the deepest last."""
    words: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        text = str(cause) or type(cause).__name__
        if text not in words:
            words.append(text)
        cause = cause.__cause__
    return "; ".join(words)[:200]


async def close_quietly(closing: Awaitable[None], within_s: float) -> None:
    """Close an old connection without waiting long for a station that is gone."""
    try:
        await asyncio.wait_for(closing, within_s)
    except TimeoutError:
        return
