"""A server for one file, for as long as a command runs: chargers fetch their firmware from it, or put their log."""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import typer

from agents.cli.exits import CliError, ExitCode
from agents.cli.target import Target

MAX_UPLOAD_BYTES = 8 * 1024 * 1024
"""More than any charger's log."""

HEAD_S = 10.0
"""Longest time for the head of a request."""


class OneFile:
    """Serves ``offered`` to whoever GETs its path, and takes what is PUT or POSTed there."""

    def __init__(self, name: str, offered: bytes | None = None) -> None:
        """Draw a path that nobody else can guess, ending with ``name``."""
        self.path = f"/{secrets.token_urlsafe(16)}/{name}"
        self.offered = offered
        self.taken: bytes | None = None
        """What was put here last."""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        try:
            async with asyncio.timeout(HEAD_S):
                head = await reader.readuntil(b"\r\n\r\n")
            answer = await self._answer(head.decode("latin-1").split("\r\n"), reader)
            writer.write(answer)
            await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            # Whoever it was has gone or sends no HTTP; the next request is answered all the same.
            return
        finally:
            writer.close()

    async def _answer(self, lines: list[str], reader: asyncio.StreamReader) -> bytes:
        method, _, rest = lines[0].partition(" ")
        if rest.split(" ")[0] != self.path:
            return _empty("404 Not Found")
        if method == "GET" and self.offered is not None:
            head = f"HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {len(self.offered)}"
            return head.encode() + b"\r\n\r\n" + self.offered
        if method in ("PUT", "POST") and self.offered is None:
            length = _length(lines[1:])
            if length is None or length > MAX_UPLOAD_BYTES:
                return _empty("413 Content Too Large")
            self.taken = await reader.readexactly(length)
            return _empty("201 Created")
        return _empty("405 Method Not Allowed")


def _length(lines: list[str]) -> int | None:
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-length" and value.strip().isdecimal():
            return int(value)
    return None


def _empty(status: str) -> bytes:
    return f"HTTP/1.0 {status}\r\nContent-Length: 0\r\n\r\n".encode()


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
    try:
        server = await asyncio.start_server(file.handle, host, port)
    except (OSError, OverflowError) as error:
        raise CliError(ExitCode.FAILED, f"cannot serve at {host}:{port}: {error}; choose with --listen") from None
    try:
        yield f"http://{host}:{server.sockets[0].getsockname()[1]}{file.path}"
    finally:
        server.close()


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
