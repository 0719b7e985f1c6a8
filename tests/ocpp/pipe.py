"""Two ends of a connection without a network, and dispatchers on them."""

import asyncio
import itertools
import json
from collections.abc import Mapping
from random import Random
from typing import Any

import structlog

from agents.runtime.ocpp import ConnectionLost, Dispatcher, Handler, message_ids
from agents.runtime.ocpp.v16 import V16


class End:
    """One end of a pipe."""

    def __init__(self) -> None:
        self.other: End = self
        self._queue: asyncio.Queue[str | bytes | ConnectionLost] = asyncio.Queue()
        self.sent: list[str] = []
        self.closed_with: int | None = None
        self._open = True
        self.half_open = False
        """Whether the other end has gone without a word: nothing arrives, and no ping is answered."""

    async def send(self, text: str) -> None:
        if not self._open:
            raise ConnectionLost("closed")
        self.sent.append(text)
        if self.half_open:
            return
        self.other._queue.put_nowait(text)

    async def receive(self) -> str | bytes:
        item = await self._queue.get()
        if isinstance(item, ConnectionLost):
            self._open = False
            raise item
        return item

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.closed_with = code
        for end in (self, self.other):
            end._open = False
            end._queue.put_nowait(ConnectionLost(reason or "closed", code))

    async def alive(self, _within_s: float) -> bool:
        return self._open and not self.half_open

    def put(self, data: str | bytes) -> None:
        """Let this end receive ``data``."""
        self._queue.put_nowait(data)


def pipe() -> tuple[End, End]:
    one, other = End(), End()
    one.other, other.other = other, one
    return one, other


class Peer:
    """The other end by hand: raw text out, parsed messages in."""

    def __init__(self, end: End) -> None:
        self.end = end
        self._ids = itertools.count(1)

    async def send(self, message: Any) -> None:
        await self.end.send(message if isinstance(message, str) else json.dumps(message))

    async def next(self) -> Any:
        return json.loads(await asyncio.wait_for(self.end.receive(), 5))

    async def call(self, action: str, payload: Any) -> Any:
        id = f"peer-{next(self._ids)}"
        await self.send([2, id, action, payload])
        answer = await self.next()
        assert answer[1] == id, answer
        return answer


def dispatcher(end: End, clock: Any, handlers: Mapping[str, Handler] | None = None, **options: Any) -> Dispatcher:
    return Dispatcher(
        end,
        V16,
        handlers or {},
        clock=clock,
        message_ids=message_ids(Random(1)),
        log=structlog.get_logger(),
        **options,
    )
