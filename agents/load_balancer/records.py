"""What the balancer keeps on disk, and what it may send because of it.

A current may be ordered only if the database holds at least as much for its charger: a process that is killed and
started again then knows the most that may be outstanding (invariant 2).
"""

import asyncio
from collections.abc import Callable, Mapping
from random import Random

from structlog.typing import FilteringBoundLogger

from agents.load_balancer import history
from agents.load_balancer.history import Changes, Known, Remembered, Replaced, Told
from agents.runtime.store import Store, StoreUnavailable


class Records:
    """The records of one process, written as its epoch."""

    def __init__(self, store: Store, log: FilteringBoundLogger) -> None:
        """Begin with nothing known to be stored."""
        self.replaced = False
        """Whether a newer process on the same database has taken over, for good."""
        self.stored_a: dict[str, float] = {}
        """No more than the database holds of each charger, also while a write is under way. A."""
        self.saved_s = 0.0
        """When nothing was left to write."""
        self._store, self._log = store, log
        self._changes = Changes()
        self._epoch = 0
        self._writing = asyncio.Lock()

    async def begin(self, random: Random) -> Remembered:
        """Begin a life on the database and return what an earlier one has left."""
        remembered = await self._store.run(lambda db: history.begin(db, random))
        self._epoch = remembered.epoch
        self.stored_a = dict(remembered.worst_a)
        return remembered

    def note_known(self, charger: str, known: Known) -> None:
        """Keep what a charger has said about itself."""
        self._changes.known[charger] = known

    def note_told(self, told: Told) -> None:
        """Keep a grant and its reason."""
        self._changes.told.append(told)

    def covers(self, worst_a: Mapping[str, float]) -> bool:
        """Tell whether chargers may draw so much as far as the database goes: a later life counts with it."""
        return all(current_a <= self.stored_a.get(name, 0.0) for name, current_a in worst_a.items())

    async def cover(self, worst_a: Mapping[str, float], now_s: float) -> None:
        """Write what chargers may draw before any order for it leaves, if that can be done now.

        Also what others may have ordered before: a later life must count with it.
        """
        async with self._writing:
            for name, current_a in worst_a.items():
                if current_a > self.stored_a.get(name, 0.0):
                    self._changes.worst_a[name] = current_a
            try:
                await self._write(now_s)
            except StoreUnavailable as error:
                # Decreases need no record; what would raise is not covered and waits.
                self._log.warning("raises_wait", reason=str(error))

    async def save(self, highest_a: Callable[[], Mapping[str, float]], now_s: float) -> None:
        """Write what may be written late, and let the database forget currents that are certainly over.

        ``highest_a`` is asked what may still count when the write begins: from then on no more may be ordered, so that
        orders that are covered may leave meanwhile. Raises :class:`StoreUnavailable`.
        """
        async with self._writing:
            for name, still_a in highest_a().items():
                if still_a < self.stored_a.get(name, 0.0):
                    self._changes.worst_a[name] = still_a
            await self._write(now_s)

    async def _write(self, now_s: float) -> None:
        if self.replaced:
            return
        changes, self._changes = self._changes, Changes()
        if changes:
            # What is being lowered must not be relied on from here on, what is being raised not before it is written.
            for name, current_a in changes.worst_a.items():
                self.stored_a[name] = min(current_a, self.stored_a.get(name, 0.0))
            try:
                await self._store.run(lambda db: history.write(db, self._epoch, changes))
            except Replaced:
                self.replaced = True
                return
            except StoreUnavailable:
                # Not the currents: they are found out again, and an old one must not be written over a newer.
                self._changes.known = changes.known | self._changes.known
                self._changes.told = changes.told + self._changes.told
                raise
            self.stored_a |= changes.worst_a
        self.saved_s = now_s
