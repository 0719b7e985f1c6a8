"""Asks the ledger for what the bus has not brought.

Ledger and bridge hear the same events, each over a queue of its own at the broker. A broker that loses its memory while
the bridge is away loses the bridge's queue and not what the ledger has committed; the chargers, whose events the
ledger has acknowledged, do not send them again.
"""

import asyncio
from collections.abc import AsyncIterator
from random import Random

from structlog.typing import FilteringBoundLogger

from agents.runtime.agent import Bus, BusUnavailable, Clock
from bus_schema import Role
from bus_schema.event import SessionRecord
from bus_schema.site_messages import QueryAnswer, SessionsQuery
from bus_schema.topics import AGENT_QUERY

LEDGER = str(Role.LEDGER)

ANSWER_WITHIN_S = 10.0
"""How long the ledger may take for a page. s."""

MOST_PAGES = 2000
"""Pages of one listing: more than a site of 1,000 chargers fills in a day."""


class LedgerSilent(Exception):
    """The ledger has not answered; later it may."""


class Sessions:
    """What the ledger knows of sessions."""

    def __init__(self, bus: Bus, clock: Clock, random: Random, log: FilteringBoundLogger, asker: str) -> None:
        """Ask as ``asker``."""
        self._bus = bus
        self._clock = clock
        self._random = random
        self._asker = asker
        self.log = log
        self._waiting: dict[str, asyncio.Future[QueryAnswer]] = {}

    def answered(self, answer: QueryAnswer) -> None:
        """Take an answer from the bus."""
        waiting = self._waiting.get(answer.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def one(self, charger: str, session_id: str) -> SessionRecord | None:
        """Return a session; None if the ledger has not heard of it. Raises :class:`LedgerSilent`."""
        page = await self._page(charger=charger, session_id=session_id)
        return page.sessions[0] if page.sessions else None

    async def since(self, since_ms: int) -> AsyncIterator[SessionRecord]:
        """Yield the sessions that began at ``since_ms`` or later, newest first. Raises :class:`LedgerSilent`."""
        cursor = None
        for _ in range(MOST_PAGES):
            page = await self._page(since_ts=since_ms, cursor=cursor)
            for record in page.sessions:
                yield record
            cursor = page.cursor
            if cursor is None:
                return

    async def _page(
        self,
        *,
        charger: str | None = None,
        session_id: str | None = None,
        since_ts: int | None = None,
        cursor: str | None = None,
    ) -> QueryAnswer:
        now_ms = self._clock.now_ms()
        question = SessionsQuery(
            ts=now_ms,
            id=f"sessions-{self._random.getrandbits(48):012x}",
            source=self._asker,
            deadline_ts=now_ms + round(ANSWER_WITHIN_S * 1000),
            charger=charger,
            session_id=session_id,
            since_ts=since_ts,
            cursor=cursor,
        )
        waiting: asyncio.Future[QueryAnswer] = asyncio.get_running_loop().create_future()
        timer = asyncio.ensure_future(self._clock.sleep(ANSWER_WITHIN_S))
        self._waiting[question.id] = waiting
        try:
            await self._bus.publish(AGENT_QUERY, question, agent=LEDGER)
            both: set[asyncio.Future[QueryAnswer] | asyncio.Future[None]] = {waiting, timer}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise LedgerSilent
            answer = waiting.result()
        except BusUnavailable:
            raise LedgerSilent from None
        finally:
            timer.cancel()
            waiting.cancel()
            del self._waiting[question.id]
        if not answer.ok:
            self.log.warning("ledger_refuses", reason=answer.reason)
            raise LedgerSilent
        return answer
