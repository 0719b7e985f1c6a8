"""A server for one file, for as long as a command runs: chargers fetch their firmware from it, or put their log."""

import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from http import HTTPStatus

import typer

from agents.cli.connection.target import Target
from agents.cli.exits import CliError, ExitCode
from agents.runtime.serving import plain_http
from agents.runtime.serving.plain_http import Answer, Request

MAX_UPLOAD_BYTES = 8 * 1024 * 1024
"""More than any charger's log."""


class OneFile:
    """Serves ``offered`` to whoever GETs its path, and takes what is PUT or POSTed there."""

    def __init__(self, name: str, offered: bytes | None = None) -> None:
        """Draw a path that nobody else can guess, ending with ``name``."""
        self.path = f"/{secrets.token_urlsafe(16)}/{name}"
        self.offered = offered
        self.taken: bytes | None = None
        """What was put here last."""

    async def handle(self, request: Request) -> Answer:
        """Answer one request."""
        if request.path != self.path:
            return Answer(HTTPStatus.NOT_FOUND)
        if request.method == "GET" and self.offered is not None:
            return Answer(HTTPStatus.OK, self.offered, "application/octet-stream")
        if request.method in ("PUT", "POST") and self.offered is None:
            if request.length is None or request.length > MAX_UPLOAD_BYTES:
                return Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            self.taken = await request.body.readexactly(request.length)
            return Answer(HTTPStatus.CREATED)
        return Answer(HTTPStatus.METHOD_NOT_ALLOWED)


def no_browser(headers: Iterable[tuple[bytes, bytes]]) -> tuple[HTTPStatus, str] | None:
    """Return why a browser is not answered: chargers ask here, and nothing of theirs is for a page."""
    if any(name == b"origin" or name.startswith(b"sec-fetch-") for name, _ in headers):
        return HTTPStatus.FORBIDDEN, "not for browsers\n"
    return None


@asynccontextmanager
async def serving(file: OneFile, target: Target, listen: str | None) -> AsyncIterator[str]:
    """Serve ``file`` until left; yield its address as chargers see it.

    ``listen``: ``HOST[:PORT]`` at which the chargers reach this machine; None for the address from which this machine
    reaches the broker. Raises :class:`CliError` if that cannot be served.
    """
    host, port = own_address(target), 0
    if listen is not None:
        host, _, text = listen.partition(":")
        if (text and not text.isdecimal()) or not host:
            raise typer.BadParameter(f"{listen!r} is not HOST or HOST:PORT", param_hint="--listen")
        port = int(text or 0)
    async with contextlib.AsyncExitStack() as stack:
        try:
            where = await stack.enter_async_context(plain_http.serving(file.handle, host, port, admits=no_browser))
        except (OSError, OverflowError) as error:
            raise CliError(ExitCode.FAILED, f"cannot serve at {host}:{port}: {error}; choose with --listen") from None
        yield f"http://{host}:{where}{file.path}"


def own_address(target: Target) -> str:
    """Return the address of this machine in the direction of the broker, which the chargers use too."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect((target.options.host, target.options.port))  # sends nothing
        except OSError as error:
            raise CliError(
                ExitCode.UNREACHABLE, f"no way to the broker at {target.broker}: {error}; give --listen or --url"
            ) from None
        return str(probe.getsockname()[0])
