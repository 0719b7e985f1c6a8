"""What the balancer keeps on disk, and what it may send because of it.

A current may be ordered only if the database holds at least as much for its charger, for at least as long: a process
that is killed and started again, with whatever settings, then knows the most that may be outstanding (invariant 2).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random

from structlog.typing import FilteringBoundLogger

from agents.load_balancer.granting import history, outstanding
from agents.load_balancer.granting.history import Changes, Known, Remembered, Replaced, Told
from agents.load_balancer.granting.orders import SAME_A
from agents.load_balancer.granting.outstanding import Step, merged
from agents.runtime.database.store import Store, StoreUnavailable

Steps = Mapping[str, Sequence[Step]]
"""Charger → what it may draw, and for how long."""

LESS_A, LESS_S = SAME_A, 30.0
"""The database is made to forget what is over by so much: not every second that passes is written."""


class Records:
    """The records of one process, written as its epoch."""

    def __init__(self, store: Store, log: FilteringBoundLogger) -> None:
        """Begin with nothing known to be stored."""
        self.replaced = False
        """Whether a newer process on the same database has taken over, for good."""
        self.stored: dict[str, tuple[Step, ...]] = {}
        """No more than the database holds of each charger, also while a write is under way."""
        self.saved_s = 0.0
        """When nothing was left to write."""
        self.written = 0
        """No more than how often the database has taken down what may be outstanding."""
        self._store, self._log = store, log
        self._changes = Changes()
        self._epoch = 0
        self._writing = asyncio.Lock()

    async def begin(self, random: Random) -> Remembered:
        """Begin a life on the database and return what an earlier one has left."""
        remembered = await self._store.run(lambda db: history.begin(db, random))
        self._epoch = remembered.epoch
        self.stored = dict(remembered.outstanding)
        self.written = remembered.written
        return remembered

    async def rename(self, random: Random) -> str | None:
        """Give the database, an older copy of what claims tell of, another instance; None for one that is none.

        Then a newer process uses it, and this one is replaced.
        """
        try:
            return await self._store.run(lambda db: history.rename(db, self._epoch, random))
        except Replaced:
            return None

    def note_known(self, charger: str, known: Known) -> None:
        """Keep what a charger has said about itself."""
        self._changes.known[charger] = known

    def note_told(self, told: Told) -> None:
        """Keep a grant and its reason."""
        self._changes.told.append(told)

    def covers(self, needed: Steps) -> bool:
        """Tell whether chargers may draw so much for so long as far as the database goes: a later life counts it."""
        return all(
            outstanding.covers(self.stored.get(name, ()), step) for name, steps in needed.items() for step in steps
        )

    def longest_life_s(self, charger: str, needed: Step) -> float:
        """Return the longest life that a current may have as far as the database goes; 0 if none."""
        return outstanding.longest_life_s(self.stored.get(charger, ()), needed)

    async def cover(self, needed: Steps, now_s: float) -> None:
        """Write what chargers may draw before any order for it leaves, if that can be done now.

        Also what others may have ordered before: a later life must count with it.
        """
        async with self._writing:
            for name, steps in needed.items():
                stored = self.stored.get(name, ())
                if not all(outstanding.covers(stored, step) for step in steps):
                    self._changes.outstanding[name] = merged((*stored, *steps))
            try:
                await self._write(now_s)
            except StoreUnavailable as error:
                # Decreases need no record; what would raise is not covered and waits.
                self._log.warning("raises_wait", reason=str(error))

    async def save(self, still: Callable[[], Steps], now_s: float) -> None:
        """Write what may be written late, and let the database forget what is certainly over.

        ``still`` is asked what may still count when the write begins: from then on no more may be ordered, so that
        orders that are covered may leave meanwhile. Raises :class:`StoreUnavailable`.
        """
        async with self._writing:
            for name, steps in still().items():
                stored = self.stored.get(name, ())
                if outstanding.exceeds(stored, steps, LESS_A, LESS_S):
                    less = self._changes.outstanding[name] = merged(steps)
                    # What is being lowered must not be relied on from here on.
                    self.stored[name] = tuple(step for step in less if outstanding.covers(stored, step))
            await self._write(now_s)

    async def _write(self, now_s: float) -> None:
        if self.replaced:
            return
        changes, self._changes = self._changes, Changes()
        if changes:
            try:
                written = await self._store.run(lambda db: history.write(db, self._epoch, changes))
            except Replaced:
                self.replaced = True
                return
            except StoreUnavailable:
                # Not what is outstanding: that is found out again, and an old one must not be written over a newer.
                self._changes.known = changes.known | self._changes.known
                self._changes.told = changes.told + self._changes.told
                raise
            self.stored |= changes.outstanding
            self.written = self.written if written is None else written
        self.saved_s = now_s
