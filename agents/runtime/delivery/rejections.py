"""Tells the bus what an agent could not read: the first at once, a flood once a second with its count."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from agents.runtime.agent import BusUnavailable, Clock
from bus_schema.site_messages import Rejected

REPORT_INTERVAL_S = 1.0
"""Distance of two reports about the same topic and code."""

MAX_KEYS = 200
"""Different topics and codes that one second's reports tell apart; the rest is counted under the row's filter."""


@dataclass
class _Pending:
    reason: str
    size_bytes: int
    count: int = 0


class Rejections:
    """Collects what was rejected and reports it, never with the payload."""

    def __init__(self, publish: Callable[[Rejected], Awaitable[None]], clock: Clock, log: FilteringBoundLogger) -> None:
        """Report through ``publish``."""
        self._publish = publish
        self._clock = clock
        self._log = log
        self._pending: dict[tuple[str, str], _Pending] = {}
        self._wake = asyncio.Event()

    def report(self, topic: str, code: str, reason: str, size_bytes: int, *, group: str) -> None:
        """Note a rejected message; ``group`` stands for the topic when too many topics are at it."""
        key = (topic, code)
        if key not in self._pending and len(self._pending) >= MAX_KEYS:
            key = (group, code)
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = _Pending(reason, size_bytes)
        pending.count += 1
        self._wake.set()

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.flush()
            await self._clock.sleep(REPORT_INTERVAL_S)

    async def flush(self) -> None:
        """Report everything that waits; what the broker does not take waits on."""
        pending, self._pending = self._pending, {}
        for key, entry in pending.items():
            topic, code = key
            self._log.warning("message_rejected", topic=topic[:256], code=code, reason=entry.reason, count=entry.count)
            report = Rejected(
                ts=self._clock.now_ms(),
                topic=topic[:256],
                code=code,
                reason=entry.reason[:400],
                size_bytes=entry.size_bytes,
                count=entry.count,
            )
            try:
                await self._publish(report)
            except BusUnavailable:
                later = self._pending.setdefault(key, _Pending(entry.reason, entry.size_bytes))
                later.count += entry.count
                self._wake.set()
