"""The load balancer as an agent: what it orders, why, and what it tells of it. What it hears: :mod:`listening`."""

from dataclasses import asdict
from typing import ClassVar

from agents.load_balancer.deciding.decider import Replan, Why
from agents.load_balancer.deciding.loads import circuit_loads
from agents.load_balancer.deciding.overdraw import Overdraws, TooMuch
from agents.load_balancer.granting import history
from agents.load_balancer.granting.claim import Claims, Knowledge, Standing
from agents.load_balancer.granting.due import DEADLINE_S, SHORTEST_LEASE_S, is_due, lease_s
from agents.load_balancer.granting.history import Told
from agents.load_balancer.granting.outstanding import Step
from agents.load_balancer.granting.records import Steps
from agents.load_balancer.granting.safety import Approved
from agents.load_balancer.hearing.learning import LearningListener
from agents.load_balancer.seeing.views import SOURCE
from agents.load_balancer.settings import LoadBalancerSettings
from agents.load_balancer.telling.commands import Commands, wrong_settings
from agents.load_balancer.telling.teller import tellers
from agents.runtime.agent import Context, Received, every, on
from bus_schema.balancing import CircuitLoad, Decision
from bus_schema.site_messages import AgentClaim, Query, WhyAnswer, WhyQuery
from bus_schema.topics import (
    AGENT_CLAIM,
    AGENT_QUERY,
    AGENT_STORY,
    ALARM,
    CHARGER_COMMAND,
    CHARGER_DECISION,
    CIRCUIT_LOAD,
)

SAVE_S = 5.0
"""How often what may be written late is written."""

CONFIGURE_AGAIN_S = 60.0
"""A charger that does not take its settings is told them again after so long."""

LOAD_S = 5.0
"""Distance of a circuit's loads on the bus."""


