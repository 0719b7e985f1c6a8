"""Fetches a file, and puts one, over HTTP on asyncio, a piece at a time: nothing here holds a whole file.

HTTP/1.0, so that no server answers in chunks. A redirection is followed, but never from https to http. The functions
that these classes need run as one task each; whoever uses them polls.
"""

import asyncio
import binascii

from . import utf8
from .url import TransferFailed, Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MAX_BUFFERED = 4096
"""What may wait for the one who polls."""
MAX_HEAD = 4096
MAX_REDIRECTS = 3
CONNECT_S = 15.0
"""Longest time for a connection with its TLS handshake."""
ANSWER_S = 60.0
"""Longest wait for the answer to a file that was put, and for a piece of it to leave."""
_PIECE = 1024
_REDIRECTS = (301, 302, 303, 307, 308)


class _Answer:
    """The head of a server's answer."""

    def __init__(self, head: bytes) -> None:
        # Words of it go into reasons that are published: what is not UTF-8 raises ValueError.
        lines = utf8.read(head).split("\r\n")
        words = lines[0].split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
            raise TransferFailed("the server does not speak HTTP")
        self.status = int(words[1])
        self.reason = words[1] if len(words) < 3 else "%s %s" % (words[1], words[2][:40])
        self.fields: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                self.fields[name.strip().lower()] = value.strip()

    def length(self) -> int | None:
        """Bytes of the body, None if it ends with the connection."""
        if self.fields.get("transfer-encoding", "identity").lower() != "identity":
            raise TransferFailed("the server answers in chunks, which HTTP/1.0 does not know")
        text = self.fields.get("content-length")
        if text is None:
            return None
        if not text.isdigit() or len(text) > 10:
            raise TransferFailed("the server announces a length that is no number")
        return int(text)


class _Transfer:
    """A task that talks to a server, and what has become of it."""

    def __init__(self, url: str, tls: "Any") -> None:
        self._url = Url(url)
        self._tls = tls
        if self._url.is_secure and tls is None:
            raise TransferFailed("https needs a certificate authority, which this charger was not given")
        self._error = ""
        self._done = False
        self._task = asyncio.create_task(self._guarded())

    def close(self) -> None:
        """Give it up, or be done with it."""
        self._task.cancel()

    async def _guarded(self) -> None:
        try:
            await self._talk()
        except TransferFailed as failed:
            self._error = str(failed)
        except asyncio.TimeoutError:
            self._error = "%s does not answer" % self._url.place
        except (OSError, EOFError, ValueError) as error:
            self._error = "%s: %s" % (self._url.place, error or type(error).__name__)
        finally:
            self._done = True

    async def _talk(self) -> None:
        raise NotImplementedError

    def _check(self) -> None:
        if self._error:
            raise TransferFailed(self._error)

    async def _open(self) -> "tuple[Any, Any]":
        url = self._url
        opening = asyncio.open_connection(url.host, url.port, ssl=self._tls if url.is_secure else None)
        return await asyncio.wait_for(opening, CONNECT_S)

    def _request(self, method: str, more: str = "") -> bytes:
        url = self._url
        login = str(binascii.b2a_base64(url.user.encode()), "ascii").strip() if url.user else ""
        lines = ["%s %s HTTP/1.0" % (method, url.path), "Host: " + url.place, "Connection: close"]
        if login:
            lines.append("Authorization: Basic " + login)
        return ("\r\n".join(lines) + "\r\n" + more + "\r\n").encode()

    async def _head(self, reader: "Any") -> "tuple[_Answer, bytes]":
        """Return the answer's head, and what has come behind it."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = await reader.read(512)
            if not piece:
                raise TransferFailed("the server closed the connection without an answer")
            data += piece
            if len(data) > MAX_HEAD:
                raise TransferFailed("the head of the server's answer is too long")
        head, _, rest = data.partition(b"\r\n\r\n")
        return _Answer(head), rest


class HttpFetch(_Transfer):
    """A file on its way here: the seam's ``Fetch``."""

    def __init__(self, url: str, tls: "Any" = None) -> None:
        """Begin. Raises :class:`TransferFailed` for an address that this charger cannot reach."""
        self.length: int | None = None
        self._buffer = b""
        self._room = asyncio.Event()
        super().__init__(url, tls)

    def read(self, most: int) -> bytes | None:
        """Return what has come, at most so much; ``b""`` for nothing yet, None at the end."""
        data = self._buffer[:most]
        self._buffer = self._buffer[len(data) :]
        if len(self._buffer) < MAX_BUFFERED:
            self._room.set()
        if not data and self._done:
            self._check()
            return None
        return data

    async def _talk(self) -> None:
        for _ in range(MAX_REDIRECTS + 1):
            reader, writer = await self._open()
            try:
                writer.write(self._request("GET"))
                await writer.drain()
                answer, rest = await self._head(reader)
                if answer.status not in _REDIRECTS:
                    await self._body(answer, rest, reader)
                    return
                self._redirect(answer.fields.get("location", ""))
            finally:
                writer.close()
        raise TransferFailed("the server redirects more than %d times" % MAX_REDIRECTS)

    def _redirect(self, where: str) -> None:
        old = self._url
        if where.startswith("/"):
            where = "%s://%s%s" % ("https" if old.is_secure else "http", old.place, where)
        new = Url(where)
        if old.is_secure and not new.is_secure:
            raise TransferFailed("the server redirects from https to http")
        if new.is_secure and self._tls is None:
            raise TransferFailed("the server redirects to https, for which this charger has no certificate authority")
        self._url = new

    async def _body(self, answer: _Answer, rest: bytes, reader: "Any") -> None:
        if answer.status != 200:
            raise TransferFailed("the server answers " + answer.reason)
        self.length = left = answer.length()
        piece = rest
        while True:
            if left is not None:
                piece = piece[:left]
                left -= len(piece)
            self._buffer += piece
            if left == 0:
                return
            while len(self._buffer) >= MAX_BUFFERED:
                self._room.clear()
                await self._room.wait()
            piece = await reader.read(_PIECE)
            if not piece:
                return


class HttpPut(_Transfer):
    """A file on its way from here: the seam's ``Put``. A server that does not know PUT gets a POST."""

    def __init__(self, url: str, length: int, pieces: "Callable[[], Any]", tls: "Any" = None) -> None:
        """Begin; ``pieces()`` returns an iterator over the file. Raises :class:`TransferFailed` like a fetch."""
        self._length = length
        self._pieces = pieces
        super().__init__(url, tls)

    def poll(self) -> bool:
        """Whether it has arrived. Raises :class:`TransferFailed`."""
        if self._done:
            self._check()
        return self._done

    async def _talk(self) -> None:
        answer = await self._send("PUT")
        if answer.status in (405, 501):
            answer = await self._send("POST")
        if not 200 <= answer.status < 300:
            raise TransferFailed("the server answers " + answer.reason)

    async def _send(self, method: str) -> _Answer:
        reader, writer = await self._open()
        try:
            more = "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n" % self._length
            writer.write(self._request(method, more))
            try:
                await asyncio.wait_for(writer.drain(), ANSWER_S)
                for piece in self._pieces():
                    writer.write(piece)
                    await asyncio.wait_for(writer.drain(), ANSWER_S)
            except OSError:
                # It may have refused before it has read everything: what it says counts.
                pass
            answer, _ = await asyncio.wait_for(self._head(reader), ANSWER_S)
            return answer
        finally:
            writer.close()
