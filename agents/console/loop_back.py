"""Whether the console really hears the site: it asks itself a question over the broker and waits for it to come back.

A connection may look alive for a minute after the broker's machine has been unplugged. An operator must know sooner
that what the page shows is old.
"""

from agents.runtime.agent import Bus, BusUnavailable, Clock
from bus_schema.site_messages import QueryBase, SessionsQuery
from bus_schema.topics import AGENT_QUERY

PERIOD_S = 2.0
"""Distance of the questions. s."""

LOST_AFTER_S = 6.0
"""Without an echo for so long, the broker counts as lost: two questions may go astray. s."""


class LoopBack:
    """Sends questions to the agent itself and notes when they arrive."""

    def __init__(self, bus: Bus, clock: Clock, agent: str, run: str) -> None:
        """Ask ``agent``; ``run`` tells this process's questions from those of an earlier one."""
        self._bus = bus
        self._clock = clock
        self._agent = agent
        self._prefix = f"echo-{run}-"
        self._sent = 0
        self._echo_s = float("-inf")
        self._refused = False

    @property
    def connected(self) -> bool:
        """Whether the broker carries messages from here to here."""
        return not self._refused and self._clock.monotonic_s() - self._echo_s <= LOST_AFTER_S

    async def ask(self) -> None:
        """Send the next question; to be called every :data:`PERIOD_S`."""
        self._sent += 1
        now_ms = self._clock.now_ms()
        question = SessionsQuery(
            ts=now_ms,
            id=f"{self._prefix}{self._sent}",
            source=self._agent,
            deadline_ts=now_ms + round(LOST_AFTER_S * 1000),
        )
        try:
            await self._bus.publish(AGENT_QUERY, question, agent=self._agent)
        except BusUnavailable:
            self._refused = True

    def heard(self, question: QueryBase) -> bool:
        """Note a question that has come; return whether it was one of these, so that nobody need answer it."""
        if not question.id.startswith(self._prefix):
            return question.source == self._agent
        self._echo_s = self._clock.monotonic_s()
        self._refused = False
        return True
