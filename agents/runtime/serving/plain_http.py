"""A small HTTP server for one question per connection: metrics, or a file that chargers fetch.

Uvicorn costs every agent some ten megabytes; this takes no more than an answer needs. Nothing that a peer sends is kept
beyond a limit, and nobody is waited for without an end.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from agents.runtime.serving.descriptors import descriptor_limit, share
from agents.runtime.serving.listener import BoundedListener

MAX_HEAD_BYTES = 8 * 1024
"""Longest head of a request."""

HEAD_S = 10.0
"""Longest time from the connection to the whole head of its request. s."""

ANSWER_S = 300.0
"""Longest time for a body to come and the answer to be taken: a charger on a slow line puts megabytes of log. s."""

MOST_CONNECTIONS = 32
"""Connections at the same time."""

PART = 0.1
"""Part of the process's descriptors that this server gets."""


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request, and where its body comes from."""

    method: str
    path: str
    headers: tuple[tuple[bytes, bytes], ...]
    """Names in lower case."""
    body: asyncio.StreamReader = field(repr=False)

    @property
    def length(self) -> int | None:
        """Length of the body as the peer says, in bytes; None if it says none or nonsense."""
        values = [value for name, value in self.headers if name == b"content-length"]
        return int(values[0]) if len(values) == 1 and values[0].isdigit() and len(values[0]) < 16 else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


Handler = Callable[[Request], Awaitable[Answer]]


def read_head(head: bytes) -> tuple[str, str, tuple[tuple[bytes, bytes], ...]] | None:
    """Return method, path and headers of the head of a request, None if it is none. Pure."""
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    parts = first.split(b" ")
    if len(parts) != 3 or not parts[2].startswith(b"HTTP/1.") or not first.isascii():
        return None
    headers = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip():
            return None
        headers.append((name.lower(), value.strip()))
    return parts[0].decode(), parts[1].decode(), tuple(headers)


def written(answer: Answer) -> bytes:
    """Return an answer as it is sent. Pure."""
    head = (
        f"HTTP/1.1 {int(answer.status)} {answer.status.phrase}\r\n"
        f"Content-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n"
        "Connection: close\r\n"
        "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
        "Cross-Origin-Resource-Policy: same-origin\r\n"
        "X-Content-Type-Options: nosniff\r\n\r\n"
    )
    return head.encode() + answer.body


@asynccontextmanager
async def serving(
    handler: Handler,
    host: str,
    port: int,
    *,
    admits: Callable[[Iterable[tuple[bytes, bytes]]], tuple[HTTPStatus, str] | None] = lambda _headers: None,
) -> AsyncIterator[int]:
    """Let ``handler`` answer requests at ``host`` and ``port`` until left; yield the port.

    ``admits`` returns why a request must not reach it, judged by its headers, or None. Raises :class:`OSError` if that
    address cannot be used.
    """
    open_now: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # asyncio makes one for each connection
        open_now[task] = writer
        task.add_done_callback(lambda done: open_now.pop(done))
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            # Whoever it was has gone, or sends no HTTP, or no end of it: the next one is answered all the same.
            async with asyncio.timeout(HEAD_S):
                head = read_head(await reader.readuntil(b"\r\n\r\n"))
            if head is None:
                found = Answer(HTTPStatus.BAD_REQUEST, b"not HTTP/1.1\n")
            else:
                refusal = admits(head[2])
                if refusal is not None:
                    found = Answer(refusal[0], refusal[1].encode())
                else:
                    async with asyncio.timeout(ANSWER_S):
                        found = await handler(Request(*head, body=reader))
            writer.write(written(found))
            async with asyncio.timeout(ANSWER_S):
                await writer.drain()
                writer.close()
                await writer.wait_closed()
                return
        writer.transport.abort()

    most = share(descriptor_limit(), PART, MOST_CONNECTIONS)
    listener = BoundedListener(host, port, most=most, most_of_one=max(2, most * 3 // 4))
    try:
        server = await asyncio.start_server(answer, sock=listener, limit=MAX_HEAD_BYTES)
    except BaseException:
        listener.close()
        raise
    try:
        yield listener.getsockname()[1]
    finally:
        server.close()
        # Cut off rather than cancelled: asyncio reports each cancelled one as an error (Python 3.11).
        for writer in open_now.values():
            writer.transport.abort()
        if open_now:
            await asyncio.wait(set(open_now))