class LoadBalancer(LearningListener):
    """Gives every charger a lease, never more than is certainly free, and says why."""

    name = "load_balancer"
    settings_type = LoadBalancerSettings
    migrations: ClassVar[str | None] = "agents.load_balancer.migrations"

    def __init__(self, context: Context[LoadBalancerSettings]) -> None:
        """Have told nobody anything."""
        super().__init__(context)
        self.overdraws = Overdraws(self.settings.stop_overdraw_s)
        self.acting = False
        """Whether what may be outstanding has been counted since the right to act was won."""
        self._recalled = False
        """Whether what earlier lives may have granted has been counted."""
        self._configured = self.decider.site.chargers
        self._tellers = tellers(self._configured)
        self._planned_s = self._loads_s = -1e18
        self._loads: dict[str, CircuitLoad] = {}

    # --- life ---

    async def start(self) -> None:
        """Begin a life on the database and recall what may be outstanding."""
        remembered = await self.records.begin(self.random)
        self.claims = Claims(remembered.instance, remembered.epoch)
        self.commands = Commands(remembered.instance, remembered.epoch)
        for name, known in remembered.known.items():
            if name in self.decider.site.chargers:
                self.know(name, known)
        await self.begin_learning()

    async def stop(self) -> None:
        """Keep what is not written yet."""
        self.stop_sending()
        await self._save()
        await self.remember()

    def problems(self) -> list[str]:
        """Say what keeps the balancer from its work."""
        found = []
        if not self.decider.site.chargers:
            found.append("no chargers are configured: add [load_balancer.circuits.…] and [load_balancer.chargers.…]")
        words = self.claims.in_words()
        if words is not None:
            found.append(words)
        if self.decider.note:
            found.append(f"the solver was not used for the last plan: {self.decider.note}")
        found += [finding.text for finding in self.alarms.findings.values()]
        return found

    @every(1)
    async def tick(self) -> None:
        """Claim, look, order, explain."""
        await self._claim()
        now_s = self.clock.monotonic_s()
        due = self.decider.stale or now_s - self._planned_s >= self.settings.plan_s
        await self._step(Replan.FULL if due else Replan.NO)
        await self._tell_alarms()
        now_s = self.clock.monotonic_s()
        if now_s - self.records.saved_s >= SAVE_S:
            await self._save()
        if now_s - self._loads_s >= LOAD_S and self.claims.won:
            self._loads_s = now_s
            self._tell_loads(now_s)

    @every(3600)
    async def tidy(self) -> None:
        """Forget old reasons."""
        before_ms = self.clock.now_ms() - self.settings.keep_history_h * history.HOUR_MS
        await self.store.run(lambda db: history.forget_before(db, before_ms))
        if self.learns:
            await self.past.prune()

    async def _save(self) -> None:
        await self.records.save(self._still, self.clock.monotonic_s())
        self._heed_replacement()

    def _still(self) -> Steps:
        """Return what orders may still hold in force; nothing as long as that is not known."""
        if not self.acting:
            return {}
        return {**dict.fromkeys(self.records.stored, ()), **self._outstanding()}

    def _outstanding(self) -> Steps:
        return self.safety.outstanding(self.clock.monotonic_s())

    # --- the right to order ---

    async def _claim(self) -> None:
        now_s = self.clock.monotonic_s()
        seq = self.claims.due(now_s)
        if seq is not None:
            claim = AgentClaim(
                ts=self.clock.now_ms(),
                instance=self.claims.instance,
                epoch=self.claims.epoch,
                seq=seq,
                complete=self.claims.knows_all(now_s) and self.records.covers(self._outstanding()),
                written=self.records.written,
            )
            self.send(self.bus.publish(AGENT_CLAIM, claim, agent=self.name))
        acting = self.claims.may_act(now_s)
        if acting and not self.acting:
            if not self._recalled:
                # No earlier life orders anything any more: what it has ordered ends, counted from here, as stored.
                self.safety.recall(self.records.stored, now_s)
                self._recalled = True
            if self.claims.knowledge is Knowledge.NONE:
                # Whoever was at work before may have granted anything; from here on it is this process alone.
                self.safety.forget_all(now_s)
            self.claims.knowledge = Knowledge.OWN
            self.log.info("acting", instance=self.claims.instance, epoch=self.claims.epoch)
        self.acting = acting
        if acting and not self.records.covers(outstanding := self._outstanding()):
            # Were this process killed now, its next life could not say of anything that nobody has granted it.
            await self._cover(outstanding)

    def _may_order(self, now_s: float) -> bool:
        # Not before what may be outstanding has been counted, which _claim does.
        return self.acting and not self.records.replaced and self.claims.may_act(now_s)

    def _heed_replacement(self) -> None:
        if self.records.replaced and self.claims.standing is not Standing.REPLACED:
            self.claims.standing = Standing.REPLACED
            self.log.error("replaced", reason=self.claims.in_words())

    # --- the step ---

    async def act_at_once(self) -> None:
        """Cut what must be cut now, whatever is being written; the best plan follows with the next tick."""
        self.decider.stale = True
        await self._step(Replan.HOLD)

    async def _step(self, replan: Replan) -> None:
        """Order what may be ordered; what needs a record first, after the record is written."""
        waiting, why = self._order_what_may_leave(replan)
        if waiting:
            await self._cover({order.charger: [self._step_of(order, self._lease_s(order))] for order in waiting})
            # The world went on while the database wrote: what is certain is found out again.
            _, why = self._order_what_may_leave(Replan.NO)
        self._tell(why, self.clock.monotonic_s(), self.clock.now_ms())

    def _order_what_may_leave(self, replan: Replan) -> tuple[list[Approved], dict[str, Why]]:
        """Find out what may be ordered and order what the records cover; return the rest, and all reasons.

        Nothing in here waits: between what is certain and what is sent lies no other message.
        """
        now_s, utc_ms = self.clock.monotonic_s(), self.clock.now_ms()
        crowded = self.decider.refresh(now_s, utc_ms)
        may_order = self._may_order(now_s)
        overdrawn = self._watch_overdraw(now_s, may_order)
        self.decider.stale = self.decider.stale or crowded or overdrawn
        if not may_order:
            return [], {}
        if replan is Replan.FULL:
            self._planned_s = now_s
        elif crowded:
            replan = Replan.HOLD
        step = self.decider.step(now_s, utc_ms, self.settings.plan_s, replan)
        waiting = []
        for order in step.approved:
            exposure = self.safety.exposures[order.charger]
            if self.heard.rests(order.charger, now_s) or not is_due(exposure, order.current_a, now_s):
                continue
            life_s = self._covered_lease_s(order)
            if life_s:
                self._order(order, life_s, step.why[order.charger], now_s)
            if life_s < self._lease_s(order):
                waiting.append(order)
        return waiting, step.why

    def _watch_overdraw(self, now_s: float, may_order: bool) -> bool:
        """Count chargers that draw more than they were granted, then stop them; return whether there are any."""
        too_much, to_stop = self.overdraws.watch(self.decider, now_s)
        for each in too_much:
            if self.overdraws.first_told(each.charger):
                self.log.error("charger_draws_too_much", **asdict(each))
        for each in to_stop if may_order else ():
            self.overdraws.stopped(each.charger, now_s)
            self._stop(each)
        return bool(too_much)

    async def _cover(self, needed: Steps) -> None:
        await self.records.cover(needed, self.clock.monotonic_s())
        self._heed_replacement()

    def _lease_s(self, order: Approved) -> float:
        exposure, configured_a = self.safety.exposures[order.charger], self._configured[order.charger].fallback_a
        return lease_s(order.current_a, exposure, configured_a, float(self.settings.lease_s))

    def _deadline_s(self, charger: str) -> float:
        return DEADLINE_S + self.heard.late_s(charger)

    def _step_of(self, order: Approved, life_s: float) -> Step:
        return self.safety.step(order.charger, order.current_a, self._deadline_s(order.charger), life_s)

    def _covered_lease_s(self, order: Approved) -> float:
        """Return how long an order may live that leaves now: shorter than usual if the records say no more, 0 if never.

        A decrease does not wait for the database.
        """
        usual_s = self._lease_s(order)
        needed = self._step_of(order, usual_s)
        if self.records.covers({order.charger: [needed]}):
            return usual_s
        less_s = self.records.longest_life_s(order.charger, needed) - self._step_of(order, 0.0).life_s
        return float(int(less_s)) if less_s >= SHORTEST_LEASE_S else 0.0

    # --- what it sends ---

    def _order(self, approved: Approved, life_s: float, why: Why, now_s: float) -> None:
        """Count an order, then send it. Nothing else sends ``set_limit``."""
        name = approved.charger
        order_id = self.commands.next_id()
        self.safety.ordered(approved, order_id, now_s, self._deadline_s(name), life_s)
        command = self.commands.set_limit(order_id, approved.current_a, life_s, why.explanation, self.clock.now_ms())
        self.send(self.bus.publish(CHARGER_COMMAND, command, charger=name, sender=SOURCE))

    def _stop(self, too_much: TooMuch) -> None:
        command = self.commands.stop(too_much.drawn_a, too_much.granted_a, self.clock.now_ms())
        self.send(self.bus.publish(CHARGER_COMMAND, command, charger=too_much.charger, sender=SOURCE))

    def _configure_wrong_ones(self, now_s: float) -> None:
        """Tell chargers the settings that the site's configuration wants, if the site allows that."""
        if not self.settings.configure_chargers or not self._may_order(now_s):
            return
        for name, known in self.heard.known.items():
            view, told_s = self.decider.views[name], self.heard.configured_s.get(name, -1e18)
            # A charger that is to fall back to more than it does draws more at once: not into what others may draw.
            limits = [limit.limit for limit in self.decider.limits]
            may_rise = not self.safety.is_crowded(name, limits, now_s) if limits else False
            settings = wrong_settings(self.decider.site.chargers[name], known, view, may_rise=may_rise)
            if settings and not view.is_silent(now_s) and now_s - told_s >= CONFIGURE_AGAIN_S:
                self.heard.configured_s[name] = now_s
                command = self.commands.configure(settings, self.clock.now_ms())
                self.send(self.bus.publish(CHARGER_COMMAND, command, charger=name, sender=SOURCE))

    # --- what it says ---

    def _tell(self, why: dict[str, Why], now_s: float, utc_ms: int) -> None:
        for name, each in why.items():
            teller = self._tellers[name]
            if teller.publish(each, now_s, self.settings.lease_s / 2):
                decision = Decision(
                    ts=utc_ms,
                    current_a=each.current_a,
                    valid_until_ts=utc_ms + self.settings.lease_s * 1000,
                    constraint=each.constraint[:100],
                    explanation=each.explanation[:400],
                )
                self.send(self.bus.publish(CHARGER_DECISION, decision, charger=name))
            if teller.record(each, now_s):
                self.records.note_told(Told(name, utc_ms, each.current_a, each.constraint, each.explanation))

    def _tell_loads(self, now_s: float) -> None:
        if not self.decider.limits:
            return  # A charger has just said that it is wired otherwise.
        for circuit, load in circuit_loads(self.decider, now_s):
            if self._loads.get(circuit) != load:
                self._loads[circuit] = load
                told = load.model_copy(update={"ts": self.clock.now_ms()})
                self.send(self.bus.publish(CIRCUIT_LOAD, told, circuit=circuit))

    async def _tell_alarms(self) -> None:
        """Raise what is found and clear what is not found any more; a standing-by balancer only watches itself."""
        now_s = self.clock.monotonic_s()
        words, configures = self.claims.in_words(), self.settings.configure_chargers
        found = self.heard.find(self.decider, self._configured, self.overdraws.standing, words, configures, now_s)
        self.alarms.findings = found
        self._configure_wrong_ones(now_s)
        if self._may_order(now_s):
            for name in self.alarms.to_clear(found):
                await self.bus.clear(ALARM, alarm=name)
                self.alarms.cleared(name)
        else:
            found = {name: found[name] for name in ("balancer-two",) if name in found}
        for name, alarm in self.alarms.to_raise(found, self.name, now_s, self.clock.now_ms()):
            await self.bus.publish(ALARM, alarm, alarm=name)

    @on(AGENT_QUERY)
    async def asked(self, received: Received[Query]) -> None:
        """Tell the story of a charger's last hour."""
        query = received.message
        now_ms = self.clock.now_ms()
        if received.address.ids["agent"] != self.name or received.retained or query.deadline_ts < now_ms:
            return
        if isinstance(query, WhyQuery):
            await self._save()
            chargers = list(self.decider.site.chargers)
            answer = await self.store.run(lambda db: history.story(db, query, chargers, now_ms))
        else:
            reason = "the load balancer answers why a charger got what it got"
            answer = WhyAnswer(ts=now_ms, id=query.id, ok=False, reason=reason)
        await self.bus.publish(AGENT_STORY, answer, agent=self.name, asker=query.source)
