"""The load balancer as an agent: what it hears of chargers and meters, and what it orders and explains."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, ClassVar

from agents.load_balancer import alarms, history
from agents.load_balancer.alarms import Findings
from agents.load_balancer.allocation.model import Settings as PlanSettings
from agents.load_balancer.claim import Claims, Knowledge, Standing
from agents.load_balancer.deciding import Decider, Why
from agents.load_balancer.history import Changes, Known, Replaced, Told
from agents.load_balancer.orders import Exposure
from agents.load_balancer.safety import Approved, Safety
from agents.load_balancer.settings import LoadBalancerSettings
from agents.load_balancer.site import PHASES, Kind
from agents.load_balancer.views import SOURCE
from agents.runtime.agent import Agent, BusUnavailable, Context, Received, every, on, on_cleared
from agents.runtime.store import StoreUnavailable
from bus_schema import Address
from bus_schema.balancing import CircuitLoad, Decision, GridTelemetry, Wish
from bus_schema.charger_messages import Meta, Online, State, Telemetry
from bus_schema.command import Command, CommandReply, Configure, SetLimit, Stop
from bus_schema.site_messages import AgentClaim, Alarm, Query, WhyAnswer, WhyQuery
from bus_schema.topics import (
    AGENT_CLAIM,
    AGENT_QUERY,
    AGENT_STORY,
    ALARM,
    CHARGER_COMMAND,
    CHARGER_COMMAND_REPLY,
    CHARGER_DECISION,
    CHARGER_META,
    CHARGER_ONLINE,
    CHARGER_STATE,
    CHARGER_TELEMETRY,
    CHARGER_WISH,
    CIRCUIT_LOAD,
    GRID_TELEMETRY,
)
from bus_schema.words import ReplyStage

DEADLINE_S = 5.0
"""How long an order may be executed."""

IDLE_LEASE_S = 1800.0
"""Lease of a grant that is not above the fallback: it changes nothing when it runs out."""

RETRY_S = 3.0
"""An order that nobody has answered is sent again after so long, then after twice as long, and so on."""

MOST_UNANSWERED = 6
"""Orders without an answer after which a charger is only tried every half minute."""

OVERDRAW_SHARE, OVERDRAW_A, OVERDRAW_S = 1.1, 1.0, 10.0
"""A charger draws too much: so much more than granted, for so long. The charger itself trips at 110 % + 0.5 A."""

CLOCK_S = 5.0
"""A charger's clock may differ by this much before somebody is told. The first second may be a slow network."""

CONFIGURES_S = 30.0
"""A charger that is told its settings has so long to take them before somebody hears of it."""

FRESH_S = 3.0
"""A state that is not older tells of the present lease, unless an order was answered in this time."""

REFUSED_S = 10.0
"""A charger that has refused an order is given the next one no sooner."""

UNSEEN_S = 60.0
"""A charger that has never said anything is told of after so long."""

SAVE_S = 5.0
"""How often what may be written late is written."""

TELL_AGAIN_S = 60.0
"""The same grant with other words is recorded at most so often."""

LOAD_S = 5.0
"""Distance of a circuit's loads on the bus."""

REPEAT_ALARM_S = 600.0
"""A standing alarm is told again so often: a broker may have forgotten it."""


_NO_DIGITS = str.maketrans("", "", "0123456789.-")


@dataclass(slots=True)
class _Overdraw:
    since_s: float
    told: bool = False
    stopped_s: float = -1e18
    over_s: float | None = None


@dataclass(slots=True)
class _Teller:
    """What the bus and the records were last told of a charger."""

    why: Why | None = None
    told_s: float = -1e18
    recorded: Why | None = None
    recorded_s: float = -1e18


