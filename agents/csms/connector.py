"""One connector: its state in memory, which is always what has been committed."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session as Database

from agents.csms.journal import Change, write
from agents.csms.messages import Moment
from agents.csms.models import ConnectorRow
from agents.csms.settings import Station
from agents.csms.state import ConnectorState
from agents.runtime.agent import Clock
from agents.runtime.database.store import Store

T = TypeVar("T")


class Connector:
    """A connector of a station. On the bus it is a charger."""

    def __init__(
        self,
        charger: str,
        number: int,
        station: Station,
        state: ConnectorState,
        store: Store,
        clock: Clock,
        started_s: float,
        changed: Callable[["Connector"], None],
        *,
        kept: bool = True,
    ) -> None:
        """Begin with ``state``; ``changed`` is called after each commit. One that is not ``kept`` leaves no row."""
        self.charger = charger
        self.number = number
        self.station = station
        self.state = state
        self.online = False
        self._kept = kept
        self._store = store
        self._clock = clock
        self._started_s = started_s
        self._changed = changed
        self._lock = asyncio.Lock()
        self._running: set[asyncio.Task[object]] = set()

    def now(self) -> Moment:
        """Return the time, and how long this program runs."""
        uptime_ms = max(0, round((self._clock.monotonic_s() - self._started_s) * 1000))
        return Moment(self._clock.now_ms(), uptime_ms)

    async def change(self, step: Callable[[ConnectorState], Change]) -> None:
        """Let something happen; nothing has if it raises :class:`agents.runtime.database.store.StoreUnavailable`."""

        def work(_: Database, state: ConnectorState) -> tuple[Change, None]:
            return step(state), None

        await self.change_with(work)

    async def update(self, **fields: object) -> None:
        """Replace parts of the state."""
        await self.change(lambda state: Change(state.model_copy(update=fields)))

    async def change_with(self, step: Callable[[Database, ConnectorState], tuple[Change, T]]) -> T:
        """Let something happen together with other writes, in one transaction; return what ``step`` returns.

        Also when the caller is cancelled, because its station has gone, it happens whole.
        """
        task = asyncio.ensure_future(self._change(step))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _change(self, step: Callable[[Database, ConnectorState], tuple[Change, T]]) -> T:
        async with self._lock:
            before, at = self.state, self.now()

            def work(db: Database) -> tuple[ConnectorState, T]:
                change, result = step(db, before)
                if not self.station.on_bus:
                    change = Change(change.state)
                state = write(db, self.charger, change, at.now_ms, at.uptime_ms)
                if state != before and self._kept:
                    db.merge(ConnectorRow(charger=self.charger, body=state.model_dump_json()))
                return state, result

            self.state, result = await self._store.run(work)
        if self.state != before:
            self._changed(self)
        return result

    async def settled(self) -> None:
        """Wait for what is under way."""
        if self._running:
            await asyncio.wait(set(self._running))
