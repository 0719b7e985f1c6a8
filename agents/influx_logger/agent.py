"""The agent: from the bus into the spool, and from the spool into the database.

The database is InfluxDB, or, where none is configured, the history's own SQLite file.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

from sqlalchemy.orm import Session as Database

from agents.influx_logger.alarms import LOST, SPOOL, lost_alarm, spool_alarm
from agents.influx_logger.answers import Answer, BlockingWrite, Fate
from agents.influx_logger.broker_status import DROPPING, FILTER, BrokerWatch
from agents.influx_logger.history_file import HistoryFile
from agents.influx_logger.lines import LineWriter
from agents.influx_logger.posting import post
from agents.influx_logger.settings import InfluxLoggerSettings
from agents.influx_logger.spool import (
    Filling,
    Lines,
    drop_older,
    end_trouble,
    filling,
    losses,
    note_trouble,
    oldest,
    put,
    settle,
)
from agents.influx_logger.upkeep import run_round
from agents.runtime.agent import Agent, Context, Received, Waiting, every, on, on_cleared
from agents.runtime.backoff import full_jitter
from agents.runtime.history.tables import HISTORY_FILE
from bus_schema import TOPICS, Address, Role, Topic
from bus_schema.site_messages import Alarm
from bus_schema.topics import ALARM, BROKER_STATUS, CHARGER_TELEMETRY, GRID_TELEMETRY

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

MAX_AGE_S = 31_536_000
"""Longest age that a health message tells: a year."""

MB = 1_000_000
DAY_MS = 86_400_000


class InfluxLogger(Agent[InfluxLoggerSettings]):
    """Writes everything that has a measurement into the time-series database."""

    name = "influx_logger"
    settings_type = InfluxLoggerSettings
    migrations = "agents.influx_logger.migrations"
    local_store = True
    beside = (FILTER,)

    @classmethod
    def identity(cls, settings: InfluxLoggerSettings) -> str:
        """Return the id of this process, where several share the work."""
        return cls.instance(settings.process)

    @classmethod
    def instance(cls, process: int) -> str:
        """Return the id of a process by its number: the first is called as the only one would be."""
        return cls.name if process == 1 else f"{cls.name}-{process}"

    def __init__(self, context: Context[InfluxLoggerSettings], database: BlockingWrite | None = None) -> None:
        """Take what the agent is given; ``database`` stands in for the configured one in tests."""
        super().__init__(context)
        self._database = database
        self._close: Callable[[], None] = lambda: None
        self._writer = LineWriter()
        self._waits = Filling()
        self._history: Path | None = None
        self._history_problem: str | None = None
        self._trouble: Answer | None = None
        self._attempt = 0
        self._not_before_s = 0.0
        self._stopping = False
        self._alarms: dict[str, Alarm] = {}
        self._broker = BrokerWatch()

    async def start(self) -> None:
        """Find what waits from before. Raises :class:`agents.runtime.agent.CannotStart`."""
        if self._database is None and self.settings.url is not None:
            # Its libraries are not needed where there is no InfluxDB.
            from agents.influx_logger.databases import open_database

            self._database, self._close = open_database(self.settings)
        elif self._database is None and self.store.url.database:
            self._history = Path(self.store.url.database).with_name(HISTORY_FILE)
            file = HistoryFile(self._history)
            self._database, self._close = file.write, file.close
        self._waits = await self.store.run(filling)

    def wants(self, address: Address) -> bool:
        """Say whether this process keeps what comes there, or must know of it."""
        return self._keeps(address) or self._own_alarm(address) is not None

    async def stop(self) -> None:
        """Let the database go; what waits stays in the spool."""
        self._stopping = True
        self._close()

    def waiting(self, now_ms: int) -> Waiting:
        """Tell what is in the spool."""
        oldest_ms = self._waits.oldest_ms
        age_s = 0 if oldest_ms is None else max(0, now_ms - oldest_ms) // 1000
        return Waiting(self._waits.lines, min(age_s, MAX_AGE_S))

    def problems(self) -> list[str]:
        """Say why nothing leaves the spool."""
        found = [] if self._history_problem is None else [self._history_problem[:400]]
        if self._trouble is not None:
            what = "refuses this client" if self._trouble.fate is Fate.NEVER else "is not available"
            found.append(f"the database {what} ({self._trouble.reason}); {self._waits.lines} points wait"[:400])
        return found

    @on(*MEASURED, batch=5000)
    async def spool(self, received: list[Received[Any]]) -> None:
        """Keep what has come; it is acknowledged to the broker once it is on disk."""
        by_kind: dict[bool, list[str]] = defaultdict(list)
        for each in received:
            own = self._own_alarm(each.address)
            if own is not None:
                # One that is older than this process ends with its cause, too.
                self._alarms.setdefault(own, each.message)
                if not self._keeps(each.address):
                    continue
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
        if not self._keeps(address):
            return
        line = self._writer.cleared(address, self.clock.now_ms())
        await self._keep([Lines(True, line.encode(), 1)])

    @every(1)
    async def drain(self) -> None:
        """Write what waits, until nothing does or the database cannot."""
        while self._database is not None and not self._stopping and self.clock.monotonic_s() >= self._not_before_s:
            batch = await self.store.run(lambda db: oldest(db, self.settings.post_lines))
            if batch is None:
                return
            posted = await post(batch.text, self._write)
            if posted.stopped_by is not None:
                await self._wait_after(posted.stopped_by)
                return
            if self._trouble is not None:
                self.log.info("database_back", waits=self._waits.lines)
                await self.store.run(lambda db: end_trouble(db, self.clock.now_ms()))
            self._trouble, self._attempt = None, 0
            for letter in posted.dead:
                self.log.warning("point_refused", reason=letter.reason, line=letter.line[:200])
            now_ms = self.clock.now_ms()
            self._waits = await self.store.run(
                lambda db: settle(db, batch.ids, posted.dead, posted.expired, now_ms)  # noqa: B023 - runs at once
            )

    @every(10)
    async def watch(self) -> None:
        """Drop what is too old, and raise or clear the alarms."""
        now_ms = self.clock.now_ms()
        # Counted anew: two kinds of messages that are kept at the same moment each add to what was there before both,
        # and `chargebus spool` changes the file, too.
        self._waits = await self.store.run(filling)
        max_age_ms = self.settings.spool_max_age_days * DAY_MS
        if self._waits.oldest_ms is not None and now_ms - self._waits.oldest_ms > max_age_ms:
            dropped = await self.store.run(lambda db: drop_older(db, now_ms - max_age_ms, now_ms))
            self._waits = await self.store.run(filling)
            self.log.error("points_dropped", lines=dropped, why="too old")
        since_ms = {name: alarm.since_ts for name, alarm in self._alarms.items()}
        trouble = None if self._trouble is None else self._trouble.reason
        max_bytes = self.settings.spool_max_mb * MB
        await self._raise(
            SPOOL, spool_alarm(self._waits, max_bytes, max_age_ms, now_ms, since_ms.get(SPOOL, now_ms), trouble)
        )
        await self._tell_of_broker(now_ms, since_ms.get(DROPPING, now_ms))
        lost = await self.store.run(losses)
        await self._raise(LOST, lost_alarm(lost, now_ms, since_ms.get(LOST, now_ms)))

    def heard_beside(self, topic: str, payload: bytes) -> None:
        """Take what the broker says of itself."""
        self._broker.hear(topic, payload)

    async def _tell_of_broker(self, now_ms: int, since_ms: int) -> None:
        status = self._broker.status(now_ms)
        if self.settings.process > 1:
            return  # The first process tells it.
        if status is not None:
            await self.bus.publish(BROKER_STATUS, status)
        await self._raise(DROPPING, self._broker.alarm(now_ms, since_ms))

    @every(600)
    async def tidy_history(self) -> None:
        """Thin the history, and export it.

        Not at once: what was cut off by a kill comes again right after the start, and is the same point as long as that
        stands as it came.
        """
        if self._history is None:
            return
        done = await asyncio.to_thread(run_round, self._history, self.settings, self.clock.now_ms())
        self._history_problem = done.problem
        if done.exported or done.thinned.folded or done.thinned.expired:
            self.log.info("history_thinned", files=done.exported, folded=done.thinned.folded,
                          expired=done.thinned.expired)  # fmt: skip
        if done.thinned.cut:
            self.log.warning("history_shortened", rows=done.thinned.cut, remedy="raise history_max_mb")

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
            self.log.error("points_dropped", lines=dropped, why="no room in the spool")

    def _keeps(self, address: Address) -> bool:
        """Tell whether a topic belongs to this process's share: that of its charger, circuit or agent.

        The broker is not asked to deal messages out (``$share``): whoever joins such a group, which Mosquitto's access
        list cannot forbid, takes a part of them away.
        """
        settings = self.settings
        if settings.processes == 1:
            return True
        whose = address.ids.get("charger") or "/".join(address.ids.values())
        return crc32(whose.encode()) % settings.processes == settings.process - 1

    def _own_alarm(self, address: Address) -> str | None:
        """Return which of the logger's alarms a topic is of, None if it is none of this process's own."""
        if address.topic is not ALARM:
            return None
        return next((name for name in (SPOOL, LOST, DROPPING) if self._alarm_id(name) == address.ids["alarm"]), None)

    def _alarm_id(self, name: str) -> str:
        return name if self.settings.process == 1 else f"{name}-{self.settings.process}"

    async def _write(self, lines: str) -> Answer:
        if self._database is None:
            raise RuntimeError("drain() checks that there is a database")
        return await asyncio.to_thread(self._database, lines)

    async def _wait_after(self, answer: Answer) -> None:
        delay_s = answer.retry_after_s or full_jitter(self.random, self._attempt, BACKOFF_BASE_S, BACKOFF_CAP_S)
        is_new = self._trouble is None or self._trouble.reason != answer.reason
        if self._trouble is None:
            self.log.warning("database_unavailable", reason=answer.reason, retry_in_s=round(delay_s, 1))
        self._attempt += 1
        self._trouble = answer
        self._not_before_s = self.clock.monotonic_s() + delay_s
        if is_new:
            await self.store.run(lambda db: note_trouble(db, answer.reason, self.clock.now_ms()))

    async def _raise(self, name: str, alarm: Alarm | None) -> None:
        """Publish an alarm that is new or worse, clear one that is over; the text of a standing one is told hourly."""
        standing = self._alarms.get(name)
        if alarm is None:
            if standing is not None:
                await self.bus.clear(ALARM, alarm=self._alarm_id(name))
                del self._alarms[name]
        elif standing is None or alarm.severity != standing.severity or _hours(alarm) != _hours(standing):
            await self.bus.publish(ALARM, alarm, alarm=self._alarm_id(name))
            self._alarms[name] = alarm


def _hours(alarm: Alarm) -> int:
    return (alarm.ts or 0) // 3_600_000