@dataclass(slots=True)
class _Alarms:
    findings: Findings = field(default_factory=dict)
    since_ms: dict[str, int] = field(default_factory=dict)
    told: dict[str, tuple[alarms.Finding, float]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    """Alarms of this agent that the broker has kept."""


class LoadBalancer(Agent[LoadBalancerSettings]):
    """Gives every charger a lease, never more than is certainly free, and says why."""

    name = "load_balancer"
    settings_type = LoadBalancerSettings
    migrations: ClassVar[str | None] = "agents.load_balancer.migrations"

    def __init__(self, context: Context[LoadBalancerSettings]) -> None:
        """Keep what the agent was given; build the site."""
        super().__init__(context)
        settings = self.settings
        site = settings.site()
        safety = Safety(site)
        life_s = DEADLINE_S + safety.margins.clock_s + settings.lease_s + safety.margins.expiry_s
        planning = PlanSettings(resolution_a=settings.resolution_a)
        self.decider = Decider(site, safety, planning, life_s)
        self.safety = safety
        self.claims = Claims("000000000000", 0)
        self._configured = site.chargers
        self._stored_a: dict[str, float] = {}
        self._known: dict[str, Known] = {}
        self._changes = Changes()
        self._tellers = {name: _Teller() for name in site.chargers}
        self._overdraws: dict[str, _Overdraw] = {}
        self._refusals: dict[str, tuple[str, str]] = {}
        self._refused_s: dict[str, float] = {}
        self._clocks: dict[str, float] = {}
        self._unknown: set[str] = set()
        self._foreign_s = -1e18
        self._configured_s: dict[str, float] = {}
        self._alarms = _Alarms()
        self._acting = False
        self._replaced = False
        self._count = 0
        self._hurry = False
        self._planned_s = -1e18
        self._saved_s = 0.0
        self._loads_s = -1e18
        self._loads: dict[str, CircuitLoad] = {}
        self._stepping = asyncio.Lock()
        self._sending: set[asyncio.Task[None]] = set()
        self._started_s = self.clock.monotonic_s()

    # --- life ---

    async def start(self) -> None:
        """Begin a life on the database and recall what may be outstanding."""
        remembered = await self.store.run(lambda db: history.begin(db, self.random))
        self.claims = Claims(remembered.instance, remembered.epoch)
        self._stored_a = dict(remembered.worst_a)
        for name, known in remembered.known.items():
            if name in self.decider.site.chargers:
                self._know(name, known)

    async def stop(self) -> None:
        """Keep what is not written yet."""
        for task in self._sending:
            task.cancel()
        await self._save()

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
        found += [finding.text for finding in self._alarms.findings.values()]
        return found

    # --- what it hears ---

    @on(CHARGER_ONLINE)
    async def online(self, received: Received[Online]) -> None:
        """Take whether a charger is connected."""
        view = self.decider.views.get(received.charger)
        if view is None:
            self._unknown.add(received.charger)
            return
        view.online = received.message.online
        if view.online and not received.retained:
            view.heard_s = self.clock.monotonic_s()
        self._hurry = True

    @on(CHARGER_META)
    async def meta(self, received: Received[Meta]) -> None:
        """Take what a charger says about itself."""
        name, meta = received.charger, received.message
        if name not in self.decider.views:
            return
        self.decider.views[name].meta = meta
        phases = tuple(str(phase) for phase in meta.phase_rotation[: meta.phases])
        known = Known(meta.fallback_current_a, meta.rated_current_a, SOURCE in meta.required_sources, phases)
        if self._known.get(name) != known:
            self._changes.known[name] = known
            self._know(name, known)
            self._hurry = True

    def _know(self, name: str, known: Known) -> None:
        self._known[name] = known
        self.safety.describe(name, fallback_a=known.fallback_a, rated_a=known.rated_a, obeys=known.obeys)
        if known.phases:
            self.decider.rewire(name, known.phases)

    @on(CHARGER_STATE, qos=0)
    async def state(self, received: Received[State]) -> None:
        """Take a charger's state; act at once when a session begins or ends."""
        name, state = received.charger, received.message
        view = self.decider.views.get(name)
        if view is None:
            self._unknown.add(name)
            return
        now_s = self.clock.monotonic_s()
        before = (view.session, view.wants_energy(), view.cap_a)
        silent = view.is_silent(now_s)
        if received.retained and view.state is not None:
            return
        heard_s = view.heard_s
        view.take_state(state, now_s)
        if received.retained:
            view.heard_s = heard_s  # It may be old: it says nothing about whether the charger lives.
        elif state.ts is not None:
            self._clocks[name] = (received.received_ms - state.ts) / 1000
            self._compare_lease(name, state, now_s)
        if silent or before != (view.session, view.wants_energy(), view.cap_a):
            await self._act_at_once()

    def _compare_lease(self, name: str, state: State, now_s: float) -> None:
        """Count a lease under this balancer's name that it does not know: given while it could not hear of it."""
        exposure = self.safety.exposures[name]
        newest = exposure.newest()
        settled = newest is None or (newest.answered_s is not None and now_s - newest.answered_s > FRESH_S)
        if not settled or abs(self._clocks[name]) > FRESH_S:
            return  # It may tell of the lease before the last.
        for lease in state.leases:
            known_a = max(exposure.highest_a(), exposure.fallback_a)
            if lease.source == SOURCE and not lease.expired and lease.current_a > known_a + 0.05:
                self.safety.foreign(name, f"seen-{state.uptime_ms}", lease.current_a, now_s, 0.0, lease.remaining_s)
                self._foreign_s = now_s
                self.log.warning("foreign_lease", charger=name, current_a=lease.current_a)

    @on(CHARGER_TELEMETRY)
    async def telemetry(self, received: Received[Telemetry]) -> None:
        """Take measured values."""
        view = self.decider.views.get(received.charger)
        if view is not None:
            view.take_telemetry(received.message, self.clock.monotonic_s())

    @on(CHARGER_WISH)
    async def wish(self, received: Received[Wish]) -> None:
        """Take what a driver wants."""
        view = self.decider.views.get(received.charger)
        if view is not None:
            view.wish = received.message
            self._hurry = True

    @on_cleared(CHARGER_WISH)
    async def wish_over(self, address: Address) -> None:
        """Forget what a driver wanted."""
        view = self.decider.views.get(address.ids["charger"])
        if view is not None:
            view.wish = None

    @on(GRID_TELEMETRY)
    async def grid(self, received: Received[GridTelemetry]) -> None:
        """Take a meter's reading; act at once on too much."""
        meter, reading = received.address.ids["meter"], received.message
        if meter not in self.decider.meters:
            return
        currents = (reading.current_l1_a, reading.current_l2_a, reading.current_l3_a)
        if self.decider.take_reading(meter, currents, reading.ts, self.clock.monotonic_s()):
            await self._act_at_once()

    @on(CHARGER_COMMAND)
    async def commanded(self, received: Received[Command]) -> None:
        """Count orders that somebody else gives under this name."""
        command, name = received.message, received.charger
        if not isinstance(command, SetLimit) or command.source != SOURCE or name not in self.decider.views:
            return
        if command.id.startswith(self._prefix):
            return
        now_s = self.clock.monotonic_s()
        executable_s = max(0.0, min(60.0, (command.deadline_ts - command.ts) / 1000))
        self.safety.foreign(name, command.id, command.current_a, now_s, executable_s, float(command.valid_for_s))
        self._foreign_s = now_s
        self.log.warning("foreign_order", charger=name, id=command.id, current_a=command.current_a)

    @on(CHARGER_COMMAND_REPLY)
    async def replied(self, received: Received[CommandReply]) -> None:
        """Take the answer to an order."""
        reply, name = received.message, received.charger
        if reply.id is None or reply.op != "set_limit" or name not in self.decider.views:
            return
        now_s = self.clock.monotonic_s()
        self.decider.views[name].heard_s = now_s
        if reply.stage is ReplyStage.DONE:
            if self.safety.done(name, reply.id, now_s):
                self._refusals.pop(name, None)
        elif reply.stage is not ReplyStage.ACCEPTED and self.safety.refused(name, reply.id):
            self._refusals[name] = (reply.code, reply.reason)
            self._refused_s[name] = now_s

    @on(AGENT_CLAIM)
    async def claimed(self, received: Received[AgentClaim]) -> None:
        """Take a claim: another's, or the echo of this one's."""
        if received.address.ids["agent"] == self.name:
            claim = received.message
            self.claims.heard(claim.instance, claim.epoch, claim.seq, self.clock.monotonic_s())

    @on(ALARM)
    async def alarm(self, received: Received[Alarm]) -> None:
        """Note which of this agent's alarms the broker has kept from an earlier life."""
        if received.message.source == self.name:
            self._alarms.seen.add(received.address.ids["alarm"])

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

    # --- what it does ---

    @every(1)
    async def tick(self) -> None:
        """Claim, look, order, explain."""
        await self._claim()
        await self._step()
        await self._tell_alarms()
        now_s = self.clock.monotonic_s()
        if now_s - self._saved_s >= SAVE_S:
            await self._save()
        if now_s - self._loads_s >= LOAD_S:
            self._loads_s = now_s
            self._tell_loads(now_s)

    @every(3600)
    async def tidy(self) -> None:
        """Forget old reasons."""
        before_ms = self.clock.now_ms() - self.settings.keep_history_h * history.HOUR_MS
        await self.store.run(lambda db: history.forget_before(db, before_ms))

    @property
    def _prefix(self) -> str:
        return f"lb-{self.claims.instance}-{self.claims.epoch}-"

    async def _claim(self) -> None:
        now_s = self.clock.monotonic_s()
        seq = self.claims.due(now_s)
        if seq is not None:
            claim = AgentClaim(ts=self.clock.now_ms(), instance=self.claims.instance, epoch=self.claims.epoch, seq=seq)
            self._send(self.bus.publish(AGENT_CLAIM, claim, agent=self.name))
        acting = self.claims.may_act(now_s)
        if acting and not self._acting:
            if self.claims.knowledge is Knowledge.NONE:
                # Whoever was at work before may have granted anything; from here on it is this process alone.
                self.safety.forget_all(now_s, DEADLINE_S, float(self.settings.lease_s))
            else:
                self.safety.recall(self._stored_a, now_s, DEADLINE_S, float(self.settings.lease_s))
            self.claims.knowledge = Knowledge.OWN
            self.log.info("acting", instance=self.claims.instance, epoch=self.claims.epoch)
        self._acting = acting

    async def _act_at_once(self) -> None:
        self._hurry = True
        if not self._stepping.locked():
            await self._step()

    async def _step(self) -> None:
        """Find out what may be ordered and order it."""
        async with self._stepping:
            now_s, utc_ms = self.clock.monotonic_s(), self.clock.now_ms()
            decider = self.decider
            full = decider.refresh(now_s, utc_ms)
            self._watch_overdraw(now_s)
            replan = self._hurry or full or now_s - self._planned_s >= self.settings.plan_s
            if replan:
                self._planned_s, self._hurry = now_s, False
            if not self._may_order(now_s):
                return
            step = decider.step(now_s, utc_ms, self.settings.plan_s, replan=replan)
            due = [each for each in step.approved if self._is_due(each, now_s)]
            if any(each.current_a > self._stored_a.get(each.charger, 0.0) for each in due):
                if not await self._written(due, now_s):
                    return
                # The world went on while the database wrote: what is certain is found out again.
                now_s, utc_ms = self.clock.monotonic_s(), self.clock.now_ms()
                if not self._may_order(now_s):
                    return
                decider.refresh(now_s, utc_ms)
                step = decider.step(now_s, utc_ms, self.settings.plan_s, replan=False)
                due = [each for each in step.approved if self._is_due(each, now_s)]
            for order in due:
                if order.current_a <= self._stored_a.get(order.charger, 0.0):
                    self._order(order, step.why[order.charger], now_s)
            self._tell(step.why, now_s, utc_ms)

    def _may_order(self, now_s: float) -> bool:
        # Not before what may be outstanding has been counted, which _claim does.
        return self._acting and not self._replaced and self.claims.may_act(now_s)

    def _is_due(self, approved: Approved, now_s: float) -> bool:
        """Tell whether an approved order is worth sending now."""
        exposure = self.safety.exposures[approved.charger]
        newest = exposure.newest()
        if now_s - self._refused_s.get(approved.charger, -1e18) < REFUSED_S:
            return False
        if newest is None or abs(approved.current_a - newest.current_a) >= 0.05:
            return True
        since_s = now_s - newest.sent_s
        if newest.answered_s is None:
            return since_s >= _patience_s(exposure)
        renewal_s = newest.lease_s / 3
        return since_s >= renewal_s or _confirms(exposure, now_s)

    async def _written(self, due: list[Approved], now_s: float) -> bool:
        """Write what chargers may draw by these orders before any of them leaves; False if somebody else took over."""
        for order in due:
            if order.current_a > self._stored_a.get(order.charger, 0.0):
                self._changes.worst_a[order.charger] = order.current_a
        try:
            return await self._write(now_s)
        except StoreUnavailable as error:
            # Decreases need no record; what would raise is left out below.
            self.log.warning("raises_wait", reason=str(error))
            return True

    async def _save(self) -> None:
        """Write what may be written late. Never while a step is under way: it decides by what is stored."""
        async with self._stepping:
            now_s = self.clock.monotonic_s()
            self._lower_stored()
            await self._write(now_s)

    async def _write(self, now_s: float) -> bool:
        """Write what there is to write; False when a newer process has taken over."""
        if self._replaced:
            return False
        changes, epoch = self._changes, self.claims.epoch
        if changes:
            self._changes = Changes()
            try:
                await self.store.run(lambda db: history.write(db, epoch, changes))
            except Replaced:
                self._replaced = True
                self.claims.standing = Standing.REPLACED
                self.log.error("replaced", reason=self.claims.in_words())
                return False
            except StoreUnavailable:
                # Not the currents: they are found out again, and an old one must not be written over a newer.
                self._changes.known = changes.known | self._changes.known
                self._changes.told = changes.told + self._changes.told
                raise
            self._stored_a |= changes.worst_a
        self._saved_s = now_s
        return True

    def _lower_stored(self) -> None:
        """Let the database forget currents that are certainly over."""
        if not self._acting:
            return
        for name, stored_a in self._stored_a.items():
            highest_a = self.safety.exposures[name].highest_a() if name in self.safety.exposures else 0.0
            if highest_a < stored_a:
                self._changes.worst_a[name] = highest_a

    def _order(self, approved: Approved, why: Why, now_s: float) -> None:
        """Count an order, then send it. Nothing else sends ``set_limit``."""
        exposure = self.safety.exposures[approved.charger]
        self._count += 1
        order_id = f"{self._prefix}{self._count}"
        idle = approved.current_a <= min(exposure.fallback_a, self.decider.site.chargers[approved.charger].fallback_a)
        lease_s = IDLE_LEASE_S if idle else float(self.settings.lease_s)
        # A charger whose clock is behind takes an order for fresh that much longer.
        late_s = max(0.0, self._clocks.get(approved.charger, 0.0))
        self.safety.ordered(approved, order_id, now_s, DEADLINE_S + late_s, lease_s)
        now_ms = self.clock.now_ms()
        command = SetLimit(
            ts=now_ms,
            id=order_id,
            source=SOURCE,
            deadline_ts=now_ms + round(DEADLINE_S * 1000),
            current_a=approved.current_a,
            valid_for_s=round(lease_s),
            reason=why.explanation[:400],
        )
        self._send(self.bus.publish(CHARGER_COMMAND, command, charger=approved.charger))

    def _send(self, publication: Coroutine[Any, Any, None]) -> None:
        """Publish without waiting: a broker that hangs must not hold up a decrease for somebody else."""

        async def sent() -> None:
            try:
                await publication
            except BusUnavailable as error:
                self.log.info("not_sent", reason=str(error))

        task = asyncio.ensure_future(sent())
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def _watch_overdraw(self, now_s: float) -> None:
        """Find chargers that draw more than they were granted: count them so, then stop them."""
        for name, view in self.decider.views.items():
            exposure = self.safety.exposures[name]
            drawn_a, counted_a = view.drawn_a(now_s), exposure.drawn_a
            exposure.drawn_a = 0.0
            granted_a = exposure.worst_a(now_s)
            exposure.drawn_a = counted_a
            seen = self._overdraws.get(name)
            if drawn_a is None or drawn_a <= granted_a * OVERDRAW_SHARE + OVERDRAW_A:
                if seen is not None:
                    seen.over_s = now_s if seen.over_s is None else seen.over_s
                    if now_s - seen.over_s >= OVERDRAW_S:
                        del self._overdraws[name]
                        self.safety.draws(name, 0.0)
                continue
            if seen is None:
                seen = self._overdraws[name] = _Overdraw(now_s)
            seen.over_s = None
            if now_s - seen.since_s < OVERDRAW_S:
                continue
            if not seen.told:
                self.log.error("charger_draws_too_much", charger=name, drawn_a=drawn_a, granted_a=granted_a)
            seen.told = True
            self.safety.draws(name, drawn_a)
            self._hurry = True
            stop_due = now_s - seen.since_s >= self.settings.stop_overdraw_s and now_s - seen.stopped_s >= 30
            if stop_due and self._may_order(now_s):
                seen.stopped_s = now_s
                self._stop(name, drawn_a, granted_a)

    def _stop(self, name: str, drawn_a: float, granted_a: float) -> None:
        now_ms = self.clock.now_ms()
        self._count += 1
        command = Stop(
            ts=now_ms,
            id=f"{self._prefix}{self._count}",
            source=SOURCE,
            deadline_ts=now_ms + round(DEADLINE_S * 1000),
            reason=f"draws {drawn_a:.1f} A, granted were {granted_a:.1f} A",
        )
        self._send(self.bus.publish(CHARGER_COMMAND, command, charger=name))

    # --- what it says ---

    def _tell(self, why: dict[str, Why], now_s: float, utc_ms: int) -> None:
        for name, each in why.items():
            teller = self._tellers[name]
            same = teller.why is not None and _alike(teller.why, each)
            if not same or (teller.why != each and now_s - teller.told_s >= self.settings.lease_s / 2):
                teller.why, teller.told_s = each, now_s
                decision = Decision(
                    ts=utc_ms,
                    current_a=each.current_a,
                    valid_until_ts=utc_ms + self.settings.lease_s * 1000,
                    constraint=each.constraint[:100],
                    explanation=each.explanation[:400],
                )
                self._send(self.bus.publish(CHARGER_DECISION, decision, charger=name))
            recorded = teller.recorded
            if (
                recorded is None
                or not _alike(recorded, each)
                or (recorded != each and now_s - teller.recorded_s >= TELL_AGAIN_S)
            ):
                teller.recorded, teller.recorded_s = each, now_s
                self._changes.told.append(Told(name, utc_ms, each.current_a, each.constraint, each.explanation))

    def _tell_loads(self, now_s: float) -> None:
        if not self._may_order(now_s) or not self.decider.limits:
            return
        used = self.safety.used(now_s)
        for circuit in self.decider.site.circuits:
            values: dict[str, float | None] = {}
            free, words = 1000.0, ""
            for number, row in enumerate(self.decider.site.rows):
                if row.circuit != circuit or row.kind is not Kind.PHASE or row.phase not in PHASES:
                    continue
                limit, phase = self.decider.limits[number], str(row.phase).lower()
                drawn = self.decider.drawn_on(circuit, str(row.phase), now_s)
                values |= {
                    f"limit_{phase}_a": round(limit.limit, 2),
                    f"granted_{phase}_a": round(min(used[number], 1000.0), 2),
                    f"drawn_{phase}_a": round(min(drawn.newest_a, 1000.0), 1),
                    f"other_{phase}_a": None if limit.other_a is None else round(limit.other_a, 1),
                }
                left = max(0.0, limit.limit - used[number])
                if left <= free:
                    free, words = left, limit.words
            load = CircuitLoad(ts=None, free_a=round(free, 2), explanation=words[:400], **values)
            if self._loads.get(circuit) != load:
                self._loads[circuit] = load
                told = load.model_copy(update={"ts": self.clock.now_ms()})
                self._send(self.bus.publish(CIRCUIT_LOAD, told, circuit=circuit))

    def _find(self, now_s: float) -> Findings:
        decider, found = self.decider, dict[str, alarms.Finding]()
        words = self.claims.in_words()
        if words is not None:
            found |= alarms.other_balancer(words)
        elif now_s - self._foreign_s < TELL_AGAIN_S:
            found |= alarms.other_balancer("somebody else gives orders under this name")
        for name, charger in self._configured.items():
            if not self._is_being_configured(name, now_s):
                found |= alarms.of_charger(charger, self._known.get(name))
            if name not in self._known and now_s - self._started_s >= UNSEEN_S:
                found |= alarms.never_seen(charger)
        troubles = {name: meter.trouble(now_s) for name, meter in decider.meters.items()}
        blind = {}
        for name, circuit in decider.site.meters.items():
            share = "their fallback currents" if circuit.blind_limit_a is None else f"{circuit.blind_limit_a:g} A"
            blind[name] = f"Until it is back, the chargers of circuit {circuit.name} share {share} per phase."
        found |= alarms.of_meters(troubles, blind)
        for name, seen in self._overdraws.items():
            if seen.told:
                exposure = self.safety.exposures[name]
                highest_a = max(exposure.highest_a(), exposure.fallback_a)
                found |= alarms.overdraw(name, exposure.drawn_a, highest_a, seen.stopped_s > 0)
        for name, (code, reason) in self._refusals.items():
            found |= alarms.refusal(name, code, reason)
        for name, offset_s in self._clocks.items():
            if abs(offset_s) > CLOCK_S:
                found |= alarms.other_clock(name, offset_s)
        for name in self._unknown if self._configured else ():
            found |= alarms.unknown_charger(name)
        return found

    async def _tell_alarms(self) -> None:
        """Raise what is found and clear what is not found any more; a standing-by balancer only watches itself."""
        now_s, now_ms = self.clock.monotonic_s(), self.clock.now_ms()
        told = self._alarms
        told.findings = self._find(now_s)
        self._configure_wrong_ones(now_s)
        if not self._may_order(now_s) and "balancer-two" not in told.findings:
            return
        own = told.findings if self._may_order(now_s) else {"balancer-two": told.findings["balancer-two"]}
        for name in sorted((set(told.told) | told.seen) - set(own)):
            if self._may_order(now_s):
                await self.bus.clear(ALARM, alarm=name)
                told.told.pop(name, None)
                told.since_ms.pop(name, None)
                told.seen.discard(name)
        for name, finding in own.items():
            before = told.told.get(name)
            if before is not None and _same_finding(before[0], finding) and now_s - before[1] < REPEAT_ALARM_S:
                continue
            alarm = Alarm(
                ts=now_ms,
                severity=finding.severity,
                source=self.name,
                since_ts=told.since_ms.setdefault(name, now_ms),
                text=finding.text[:400],
                remedy=finding.remedy[:400],
                charger=finding.charger,
            )
            await self.bus.publish(ALARM, alarm, alarm=name)
            told.told[name] = (finding, now_s)

    def _is_being_configured(self, name: str, now_s: float) -> bool:
        """Tell whether a charger is about to be told its settings: nobody needs to do that by hand yet."""
        told_s = self._configured_s.get(name, self._started_s)
        return self.settings.configure_chargers and now_s - told_s < CONFIGURES_S

    def _configure_wrong_ones(self, now_s: float) -> None:
        """Tell chargers the settings that the site's configuration wants, if the site allows that."""
        if not self.settings.configure_chargers or not self._may_order(now_s):
            return
        for name, known in self._known.items():
            charger, view = self.decider.site.chargers[name], self.decider.views[name]
            settings: dict[str, Any] = {}
            if not known.obeys and view.meta is not None:
                settings["required_sources"] = [*view.meta.required_sources, SOURCE][-4:]
            if known.fallback_a != charger.fallback_a:
                settings["fallback_current_a"] = charger.fallback_a
            if settings and not view.is_silent(now_s) and now_s - self._configured_s.get(name, -1e18) >= TELL_AGAIN_S:
                self._configured_s[name] = now_s
                self._count += 1
                now_ms = self.clock.now_ms()
                command = Configure(
                    ts=now_ms,
                    id=f"{self._prefix}{self._count}",
                    source=SOURCE,
                    deadline_ts=now_ms + round(DEADLINE_S * 1000),
                    settings=settings,
                )
                self._send(self.bus.publish(CHARGER_COMMAND, command, charger=name))


def _patience_s(exposure: Exposure) -> float:
    """Return how long an answer is awaited before an order is sent again."""
    count = exposure.unanswered()
    return 30.0 if count > MOST_UNANSWERED else RETRY_S * 2.0 ** min(3, max(0, count - 1))


def _confirms(exposure: Exposure, now_s: float) -> bool:
    """Tell whether the same order again, once answered, would end an older and higher one that is only counted."""
    newest = exposure.newest()
    return newest is not None and any(
        newest.sent_s < order.settled_s <= now_s and order.current_a > newest.current_a for order in exposure.orders
    )


def _alike(one: Why, other: Why) -> bool:
    """Tell whether two reasons for the same grant differ in their numbers only, which change all the time."""
    return (
        abs(one.current_a - other.current_a) < 0.05
        and one.constraint == other.constraint
        and one.explanation.translate(_NO_DIGITS) == other.explanation.translate(_NO_DIGITS)
    )


def _same_finding(one: alarms.Finding, other: alarms.Finding) -> bool:
    """Tell whether two findings differ in their numbers only."""
    return one.severity is other.severity and one.text.translate(_NO_DIGITS) == other.text.translate(_NO_DIGITS)
