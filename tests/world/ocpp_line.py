"""A WebSocket between bridge and backend in virtual time, and what can go wrong with it.

Frames keep their order and take their time. What is on its way when the connection breaks is lost, and neither end
learns whether the other has had it.
"""

import asyncio
import json
from collections.abc import Callable
from random import Random
from typing import Any

from agents.csms.server import ServeStation
from agents.ocpp_bridge.connecting import Target, Unreachable
from agents.runtime.ocpp import Connection, ConnectionLost
from tests.world.loop import VirtualLoop

NOTICED_MS = 40_000
"""A line that is dead without a word is noticed by the pings after so long: two of 20 s."""

WATCHED = ("StartTransaction", "StopTransaction")


class End:
    """One end: :class:`agents.runtime.ocpp.Connection`."""

    def __init__(self, line: "Line") -> None:
        self.other = self
        self._line = line
        self._came: asyncio.Queue[str | ConnectionLost] = asyncio.Queue()

    async def send(self, text: str) -> None:
        self._line.carry(text, self.other)

    async def receive(self) -> str | bytes:
        item = await self._came.get()
        if isinstance(item, ConnectionLost):
            self._came.put_nowait(item)
            raise item
        return item

    async def alive(self, within_s: float) -> bool:
        await asyncio.sleep(within_s if self._line.dead else 0.05)
        return self._line.open and not self._line.dead

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self._line.cut(code, reason)

    def put(self, item: str | ConnectionLost) -> None:
        self._came.put_nowait(item)


class Line:
    """One connection of one charge point."""

    def __init__(self, network: "Network", identity: str) -> None:
        self.identity = identity
        self.open, self.dead = True, False
        self.bridge, self.backend = End(self), End(self)
        self.bridge.other, self.backend.other = self.backend, self.bridge
        self._network = network
        self._last_ms = 0

    def carry(self, text: str, to: End) -> None:
        if not self.open:
            raise ConnectionLost("closed")
        if to is self.backend:
            self._network.said(self, text)
        if self.dead:
            return
        loop, random = self._network.loop, self._network.random
        delay_ms = random.randrange(3_000) if random.random() < 0.02 else random.randrange(60)
        self._last_ms = max(self._last_ms, loop.now_ms + delay_ms)
        loop.at(self._last_ms, lambda: self._arrive(text, to))

    def _arrive(self, text: str, to: End) -> None:
        if self.open and not self.dead and not self._network.loses(self, text, to is self.bridge):
            to.put(text)

    def cut(self, code: int = 1006, reason: str = "the line is cut") -> None:
        if self.open:
            self.open = False
            self._network.lines.discard(self)
            for end in (self.bridge, self.backend):
                end.put(ConnectionLost(reason or "closed", code))

    def die(self) -> None:
        """Carry nothing any more; the ends notice it by their pings."""
        self.dead = True
        self._network.loop.at(self._network.loop.now_ms + NOTICED_MS, self.cut)


class Network:
    """Connector of the bridge and listener of the backend."""

    def __init__(self, loop: VirtualLoop, random: Random) -> None:
        self.loop, self.random = loop, random
        self.up = True
        self.lines: set[Line] = set()
        self.cut_at: str | None = None
        """The connection breaks when the backend has had a call of this action, before its answer is back."""
        self.lost_answers = 0
        """So many answers to charge points vanish."""
        self.messages: dict[tuple[str, str, Any], set[str]] = {}
        """Each StopTransaction by charge point and transaction: every text in which it was sent."""
        self.transmissions = 0
        """How often StartTransaction and StopTransaction were sent."""
        self.broken = 0
        """How many connections have been broken."""
        self._serve: ServeStation | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.port, self.running = 0, False

    # The bridge's side

    async def connect(self, target: Target) -> Connection:
        await asyncio.sleep(self.random.randrange(5, 300) / 1000)
        if not self.up or self._serve is None:
            raise Unreachable("no connection: refused")
        line = Line(self, target.url.rsplit("/", 1)[1])
        self.lines.add(line)
        task = self.loop.create_task(self._served(self._serve, line))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        return line.bridge

    async def _served(self, serve: ServeStation, line: Line) -> None:
        try:
            await serve(line.identity, line.backend)
        finally:
            line.cut()

    # The backend's side

    def listener(self, *what: Any) -> "Network":
        """Return what a backend that starts listens with."""
        self._serve = what[-1]
        return self

    async def start(self, _port: int) -> None:
        self.running = True

    async def stop(self) -> None:
        self.backend_is_gone()

    def backend_is_gone(self) -> None:
        self.running, self._serve = False, None
        self.cut(lambda _line: True)
        for task in self._serving:
            task.cancel()

    # What happens

    def cut(self, which: Callable[[Line], bool]) -> None:
        for line in sorted(filter(which, self.lines), key=lambda line: line.identity):
            self.broken += 1
            line.cut()

    def mend(self) -> None:
        self.up, self.cut_at, self.lost_answers = True, None, 0

    def said(self, line: Line, text: str) -> None:
        """Keep what is sent of transactions: a repetition must be the same to the byte."""
        if any(f'"{action}"' in text[:90] for action in WATCHED):
            _, _, action, payload = json.loads(text)
            self.transmissions += 1
            if action == "StopTransaction":
                key = (line.identity, action, payload["transactionId"])
                self.messages.setdefault(key, set()).add(text.split(",", 3)[3])

    def loses(self, line: Line, text: str, to_bridge: bool) -> bool:
        if to_bridge and text.startswith("[3") and self.lost_answers:
            self.lost_answers -= 1
            return True
        if not to_bridge and self.cut_at is not None and f'"{self.cut_at}"' in text[:90]:
            self.cut_at = None
            self.broken += 1
            line.backend.put(text)
            self.loop.at(self.loop.now_ms + self.random.randrange(30), line.cut)
            return True
        return False
