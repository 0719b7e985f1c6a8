"""One row's way through an agent: a queue, a worker, and what happens when a handler fails."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from structlog.typing import FilteringBoundLogger

from agents.runtime.agent import BusUnavailable, Clock, NotAllowed, Received, Unreadable
from agents.runtime.backoff import full_jitter
from agents.runtime.counters import Counters, Durations
from agents.runtime.database.store_errors import StoreUnavailable
from agents.runtime.delivery.fair_queue import FairQueue
from bus_schema import Address, ContractError, Topic
from bus_schema.topics import CHARGER_COMMAND

RETRY_BASE_S = 0.2
"""First bound of the delay before a handler is called again."""

RETRY_CAP_S = 10.0
"""Last bound of it."""

MAX_STALE = 5_000
"""Messages of lost connections that a lane keeps; beyond that it relies on the broker, which delivers them again."""

TURN = 64
"""Calls after which a busy lane lets the others and the network have their turn."""


@dataclass(slots=True)
class RawMessage:
    """A message as the broker delivered it."""

    topic: str
    payload: bytes
    qos: int
    retained: bool
    acknowledge: Callable[[], None]
    """Tells the broker that the message has been dealt with; does nothing at QoS 0 or when called again."""


class Reject(Protocol):
    """Counts, reports and acknowledges a message that cannot be handled."""

    def __call__(self, raw: RawMessage, code: str, reason: str, topic: Topic[Any] | None) -> None:
        """Reject ``raw``."""


@dataclass(frozen=True)
class LaneServices:
    """What all lanes of an agent use."""

    clock: Clock
    random: Random
    log: FilteringBoundLogger
    counters: Counters
    reject: Reject
    queue_limit: int


@dataclass(slots=True)
class _Item:
    address: Address
    raw: RawMessage
    received_ms: int
    stale: bool = False
    """True once the connection that delivered it is lost."""


class Lane:
    """Queue and worker of one row of the table."""

    def __init__(
        self,
        topic: Topic[Any],
        handler: Callable[..., Awaitable[None]] | None,
        batch: int,
        cleared: Callable[[Address], Awaitable[None]] | None,
        services: LaneServices,
        *,
        fair: bool = False,
        unreadable: Callable[[Unreadable], Awaitable[None]] | None = None,
    ) -> None:
        """Serve ``topic`` with ``handler`` (lists of at most ``batch`` if that is not 0) and ``cleared``.

        With ``fair`` the chargers of the topic are served in turn. ``unreadable`` gets what cannot be read.
        """
        self.topic = topic
        self.fair = fair
        self.keeps_unreadable = unreadable is not None
        self._unreadable = unreadable
        self.trouble: str | None = None
        """Why the handler is being called again and again, in words; None when all is well."""
        self._handler = handler
        self._batch = batch
        self._cleared = cleared
        self._services = services
        self._durations = services.counters.handlers.setdefault(topic.name, Durations())
        self._queue: deque[_Item] | FairQueue[_Item] = FairQueue() if fair else deque()
        self._in_hand = 0
        self._in_hand_since_ms = 0
        self._wake = asyncio.Event()
        self._finishing = False

    @property
    def queued(self) -> int:
        """Messages that wait or are being handled."""
        return len(self._queue) + self._in_hand

    def behind_ms(self, now_ms: int) -> int:
        """Return how long the message has waited that has waited longest, 0 when none waits or is in hand."""
        waiting = [self._in_hand_since_ms] if self._in_hand else []
        if isinstance(self._queue, FairQueue):
            waiting.extend(item.received_ms for item in self._queue.oldest_of_each())
        elif self._queue:
            waiting.append(self._queue[0].received_ms)
        return max(0, now_ms - min(waiting, default=now_ms))

    def put(self, address: Address, raw: RawMessage, received_ms: int) -> None:
        """Queue a message. A full queue drops its oldest QoS 0 message; QoS 1 is bounded by the broker's window."""
        queue = self._queue
        if isinstance(queue, FairQueue):
            queue.put(address.ids["charger"], _Item(address, raw, received_ms))
            self._wake.set()
            return
        if raw.qos == 0 and len(queue) >= self._services.queue_limit:
            self._services.counters.dropped += 1
            if queue[0].raw.qos > 0:
                return  # Nothing but the new one may be dropped.
            queue.popleft()
        queue.append(_Item(address, raw, received_ms))
        if not self._wake.is_set():
            self._wake.set()

    def disconnected(self) -> None:
        """Mark what waits as stale: its acknowledgement reaches nobody, and the broker will deliver it again.

        It is handled all the same, because a broker that was killed may have forgotten it. Only when too much is
        stale is the oldest given back, so that a lane that cannot work does not grow with every reconnection.
        """
        for item in self._queue:
            item.stale = item.raw.qos > 0
        excess = sum(item.stale for item in self._queue) - MAX_STALE
        if excess > 0:
            self._services.counters.superseded += excess
            waiting, self._queue = self._queue, FairQueue() if self.fair else deque()
            for item in waiting:
                if item.stale and excess > 0:
                    excess -= 1
                elif isinstance(self._queue, FairQueue):
                    self._queue.put(item.address.ids["charger"], item)
                else:
                    self._queue.append(item)

    def finish(self) -> None:
        """Let :meth:`run` return once the queue is empty."""
        self._finishing = True
        self._wake.set()

    async def run(self) -> None:
        """Handle messages until cancelled or finished."""
        calls = 0
        while True:
            if not self._queue:
                if self._finishing:
                    return
                self._wake.clear()
                await self._wake.wait()
                calls = 0
                continue
            if self._batch and self._handler is not None:
                await self._handle_batch()
            else:
                await self._handle_one(self._queue.popleft())
            calls += 1
            if calls >= TURN or self._batch:
                calls = 0
                await asyncio.sleep(0)

    def _next(self) -> _Item:
        return self._queue.first() if isinstance(self._queue, FairQueue) else self._queue[0]

    async def _handle_one(self, item: _Item) -> None:
        self._in_hand, self._in_hand_since_ms = 1, item.received_ms
        if self._is_cleared(item):
            done = self._cleared is None or await self._succeeds(self._cleared, item.address, item)
        else:
            received = await self._read(item)
            done = received is not None and (
                self._handler is None or await self._succeeds(self._handler, received, item)
            )
        if done:  # Else it was rejected, which acknowledges too.
            item.raw.acknowledge()
        self._in_hand = 0

    async def _handle_batch(self) -> None:
        if self._is_cleared(self._next()):
            await self._handle_one(self._queue.popleft())
            return
        items: list[_Item] = []
        readable: list[Received[Any]] = []
        # At most as many as are here: what comes meanwhile is the next batch.
        queue = self._queue
        size = queue.batch_size(self._batch) if isinstance(queue, FairQueue) else self._batch
        while queue and size and not self._is_cleared(self._next()):
            item = queue.popleft()
            size -= 1
            received = await self._read(item)
            if received is not None:
                items.append(item)
                readable.append(received)
        if not items or self._handler is None:
            return
        self._in_hand, self._in_hand_since_ms = len(items), min(item.received_ms for item in items)
        try:
            await self._call(self._handler, readable)
        except Exception as error:
            # Any error of an agent's code: one message of the batch is at fault, so that each is tried alone.
            self._services.log.exception(
                "batch_failed", topic=self.topic.name, size=len(items), error=type(error).__name__
            )
            for item, received in zip(items, readable, strict=True):
                if await self._succeeds(self._handler, [received], item):
                    item.raw.acknowledge()
                self._in_hand -= 1
        else:
            for item in items:
                item.raw.acknowledge()
        self._in_hand = 0

    def _is_cleared(self, item: _Item) -> bool:
        return not item.raw.payload and (self.topic.clearable or self._cleared is not None)

    async def _read(self, item: _Item) -> Received[Any] | None:
        raw = item.raw
        # Only commands: a broker may mark what it had queued for an absent client as retained, too (amqtt does).
        if raw.retained and self.topic is CHARGER_COMMAND:
            reason = "a command is never retained; clear it with an empty retained message"
            self._services.reject(raw, "retained", reason, self.topic)
            return None
        try:
            message = self.topic.decode(raw.payload)
        except ContractError as error:
            if self._unreadable is not None:
                unreadable = Unreadable(raw.payload, item.address, error.reason, item.received_ms)
                if not await self._succeeds(self._unreadable, unreadable, item):
                    return None
            self._services.reject(raw, error.code, error.reason, self.topic)
            return None
        return Received(message, item.address, raw.retained, item.received_ms)

    async def _succeeds(self, handler: Callable[..., Awaitable[None]], argument: object, item: _Item) -> bool:
        try:
            await self._call(handler, argument)
        except NotAllowed as error:
            self._services.reject(item.raw, "not_allowed", str(error), self.topic)
            return False
        except Exception as error:
            # Whatever an agent's code raises must not stop the agent: the message is reported and given up.
            self._services.log.exception("handler_failed", topic=item.raw.topic, error=type(error).__name__)
            reason = f"{self.topic.name}: the handler failed with {type(error).__name__}; see the agent's log"
            self._services.reject(item.raw, "handler_failed", reason, self.topic)
            return False
        return True

    async def _call(self, handler: Callable[..., Awaitable[None]], argument: object) -> None:
        """Call ``handler`` until its store and the bus are available. Raises what else it raises."""
        clock = self._services.clock
        attempt = 0
        while True:
            started_s = clock.monotonic_s()
            try:
                await handler(argument)
            except (StoreUnavailable, BusUnavailable) as error:
                self._durations.observe(clock.monotonic_s() - started_s)
                await self._back_off(attempt, str(error))
                attempt += 1
                continue
            except BaseException:
                self.trouble = None
                raise
            self._durations.observe(clock.monotonic_s() - started_s)
            self.trouble = None
            return

    async def _back_off(self, attempt: int, reason: str) -> None:
        services = self._services
        self.trouble = reason
        services.counters.retries += 1
        delay_s = full_jitter(services.random, attempt, RETRY_BASE_S, RETRY_CAP_S)
        services.log.warning("handler_waits", topic=self.topic.name, reason=reason, retry_in_s=round(delay_s, 3))
        await services.clock.sleep(delay_s)
