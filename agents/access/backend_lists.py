"""The cards that an OCPP backend has listed for each charger: fetched from the bridge when they change, and kept.

The bridge announces, for each charger, the digest of its list; cards are asked for once for each digest, however many
chargers have that list. A charger's old list counts until the new one is here in full: also while the bridge is away.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from structlog.typing import FilteringBoundLogger

from agents.access.backend_lists_kept import keep_list, load, note
from agents.access.local_lists import NO_BACKEND_LIST, BackendList, backend_list
from agents.access.settings import ASKED_AGENT
from agents.runtime.agent import Bus, BusUnavailable, Clock
from agents.runtime.database.store import Store
from bus_schema.site_messages import BackendCard, BackendListAnswer, BackendListNotice, BackendListQuery
from bus_schema.topics import AGENT_QUERY

BRIDGE = ASKED_AGENT["backend"]

ANSWER_WITHIN_MS = 10_000
"""How long the bridge may take for a page. ms."""

PAUSE_MS = 10_000
"""How long after a question that was not answered, or refused, the same list is asked for again. ms."""


@dataclass(slots=True)
class _Fetch:
    """A list that is being asked for, page by page."""

    digest: str
    charger: str
    question_id: str = ""
    deadline_ts: int = 0
    cards: dict[str, BackendCard] = field(default_factory=dict)


class BackendLists:
    """Knows which cards the backend has listed for which charger."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        random: Random,
        log: FilteringBoundLogger,
        *,
        asker: str,
        changed: Callable[[str], None],
    ) -> None:
        """Keep in ``store``; ask as ``asker``; call ``changed`` with each charger for which another list counts."""
        self._store = store
        self._bus = bus
        self._clock = clock
        self._random = random
        self._log = log
        self._asker = asker
        self._changed = changed
        self._announced: dict[str, str] = {}
        """Digest of what the backend has listed for a charger now."""
        self._current: dict[str, BackendList] = {}
        """What counts for a charger: the last list that was here in full."""
        self._lists: dict[str, BackendList] = {}
        """Lists by their digest."""
        self._fetch: _Fetch | None = None
        self._not_before: dict[str, int] = {}

    async def load(self) -> None:
        """Recall what was here before a restart."""
        self._lists, kept = await self._store.run(load)
        self._announced = dict(kept)
        self._current = {charger: self._lists[digest] for charger, digest in kept.items()}

    def of(self, charger: str) -> BackendList:
        """Return the list that counts for a charger."""
        return self._current.get(charger, NO_BACKEND_LIST)

    async def noticed(self, charger: str, notice: BackendListNotice) -> None:
        """Take what the bridge has announced."""
        self._announced[charger] = notice.digest
        if not notice.count:
            self._lists.setdefault(notice.digest, NO_BACKEND_LIST)
        await self.go_on()

    async def go_on(self) -> None:
        """Use what is here; ask for what is missing, unless an answer is awaited."""
        await self._use()
        now_ms = self._clock.now_ms()
        if self._fetch is not None:
            if now_ms <= self._fetch.deadline_ts:
                return
            self._log.info("backend_list_not_answered", charger=self._fetch.charger)
            self._give_up(now_ms)
        for charger, digest in self._announced.items():
            if digest not in self._lists and self._not_before.get(digest, 0) <= now_ms:
                self._fetch = _Fetch(digest, charger)
                await self._ask(None)
                return

    async def answered(self, answer: BackendListAnswer) -> None:
        """Take a page."""
        fetch = self._fetch
        if fetch is None or answer.id != fetch.question_id:
            return
        if not answer.ok:
            self._log.info("backend_list_refused", charger=fetch.charger, reason=answer.reason)
            self._give_up(self._clock.now_ms())
            return
        fetch.cards.update({card.id_token.value: card for card in answer.cards})
        if answer.cursor is not None:
            await self._ask(answer.cursor)
            return
        cards = list(fetch.cards.values())
        await self._store.run(lambda db: keep_list(db, fetch.digest, cards))
        self._lists[fetch.digest] = backend_list(cards)
        if self._fetch is fetch:
            self._fetch = None
        self._log.info("backend_list_here", charger=fetch.charger, cards=len(cards))
        await self.go_on()

    async def _use(self) -> None:
        """Let the lists that are here count for the chargers that have them now."""
        changed = {
            charger: digest
            for charger, digest in self._announced.items()
            if digest in self._lists and self._current.get(charger) is not self._lists[digest]
        }
        if not changed:
            return
        kept = {charger: digest if self._lists[digest].entries else None for charger, digest in changed.items()}
        await self._store.run(lambda db: note(db, kept))
        self._current.update({charger: self._lists[digest] for charger, digest in changed.items()})
        counting, announced = set(self._current.values()), set(self._announced.values())
        self._lists = {
            digest: listed for digest, listed in self._lists.items() if listed in counting or digest in announced
        }
        for charger in changed:
            self._changed(charger)

    async def _ask(self, cursor: str | None) -> None:
        fetch = self._fetch
        assert fetch is not None
        now_ms = self._clock.now_ms()
        question = BackendListQuery(
            ts=now_ms,
            id=f"list-{self._random.getrandbits(48):012x}",
            source=self._asker,
            deadline_ts=now_ms + ANSWER_WITHIN_MS,
            charger=fetch.charger,
            digest=fetch.digest,
            cursor=cursor,
        )
        # Before it is sent: the answer may be here before the broker's receipt is.
        fetch.question_id, fetch.deadline_ts = question.id, question.deadline_ts
        try:
            await self._bus.publish(AGENT_QUERY, question, agent=BRIDGE)
        except BusUnavailable:
            self._give_up(now_ms)

    def _give_up(self, now_ms: int) -> None:
        if self._fetch is not None:
            self._not_before[self._fetch.digest] = now_ms + PAUSE_MS
            self._fetch = None
        self._not_before = {digest: ms for digest, ms in self._not_before.items() if ms > now_ms}
