"""Shadow mode: a second balancer on live traffic that orders nothing and says what it would do, beside what happens.

It has a name of its own, hence an own broker user that may not write commands, an own table ``[load_balancer_shadow]``
and no database: nothing that it does can reach a charger or the live balancer.
"""

from agents.load_balancer.agent import LoadBalancer
from agents.load_balancer.deciding.decider import Why
from agents.load_balancer.deciding.overdraw import TooMuch
from agents.load_balancer.granting.claim import Knowledge, Standing
from agents.load_balancer.granting.safety import Approved
from agents.runtime.agent import Context, Received, every, on
from bus_schema.balancing import Decision, ShadowComparison, ShadowDecision
from bus_schema.command import Command
from bus_schema.event import SessionRecord
from bus_schema.site_messages import Query, QueryAnswer
from bus_schema.topics import CHARGER_DECISION, SHADOW_COMPARISON, SHADOW_DECISION

COMPARE_S = 10.0
"""Distance of comparisons."""

REPEAT_S = 30.0
"""What it would do is said again so often, beside what happens by then."""

DIFFERS_A = 1.0
"""Grants that differ by less are the same."""


class ShadowBalancer(LoadBalancer):
    """Decides as a load balancer would whose orders were all obeyed at once, and publishes that."""

    name = "load_balancer_shadow"
    migrations = None

    def __init__(self, context: Context) -> None:  # type: ignore[type-arg]
        """Begin with nothing counted."""
        super().__init__(context)
        self.learns = False
        self._live: dict[str, Decision] = {}
        self._since_ms = self.clock.now_ms()
        self._counted_s: float | None = None
        self._would_wh = self._live_wh = self._drawn_wh = self._differs_s = 0.0

    async def start(self) -> None:
        """There is nothing to recall."""
        self.claims.standing, self.claims.knowledge = Standing.ACTING, Knowledge.OWN
        self.acting = True

    async def stop(self) -> None:
        """There is nothing to keep."""

    @on(CHARGER_DECISION)
    async def decided(self, received: Received[Decision]) -> None:
        """Take what the live balancer grants."""
        self._live[received.charger] = received.message

    # Not marked as handlers here: a shadow hears no commands, answers no questions and, without a database, learns
    # nothing.

    async def commanded(self, received: Received[Command]) -> None:
        """Not heard."""

    async def asked(self, received: Received[Query]) -> None:
        """Not heard."""

    async def recorded(self, received: Received[SessionRecord]) -> None:
        """Not heard."""

    async def ledger_answered(self, received: Received[QueryAnswer]) -> None:
        """Not heard."""

    def _may_order(self, now_s: float) -> bool:
        return True

    async def _claim(self) -> None:
        return

    def _lease_s(self, order: Approved) -> float:
        return float(self.settings.lease_s)

    def _covered_lease_s(self, order: Approved) -> float:
        return self._lease_s(order)

    async def _save(self) -> None:
        self.records.saved_s = self.clock.monotonic_s()

    async def _tell_alarms(self) -> None:
        return

    def _tell_loads(self, now_s: float) -> None:
        return

    def _stop(self, too_much: TooMuch) -> None:
        return

    def _order(self, approved: Approved, life_s: float, why: Why, now_s: float) -> None:
        """Count the order as given and obeyed: nobody hears of it."""
        order_id = self.commands.next_id()
        self.safety.ordered(approved, order_id, now_s, 0.0, life_s)
        self.safety.done(approved.charger, order_id, now_s)

    def _tell(self, why: dict[str, Why], now_s: float, utc_ms: int) -> None:
        for name, each in why.items():
            teller = self._tellers[name]
            if teller.why == each and now_s - teller.told_s < REPEAT_S:
                continue
            teller.why, teller.told_s = each, now_s
            live = self._live.get(name)
            decision = ShadowDecision(
                ts=utc_ms,
                current_a=each.current_a,
                live_current_a=None if live is None else live.current_a,
                drawn_a=self.decider.views[name].drawn_a(now_s),
                constraint=each.constraint[:100],
                explanation=each.explanation[:400],
            )
            self.send(self.bus.publish(SHADOW_DECISION, decision, agent=self.name, charger=name))

    @every(COMPARE_S)
    async def compare(self) -> None:
        """Add up what both have granted to the cars that are here, and say so."""
        now_s, now_ms = self.clock.monotonic_s(), self.clock.now_ms()
        past_s = 0.0 if self._counted_s is None else now_s - self._counted_s
        self._counted_s = now_s
        for name, view in self.decider.views.items():
            teller, live = self._tellers[name].why, self._live.get(name)
            if not view.wants_energy() or teller is None or live is None:
                continue
            charger = self.decider.site.chargers[name]
            wh_per_a = charger.voltage_v * len(charger.phases) * past_s / 3600
            self._would_wh += wh_per_a * teller.current_a
            self._live_wh += wh_per_a * live.current_a
            self._drawn_wh += wh_per_a * (view.drawn_a(now_s) or 0.0)
            if abs(teller.current_a - live.current_a) >= DIFFERS_A:
                self._differs_s += past_s
        minutes = (now_ms - self._since_ms) // 60_000
        comparison = ShadowComparison(
            ts=now_ms,
            since_ts=self._since_ms,
            would_grant_wh=round(self._would_wh),
            live_grant_wh=round(self._live_wh),
            drawn_wh=round(self._drawn_wh),
            differs_s=min(round(self._differs_s), 31_536_000),
            explanation=f"In {minutes // 60}:{minutes % 60:02d} h it would have granted {self._would_wh / 1000:.1f} kWh"
            f" where {self._live_wh / 1000:.1f} kWh were granted and {self._drawn_wh / 1000:.1f} kWh drawn.",
        )
        await self.bus.publish(SHADOW_COMPARISON, comparison, agent=self.name)
