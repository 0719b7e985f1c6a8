"""The balancer learns from the ledger's records how long cars stay and what they take: see :mod:`past`."""

from agents.load_balancer.hearing.listening import Listening
from agents.load_balancer.hearing.past import LEDGER, Past, forget
from agents.load_balancer.learning.learned import Learned
from agents.load_balancer.settings import LoadBalancerSettings
from agents.runtime.agent import BusUnavailable, Context, Received, every, on
from bus_schema.event import SessionRecord
from bus_schema.site_messages import QueryAnswer
from bus_schema.topics import AGENT_ANSWER, AGENT_QUERY, SESSION


class LearningListener(Listening):
    """Hears of sessions too."""

    def __init__(self, context: Context[LoadBalancerSettings]) -> None:
        """Have learned nothing."""
        super().__init__(context)
        chosen = self.settings.learning
        learned = Learned(self.settings.timezone, chosen.sessions_per_card, chosen.sessions)
        self.past = Past(learned, chosen.keep_days, chosen.sessions, self.store, self.clock, self.random, self.name)
        self.learns = chosen.enabled

    async def begin_learning(self) -> None:
        """Recall what was learned; delete it if that is not wanted any more."""
        if self.learns:
            await self.past.begin()
        else:
            await forget(self.store)

    @on(SESSION)
    async def recorded(self, received: Received[SessionRecord]) -> None:
        """Take a session as the ledger has recorded it."""
        if self.learns:
            self.past.take(received.message)

    @on(AGENT_ANSWER)
    async def ledger_answered(self, received: Received[QueryAnswer]) -> None:
        """Take a page of sessions."""
        if self.learns and received.address.ids["agent"] == LEDGER:
            await self.past.answered(received.message, self.clock.monotonic_s())

    @every(1)
    async def learn(self) -> None:
        """Ask the ledger for what the bus has not brought, and find what is expected of who has come."""
        if not self.learns:
            return
        now_s = self.clock.monotonic_s()
        if self.past.expect(self.decider.views, now_s, self.clock.now_ms()):
            self.decider.stale = True
        question = self.past.question(now_s)
        if question is not None:
            try:
                await self.bus.publish(AGENT_QUERY, question, agent=LEDGER)
            except BusUnavailable as error:
                self.log.info("ledger_not_asked", reason=str(error))

    @every(5)
    async def remember(self) -> None:
        """Write what was learned."""
        if self.learns:
            await self.past.write()
