"""An agent in its real host, with a bus that is a list and a clock that a test moves."""

import asyncio
import heapq
from collections.abc import Iterable
from itertools import count
from typing import Any

from agents.runtime.agent import BusUnavailable
from agents.runtime.database.store import Store
from agents.runtime.host import AgentHost, RawMessage
from bus_schema import Topic, parse_topic

SITE = "garage"
NOW_MS = 1_767_225_600_000
_LEFT_OVER = (f"ev/v1/{SITE}/alarm/quota-", f"ev/v1/{SITE}/alarm/database-")


class ManualClock:
    """Time that stands still until :meth:`advance`."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self._elapsed_ms = 0
        self._start_ms = now_ms
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    def now_ms(self) -> int:
        return self._start_ms + self._elapsed_ms

    def monotonic_s(self) -> float:
        return self._elapsed_ms / 1000

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed_ms + round(seconds * 1000), next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let so much time pass, waking each sleeper at its own moment."""
        end = self._elapsed_ms + round(seconds * 1000)
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, future = heapq.heappop(self._sleepers)
            self._elapsed_ms = max(self._elapsed_ms, due)
            if not future.done():
                future.set_result(None)
                await turns()
        self._elapsed_ms = end
        await turns()


async def turns(number: int = 30) -> None:
    """Let every task that can run do so."""
    for _ in range(number):
        await asyncio.sleep(0)


class ListBus:
    """A transport that remembers what was published; ``down`` makes it refuse."""

    def __init__(self) -> None:
        self.down = False
        self.sent: list[tuple[str, bytes, bool]] = []

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise BusUnavailable("the test has cut the line")
        self.sent.append((topic, payload, retain))

    def take(self, row: Topic[Any]) -> list[tuple[dict[str, str], Any]]:
        """Return and forget what was published on a row of the table: ids and message (None when cleared)."""
        found, rest = [], []
        for each in self.sent:
            address = parse_topic(each[0])
            if address.topic is row:
                found.append((address.ids, row.decode(each[1]) if each[1] else None))
            else:
                rest.append(each)
        self.sent = rest
        return found


class Hosted:
    """One agent that runs."""

    def __init__(
        self, agent_type: type[Any], url: str = "sqlite://", clock: ManualClock | None = None, **settings: Any
    ):
        self.clock = clock or ManualClock()
        self.bus = ListBus()
        self.store = Store(url, agent_type.migrations, threaded=False)
        self.store.upgrade()
        self.host = AgentHost(
            agent_type,
            agent_type.settings_type.model_validate(settings),
            self.bus,
            self.clock,
            self.store,
            site=SITE,
        )
        self.acknowledged = 0

    async def __aenter__(self) -> "Hosted":
        await self.host.start()
        self.host.connected()
        await turns()
        # What an earlier life may have left on the bus is cleared at every start: no test is about that.
        self.bus.sent = [each for each in self.bus.sent if not each[0].startswith(_LEFT_OVER)]
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.host.stop()
        self.store.close()

    async def kill(self) -> None:
        """End as ``kill -9`` would."""
        self.host.kill()
        await turns()
        self.store.close()

    def put(self, row: Topic[Any], message: Any, retained: bool = False, **ids: str) -> None:
        """Deliver a message without waiting for what it does."""
        self.host.deliver(RawMessage(row.format(SITE, **ids), row.encode(message), row.qos, retained, self._count))

    async def hear(self, row: Topic[Any], messages: Iterable[Any], retained: bool = False, **ids: str) -> None:
        """Deliver messages and wait until they are handled."""
        for message in messages:
            self.put(row, message, retained, **ids)
        for _ in range(1000):
            await turns(5)
            if not self.host.router.queued:
                return
        raise AssertionError(f"still queued: {self.host.router.queued_by_topic()}")

    def _count(self) -> None:
        self.acknowledged += 1
