"""The agent: from the bus into the spool, and from the spool into the database."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.orm import Session as Database

from agents.influx_logger.alarms import LOST, SPOOL, lost_alarm, spool_alarm
from agents.influx_logger.answers import Answer, Fate
from agents.influx_logger.databases import BlockingWrite, open_database
from agents.influx_logger.lines import LineWriter
from agents.influx_logger.posting import post
from agents.influx_logger.settings import InfluxLoggerSettings
from agents.influx_logger.spool import (
    DROPPED,
    REFUSED,
    Filling,
    Lines,
    counts,
    drop_older,
    filling,
    oldest,
    put,
    settle,
)
from agents.runtime.agent import Agent, Context, Received, every, on, on_cleared
from agents.runtime.backoff import full_jitter
from bus_schema import TOPICS, Address, Role, Topic
from bus_schema.site_messages import Alarm
from bus_schema.topics import ALARM, CHARGER_TELEMETRY, GRID_TELEMETRY

MEASURED: tuple[Topic[Any], ...] = tuple(t for t in TOPICS if t.measurement and Role.INFLUX_LOGGER in t.readers)
"""Everything of the table that becomes points."""

BULK = (CHARGER_TELEMETRY.name, GRID_TELEMETRY.name)
"""What goes first when there is no room."""

BACKOFF_BASE_S, BACKOFF_CAP_S = 1.0, 60.0
"""Bounds of the delay before the database is tried again."""

GATHER_S = 0.1
"""Distance of commits for one kind of message at least: what comes meanwhile is one transaction. A commit costs as much
as a hundred messages, and nobody looks at a dashboard so closely."""

BLOCK_LINES = 1000
"""Most lines that wait, and are dropped, together."""

MB = 1_000_000
DAY_MS = 86_400_000


class InfluxLogger(Agent[InfluxLoggerSettings]):
    """Writes everything that has a measurement into the time-series database."""

    name = "influx_logger"
    settings_type = InfluxLoggerSettings
    migrations = "agents.influx_logger.migrations"
    local_store = True

    def __init__(self, context: Context[InfluxLoggerSettings], database: BlockingWrite | None = None) -> None:
        """Take what the agent is given; ``database`` stands in for the configured one in tests."""
        super().__init__(context)
        self._database = database
        self._close: Callable[[], None] = lambda: None
        self._writer = LineWriter()
        self._waits = Filling()
        self._counts: dict[str, int] = {}
        self._trouble: Answer | None = None
        self._attempt = 0
        self._not_before_s = 0.0
        self._stopping = False
        self._alarms: dict[str, Alarm] = {}

    async def start(self) -> None:
        """Find what waits from before."""
        if self._database is None and self.settings.url is not None:
            self._database, self._close = open_database(self.settings)
        self._waits, self._counts = await self.store.run(lambda db: (filling(db), counts(db)))

    async def stop(self) -> None:
        """Let the database go; what waits stays in the spool."""
        self._stopping = True
        self._close()

    def problems(self) -> list[str]:
        """Say why nothing leaves the spool."""
        if self.settings.url is None and self._database is None:
            return ["no database: set url in [influx_logger]; everything waits in the spool"]
        if self._trouble is None:
            return []
        what = "refuses this client" if self._trouble.fate is Fate.NEVER else "is not available"
        return [f"the database {what} ({self._trouble.reason}); {self._waits.lines} points wait"[:400]]

    @on(*MEASURED, batch=5000)
    async def spool(self, received: list[Received[Any]]) -> None:
        """Keep what has come; it is acknowledged to the broker once it is on disk."""
        by_kind: dict[bool, list[str]] = defaultdict(list)
        for each in received:
            line = self._writer.line(each)
            if line is not None:
                by_kind[each.address.topic.name not in BULK].append(line)
        blocks = [
            Lines(lasting, "\n".join(lines[at : at + BLOCK_LINES]).encode(), len(lines[at : at + BLOCK_LINES]))
            for lasting, lines in by_kind.items()
            for at in range(0, len(lines), BLOCK_LINES)
        ]
        await self._keep(blocks)
        await self.clock.sleep(GATHER_S)

    @on_cleared(ALARM)
    async def alarm_over(self, address: Address) -> None:
        """Note the end of an alarm."""
        line = self._writer.cleared(address, self.clock.now_ms())
        await self._keep([Lines(True, line.encode(), 1)])

    @every(1)
    async def drain(self) -> None:
        """Write what waits, until nothing does or the database cannot."""
        while self._database is not None and not self._stopping and self.clock.monotonic_s() >= self._not_before_s:
            batch = await self.store.run(lambda db: oldest(db, self.settings.post_lines))
            if batch is None:
                return
            posted = await post(batch.lines, self._write)
            if posted.stopped_by is not None:
                self._wait_after(posted.stopped_by)
                return
            if self._trouble is not None:
                self.log.info("database_back", waits=self._waits.lines)
            self._trouble, self._attempt = None, 0
            for letter in posted.dead:
                self.log.warning("point_refused", reason=letter.reason, line=letter.line[:200])
            now_ms = self.clock.now_ms()
            self._waits, self._counts = await self.store.run(
                lambda db: settle(db, batch.ids, posted.dead, posted.expired, now_ms)  # noqa: B023 - runs at once
            )

    @every(10)
    async def watch(self) -> None:
        """Drop what is too old, and raise or clear the alarms."""
        now_ms = self.clock.now_ms()
        # Counted anew: two kinds of messages that are kept at the same moment each add to what was there before both.
        self._waits = await self.store.run(filling)
        max_age_ms = self.settings.spool_max_age_days * DAY_MS
        if self._waits.oldest_ms is not None and now_ms - self._waits.oldest_ms > max_age_ms:
            dropped = await self.store.run(lambda db: drop_older(db, now_ms - max_age_ms, now_ms))
            self._waits, self._counts = await self.store.run(lambda db: (filling(db), counts(db)))
            self.log.error("points_dropped", lines=dropped, why="too old")
        since_ms = {name: alarm.since_ts for name, alarm in self._alarms.items()}
        trouble = None if self._trouble is None else self._trouble.reason
        max_bytes = self.settings.spool_max_mb * MB
        await self._raise(
            SPOOL, spool_alarm(self._waits, max_bytes, max_age_ms, now_ms, since_ms.get(SPOOL, now_ms), trouble)
        )
        lost = lost_alarm(
            self._counts.get(DROPPED, 0), self._counts.get(REFUSED, 0), now_ms, since_ms.get(LOST, now_ms)
        )
        await self._raise(LOST, lost)

    async def _keep(self, blocks: Sequence[Lines]) -> None:
        now_ms, max_bytes = self.clock.now_ms(), self.settings.spool_max_mb * MB

        def put_all(db: Database) -> tuple[Filling, int]:
            waits, dropped = self._waits, 0
            for block in blocks:
                waits, more = put(db, block, now_ms, waits, max_bytes)
                dropped += more
            return waits, dropped

        self._waits, dropped = await self.store.run(put_all)
        if dropped:
            self._counts[DROPPED] = self._counts.get(DROPPED, 0) + dropped
            self.log.error("points_dropped", lines=dropped, why="no room in the spool")

    async def _write(self, lines: str) -> Answer:
        if self._database is None:
            raise RuntimeError("drain() checks that there is a database")
        return await asyncio.to_thread(self._database, lines)

    def _wait_after(self, answer: Answer) -> None:
        delay_s = answer.retry_after_s or full_jitter(self.random, self._attempt, BACKOFF_BASE_S, BACKOFF_CAP_S)
        if self._trouble is None:
            self.log.warning("database_unavailable", reason=answer.reason, retry_in_s=round(delay_s, 1))
        self._attempt += 1
        self._trouble = answer
        self._not_before_s = self.clock.monotonic_s() + delay_s

    async def _raise(self, name: str, alarm: Alarm | None) -> None:
        """Publish an alarm that is new or worse, clear one that is over; the text of a standing one is told hourly."""
        standing = self._alarms.get(name)
        if alarm is None:
            if standing is not None:
                await self.bus.clear(ALARM, alarm=name)
                del self._alarms[name]
        elif standing is None or alarm.severity != standing.severity or _hours(alarm) != _hours(standing):
            await self.bus.publish(ALARM, alarm, alarm=name)
            self._alarms[name] = alarm


def _hours(alarm: Alarm) -> int:
    return (alarm.ts or 0) // 3_600_000
