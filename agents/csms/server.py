"""The WebSocket server: who may connect, and that a station has one connection only."""

import asyncio
import base64
import binascii
import hmac
import ssl
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Protocol
from urllib.parse import unquote

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from agents.csms.settings import CsmsSettings
from agents.runtime.agent import CannotStart
from agents.runtime.ocpp import MAX_FRAME_BYTES, Connection
from agents.runtime.ocpp.websocket import WebSocketConnection

ServeStation = Callable[[str, Connection], Awaitable[None]]
"""Gets the identity of a station and an open connection; returns when that is lost."""

MOST_IDENTITY = 48
"""Longest name of a station."""


class Gate:
    """Decides about a handshake. A pure function of the request, the settings and the passwords."""

    def __init__(self, settings: CsmsSettings, passwords: Mapping[str, str]) -> None:
        """``passwords`` by station identity; a station without one may connect without."""
        self._known = {station.identity or name: station for name, station in settings.stations.items()}
        self._accept_unknown = settings.accept_unknown
        self._passwords = passwords

    def refusal(self, path: str, headers: Headers) -> tuple[HTTPStatus, str] | None:
        """Return why a station may not connect, or None."""
        identity = identity_of(path)
        if identity is None or (identity not in self._known and not self._accept_unknown):
            return HTTPStatus.NOT_FOUND, "no station of this name: add a table [csms.stations.<name>]\n"
        expected = self._passwords.get(identity)
        if expected is None:
            return None
        given = _basic(headers.get_all("Authorization"))
        if given is None or not _equal(given, f"{identity}:{expected}"):
            return HTTPStatus.UNAUTHORIZED, "wrong or missing password\n"
        return None


def identity_of(path: str) -> str | None:
    """Return the name of the station in the path of its URL: the last part."""
    name = unquote(path.split("?", 1)[0].rstrip("/").rsplit("/", 1)[-1])
    return name if 0 < len(name) <= MOST_IDENTITY and name.isprintable() and "/" not in name else None


def _basic(values: list[str]) -> str | None:
    if len(values) != 1:
        return None
    scheme, _, encoded = values[0].partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


class Listener(Protocol):
    """Lets stations connect."""

    port: int
    """Where it listens."""

    async def start(self, port: int) -> None:
        """Listen. Raises :class:`CannotStart` naming the setting."""

    async def stop(self) -> None:
        """Close every connection."""

    @property
    def running(self) -> bool:
        """Whether it listens."""


Listen = Callable[[CsmsSettings, Gate, str, ServeStation], Listener]
"""Makes a listener for settings, gate, subprotocol and what serves a connection; a test hands in its own."""


class StationServer:
    """Listens for WebSockets of stations and gives each that is open to ``serve_station``."""

    def __init__(
        self,
        settings: CsmsSettings,
        gate: Gate,
        subprotocol: str,
        serve_station: ServeStation,
    ) -> None:
        """Nothing is open before :meth:`start`."""
        self._settings = settings
        self._gate = gate
        self._subprotocol = subprotocol
        self._serve_station = serve_station
        self._server: Server | None = None
        self.port = 0

    async def start(self, port: int) -> None:
        """Listen. Raises :class:`CannotStart` naming the setting."""
        try:
            self._server = await serve(
                self._handle,
                self._settings.host,
                port,
                subprotocols=[self._subprotocol],  # type: ignore[list-item]
                process_request=self._admit,
                ssl=self._tls(),
                max_size=MAX_FRAME_BYTES,
                ping_interval=30,
                ping_timeout=30,
                compression=None,
            )
        except OSError as error:
            raise CannotStart(
                f"stations cannot connect to {self._settings.host}:{port} ({error.strerror or error}): "
                "set host, port, cert_file or key_file in section [csms] of site.toml"
            ) from None
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        """Close every connection."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

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

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        refusal = self._gate.refusal(request.path, request.headers)
        if refusal is None:
            return None
        response = connection.respond(*refusal)
        if refusal[0] is HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = 'Basic realm="OCPP"'
        return response

    async def _handle(self, connection: ServerConnection) -> None:
        request = connection.request
        identity = None if request is None else identity_of(request.path)
        if identity is not None:
            await self._serve_station(identity, WebSocketConnection(connection))


async def close_quietly(closing: Awaitable[None], within_s: float) -> None:
    """Close an old connection without waiting long for a station that is gone."""
    try:
        await asyncio.wait_for(closing, within_s)
    except TimeoutError:
        return
