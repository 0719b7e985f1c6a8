"""Presented cards that other agents are asked about: each policy in turn, for as long as the driver may wait."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from agents.access.decisions import card_command_id
from agents.access.rules import Hearing, Lists, Question, Ruling, proceed
from agents.runtime.agent import Bus, BusUnavailable, Clock
from bus_schema.event import CardPresented
from bus_schema.site_messages import AccessReply, AccessRequest
from bus_schema.topics import ACCESS_REQUEST
from bus_schema.words import Verdict

Conclude = Callable[[str, CardPresented, Ruling], Awaitable[None]]
"""Gets the charger, the presented card, and what has been decided about it."""


@dataclass(frozen=True, slots=True)
class _Pending:
    """A presented card that another agent is asked about."""

    event: CardPresented
    hearing: Hearing
    question: Question
    deadline_ts: int


class Asking:
    """Asks the policies about a card, one after the other, until one decides."""

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        log: FilteringBoundLogger,
        *,
        asker: str,
        timeout_s: int,
        lists: Callable[[], Lists],
        conclude: Conclude,
    ) -> None:
        """Ask as ``asker``; an agent has ``timeout_s`` for its answer. ``lists`` is what is decided by here."""
        self._bus = bus
        self._clock = clock
        self._log = log
        self._asker = asker
        self._timeout_ms = timeout_s * 1000
        self._lists = lists
        self._conclude = conclude
        self._pending: dict[str, _Pending] = {}
        """By the id of the request."""

    def is_asked(self, event: CardPresented) -> bool:
        """Tell whether somebody is being asked about this presentation."""
        return any(p.event.boot_id == event.boot_id and p.event.seq == event.seq for p in self._pending.values())

    async def hear(self, event: CardPresented, hearing: Hearing) -> None:
        """Ask the policies, from the one that ``hearing`` is at. Raises :class:`BusUnavailable`."""
        now_ms = self._clock.now_ms()
        hearing, result = proceed(hearing, self._lists(), now_ms)
        if isinstance(result, Ruling):
            await self._conclude(hearing.charger, event, result)
            return
        request = AccessRequest(
            ts=now_ms,
            id=f"{card_command_id(event.boot_id, event.seq)}-{result.policy}",
            to=result.agent,
            source=self._asker,
            charger=hearing.charger,
            id_token=event.id_token,
            deadline_ts=now_ms + self._timeout_ms,
        )
        # Before it is sent: the answer may be here before the broker's receipt is.
        self._pending[request.id] = _Pending(event, hearing, result, request.deadline_ts)
        try:
            await self._bus.publish(ACCESS_REQUEST, request)
        except BusUnavailable:
            del self._pending[request.id]
            raise

    async def answered(self, agent: str, reply: AccessReply) -> None:
        """Take the answer of ``agent``."""
        pending = self._pending.get(reply.id)
        if pending is None or agent != pending.question.agent:
            return
        if reply.verdict is Verdict.UNKNOWN:
            await self.hear(pending.event, pending.hearing.answered())
        else:
            policy = pending.question.policy
            ruling = Ruling(reply.verdict, reply.reason, policy, reply.parent_id_token, reply.caps)
            await self._conclude(pending.hearing.charger, pending.event, ruling)
        self._pending.pop(reply.id, None)

    async def give_up_waiting(self) -> None:
        """Go on without the agents that have not answered in time."""
        now_ms = self._clock.now_ms()
        for request_id, pending in list(self._pending.items()):
            if now_ms > pending.deadline_ts:
                policy = pending.question.policy
                self._log.warning("agent_did_not_answer", agent=pending.question.agent, policy=policy)
                await self.hear(pending.event, pending.hearing.answered(silent=policy))
                self._pending.pop(request_id, None)
