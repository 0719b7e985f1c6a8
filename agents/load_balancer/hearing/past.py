"""Where past sessions come from: the ledger's records on the bus, and its answers about what the bus has not brought.

What they teach stands in :mod:`agents.load_balancer.learning`.
"""

from random import Random

from agents.load_balancer.learning import stored
from agents.load_balancer.learning.cards import card_of
from agents.load_balancer.learning.learned import Learned, Present
from agents.load_balancer.learning.sessions import PastSession, past_session
from agents.load_balancer.seeing.views import ChargerView
from agents.runtime.agent import Clock
from agents.runtime.database.store import Store
from bus_schema import Role
from bus_schema.event import SessionRecord
from bus_schema.site_messages import QueryAnswer, SessionsQuery

LEDGER = str(Role.LEDGER)

ANSWER_WITHIN_S = 10.0
"""How long the ledger may take for a page. s."""

AGAIN_S = 60.0
"""Time between two questions when the ledger does not answer."""

CATCH_UP_S = 3600.0
"""Time between two looks at what the bus may not have brought."""

DAY_MS = 86_400_000

AT_ONCE = 4
"""Expectations that are found in one go: each takes about ten milliseconds."""


class Past:
    """Learns from sessions and asks the ledger for them."""

    def __init__(
        self, learned: Learned, keep_days: int, most: int, store: Store, clock: Clock, random: Random, asker: str
    ) -> None:
        """Keep sessions of ``keep_days``, ``most`` of them; ask as ``asker``."""
        self._learned, self._keep_ms, self._most = learned, keep_days * DAY_MS, most
        self._store, self._clock, self._random, self._asker = store, clock, random, asker
        self._key = b""
        self._complete = False
        self._ended: dict[str, PastSession] = {}
        """Those not written yet."""
        self._asked = ""
        """Id of the question that waits for its answer; empty if none does."""
        self._active = True
        """Whether the listing is of sessions that go on; otherwise of all."""
        self._cursor: str | None = None
        self._ask_s = -1e18
        """When to ask next."""
        self._pages_end = False

    async def begin(self) -> None:
        """Read what is kept."""
        kept, sessions = await self._store.run(lambda db: (stored.begin(db, self._random), stored.sessions(db)))
        self._key, self._complete = kept.key, kept.complete
        self._learned.replace(sessions)

    def take(self, record: SessionRecord) -> bool:
        """Take a record; return whether it says whose session goes on."""
        card = card_of(record.id_token, self._key)
        if record.active:
            self._learned.began(record.session_id, Present(card, record.started_ts))
            return True
        self._learned.ended(record.session_id)
        # Of a session that somebody has closed nobody knows when the car left.
        if record.settled_by is None:
            stay_s = _stay_s(record)
            # A register that cannot be right is no energy.
            energy_wh = None if record.energy_wh is None or record.energy_impossible else float(record.energy_wh)
            now_ms = self._clock.now_ms()
            found = past_session(card, record.charger, record.started_ts, stay_s, energy_wh, now_ms)
            if found is not None and found.arrived_ms >= now_ms - self._keep_ms:
                self._ended[record.session_id] = found
        return False

    async def write(self) -> None:
        """Write what has been heard, then learn it. Raises :class:`agents.runtime.database.store.StoreUnavailable`."""
        ended, complete = dict(self._ended), self._pages_end and not self._complete
        if not ended and not complete:
            return
        known = await self._store.run(lambda db: stored.write(db, ended, complete=complete))
        self._ended = {key: value for key, value in self._ended.items() if ended.get(key) is not value}
        self._complete = self._complete or complete
        self._learned.add(session for session_id, session in ended.items() if session_id not in known)

    async def prune(self) -> None:
        """Forget what is too old or too much."""
        before_ms, per_card = self._clock.now_ms() - self._keep_ms, self._learned.per_card
        await self._store.run(lambda db: stored.prune(db, before_ms, per_card, self._most))
        self._learned.replace(await self._store.run(stored.sessions))

    # --- the ledger ---

    def question(self, now_s: float) -> SessionsQuery | None:
        """Return what the ledger is to be asked now."""
        if now_s < self._ask_s:
            return None
        if self._asked:
            # It has not answered: the listing begins again.
            self._begin_listing(now_s + AGAIN_S)
            return None
        now_ms = self._clock.now_ms()
        self._asked, self._ask_s = f"past-{self._random.getrandbits(48):012x}", now_s + ANSWER_WITHIN_S
        return SessionsQuery(
            ts=now_ms,
            id=self._asked,
            source=self._asker,
            deadline_ts=now_ms + round(ANSWER_WITHIN_S * 1000),
            active=True if self._active else None,
            since_ts=None if self._active else max(0, now_ms - self._keep_ms),
            cursor=self._cursor,
        )

    async def answered(self, answer: QueryAnswer, now_s: float) -> bool:
        """Take a page; return whether it says whose sessions go on."""
        if answer.id != self._asked:
            return False
        self._asked = ""
        if not answer.ok:
            self._begin_listing(now_s + AGAIN_S)
            return False
        ids = [record.session_id for record in answer.sessions if not record.active]
        known = await self._store.run(lambda db: stored.known(db, ids))
        told = [self.take(record) for record in answer.sessions if record.session_id not in known]
        self._cursor, self._ask_s = answer.cursor, now_s
        if self._cursor is None and self._active:
            self._active = False
        elif self._cursor is None or (self._complete and ids and known == set(ids)):
            # The last page, or the first of which nothing is new: the rest was read in an earlier listing.
            self._pages_end = True
            self._begin_listing(now_s + CATCH_UP_S)
        return any(told)

    def _begin_listing(self, at_s: float) -> None:
        self._asked, self._cursor, self._active, self._ask_s = "", None, True, at_s

    # --- what is expected ---

    def expect(self, views: dict[str, ChargerView], now_s: float, utc_ms: int) -> bool:
        """Find what is expected of sessions of which that is not known yet; return whether anything was found."""
        found = 0
        for name, view in views.items():
            present = self._learned.present(view.session)
            whose = (view.session, "" if present is None else present.card)
            if not view.session or view.expected_of == whose or found >= AT_ONCE:
                continue
            started_ms = None if view.state is None or view.state.session is None else view.state.session.started_ts
            if started_ms is None and present is not None:
                started_ms = present.started_ms
            arrived_ms = utc_ms - round((now_s - view.session_from_s) * 1000) if started_ms is None else started_ms
            view.expected_of, found = whose, found + 1
            view.expected = self._learned.expectation(view.session, name, min(arrived_ms, utc_ms))
        return found > 0


def _stay_s(record: SessionRecord) -> float | None:
    if record.duration_s is not None:
        return float(record.duration_s)
    if record.started_ts is None or record.ended_ts is None:
        return None
    return (record.ended_ts - record.started_ts) / 1000


async def forget(store: Store) -> None:
    """Delete all that was learned: it is switched off."""
    await store.run(stored.forget)
