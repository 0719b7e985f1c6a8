"""What the balancer hears: chargers, meters, wishes, replies, and whoever else gives orders under its name."""

import asyncio
import math
from collections.abc import Coroutine
from typing import Any

from agents.load_balancer.allocation.model import Settings as PlanSettings
from agents.load_balancer.deciding.decider import Decider
from agents.load_balancer.granting.claim import Claims
from agents.load_balancer.granting.due import DEADLINE_S
from agents.load_balancer.granting.history import Known
from agents.load_balancer.granting.records import Records
from agents.load_balancer.granting.safety import Safety
from agents.load_balancer.hearing.heard import Heard
from agents.load_balancer.seeing.views import SOURCE
from agents.load_balancer.settings import LoadBalancerSettings
from agents.load_balancer.telling.commands import Commands
from agents.load_balancer.telling.standing_alarms import StandingAlarms
from agents.runtime.agent import Agent, BusUnavailable, Context, Received, on, on_cleared
from agents.runtime.commands import check_source
from bus_schema import Address
from bus_schema.balancing import GridTelemetry, Wish
from bus_schema.charger_messages import Meta, Online, State, Telemetry
from bus_schema.command import Command, CommandReply, SetLimit
from bus_schema.site_messages import AgentClaim, Alarm
from bus_schema.topics import (
    AGENT_CLAIM,
    ALARM,
    CHARGER_COMMAND,
    CHARGER_COMMAND_REPLY,
    CHARGER_META,
    CHARGER_ONLINE,
    CHARGER_STATE,
    CHARGER_TELEMETRY,
    CHARGER_WISH,
    GRID_TELEMETRY,
)
from bus_schema.words import ReplyStage

FRESH_S = 3.0
"""A state that is not older tells of the present lease, unless an order was answered in this time."""


class Listening(Agent[LoadBalancerSettings]):
    """The balancer's ears: every handler ends in its picture of the site, in the safety layer, or in its claims."""

    def __init__(self, context: Context[LoadBalancerSettings]) -> None:
        """Keep what the agent was given; build the site."""
        super().__init__(context)
        settings = self.settings
        site = settings.site()
        self.safety = Safety(site)
        margins = self.safety.margins
        life_s = DEADLINE_S + margins.clock_s + settings.lease_s + margins.expiry_s
        sun = settings.solar
        planning = PlanSettings(
            resolution_a=settings.resolution_a,
            sun_on_s=sun.on_delay_s,
            sun_off_s=sun.off_delay_s,
            sun_stay_s=sun.min_on_s,
            sun_rest_s=sun.min_off_s,
        )
        self.decider = Decider(site, self.safety, planning, life_s, settings.prices())
        self.claims = Claims("000000000000", 0)
        self.commands = Commands(self.claims.instance, self.claims.epoch)
        self.records = Records(self.store, self.log)
        self.heard = Heard(self.clock.monotonic_s())
        self.alarms = StandingAlarms()
        self._sending: set[asyncio.Task[None]] = set()

    async def act_at_once(self) -> None:
        """Something has happened that must not wait for the next tick."""
        raise NotImplementedError

    def send(self, publication: Coroutine[Any, Any, None]) -> None:
        """Publish without waiting: a broker that hangs must not hold up a decrease for somebody else."""

        async def sent() -> None:
            try:
                await publication
            except BusUnavailable as error:
                self.log.info("not_sent", reason=str(error))

        task = asyncio.ensure_future(sent())
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def stop_sending(self) -> None:
        """Give up what has not been sent."""
        for task in self._sending:
            task.cancel()

    # --- chargers ---

    @on(CHARGER_ONLINE)
    async def online(self, received: Received[Online]) -> None:
        """Take whether a charger is connected."""
        view = self.decider.views.get(received.charger)
        if view is None:
            self.heard.unknown.add(received.charger)
            return
        view.online = received.message.online
        if view.online and not received.retained:
            view.heard_s = self.clock.monotonic_s()
        self.decider.stale = True

    @on(CHARGER_META)
    async def meta(self, received: Received[Meta]) -> None:
        """Take what a charger says about itself."""
        name, meta = received.charger, received.message
        if name not in self.decider.views:
            return
        self.decider.views[name].meta = meta
        self.decider.take_voltage(name, meta.nominal_voltage_v)
        phases = tuple(str(phase) for phase in meta.phase_rotation[: meta.phases])
        known = Known(meta.fallback_current_a, meta.rated_current_a, SOURCE in meta.required_sources, phases)
        if self.heard.known.get(name) != known:
            self.records.note_known(name, known)
            self.know(name, known)
            self.decider.stale = True

    def know(self, name: str, known: Known) -> None:
        """Count a charger as it has described itself."""
        self.heard.known[name] = known
        self.safety.describe(
            name,
            fallback_a=known.fallback_a,
            rated_a=known.rated_a,
            obeys=known.obeys,
            now_s=self.clock.monotonic_s(),
        )
        if known.phases:
            self.decider.rewire(name, known.phases)

    @on(CHARGER_STATE, qos=0)
    async def state(self, received: Received[State]) -> None:
        """Take a charger's state; act at once when a session begins or ends."""
        name, state = received.charger, received.message
        view = self.decider.views.get(name)
        if view is None:
            self.heard.unknown.add(name)
            return
        now_s = self.clock.monotonic_s()
        before = (view.session, view.wants_energy(), view.possible_a)
        silent = view.is_silent(now_s)
        if received.retained and view.state is not None:
            return
        heard_s = view.heard_s
        view.take_state(state, now_s)
        if received.retained:
            view.heard_s = heard_s  # It may be old: it says nothing about whether the charger lives.
        else:
            self.safety.heard(name, state.offered_current_a, None, now_s)
            if state.ts is not None:
                self.heard.clocks[name] = (received.received_ms - state.ts) / 1000
                self.decider.late_s = max(map(self.heard.late_s, self.heard.clocks))
                self._compare_lease(name, state, now_s)
        if silent or before != (view.session, view.wants_energy(), view.possible_a):
            await self.act_at_once()

    def _compare_lease(self, name: str, state: State, now_s: float) -> None:
        """Count a lease under this balancer's name that it does not know: given while it could not hear of it."""
        exposure = self.safety.exposures[name]
        newest = exposure.newest()
        settled = newest is None or (newest.answered_s is not None and now_s - newest.answered_s > FRESH_S)
        if not settled or abs(self.heard.clocks[name]) > FRESH_S:
            return  # It may tell of the lease before the last.
        for lease in state.leases:
            if lease.source != SOURCE or lease.expired:
                continue
            if not exposure.knows(lease.current_a, now_s + lease.remaining_s, self.safety.margins):
                self.safety.foreign(name, f"seen-{state.uptime_ms}", lease.current_a, now_s, 0.0, lease.remaining_s)
                self.heard.foreign_s = now_s
                self.log.warning("foreign_lease", charger=name, current_a=lease.current_a)

    @on(CHARGER_TELEMETRY)
    async def telemetry(self, received: Received[Telemetry]) -> None:
        """Take measured values."""
        name, telemetry, now_s = received.charger, received.message, self.clock.monotonic_s()
        view = self.decider.views.get(name)
        if view is not None:
            view.take_telemetry(telemetry, now_s)
            self.safety.heard(name, telemetry.offered_current_a, view.drawn_a(now_s), now_s)

    # --- wishes and meters ---

    @on(CHARGER_WISH)
    async def wish(self, received: Received[Wish]) -> None:
        """Take what a driver wants."""
        view = self.decider.views.get(received.charger)
        if view is not None:
            view.wish = received.message
            self.decider.stale = True

    @on_cleared(CHARGER_WISH)
    async def wish_over(self, address: Address) -> None:
        """Forget what a driver wanted."""
        view = self.decider.views.get(address.ids["charger"])
        if view is not None:
            view.wish = None

    @on(GRID_TELEMETRY)
    async def grid(self, received: Received[GridTelemetry]) -> None:
        """Take a meter's reading; act at once on too much. One that the broker has kept says what was, not what is."""
        meter, reading = received.address.ids["meter"], received.message
        if meter not in self.decider.meters or received.retained:
            return
        if self.decider.take_reading(meter, reading, self.clock.monotonic_s(), self.clock.now_ms()):
            await self.act_at_once()

    # --- orders: replies, and other people's ---

    @on(CHARGER_COMMAND)
    async def commanded(self, received: Received[Command]) -> None:
        """Count orders that another process gives under this name. From any other sender chargers refuse them."""
        command, name = received.message, received.charger
        if not isinstance(command, SetLimit) or command.source != SOURCE or name not in self.decider.views:
            return
        check_source(received)
        if self.commands.is_own(command.id):
            return
        now_s = self.clock.monotonic_s()
        # By the sender's clock, and by the charger's, which decides: nobody knows whether the sender's is right.
        by_charger_s = (command.deadline_ts - self.clock.now_ms()) / 1000 + self.heard.late_s(name)
        executable_s = max(0.0, (command.deadline_ts - command.ts) / 1000, by_charger_s)
        self.safety.foreign(name, command.id, command.current_a, now_s, executable_s, float(command.valid_for_s))
        self.heard.foreign_s = now_s
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
                self.heard.refusals.pop(name, None)
        elif reply.stage is not ReplyStage.ACCEPTED and self.safety.refused(name, reply.id):
            self.heard.refused(name, reply.code, reply.reason, now_s)

    @on(AGENT_CLAIM)
    async def claimed(self, received: Received[AgentClaim]) -> None:
        """Take a claim: another's, or the echo of this one's."""
        if received.address.ids["agent"] == self.name:
            claim = received.message
            if claim.instance == self.claims.instance and (
                claim.epoch > self.claims.epoch or claim.written > self.records.written
            ):
                # Of a newer process, or of a life of which this database, restored from a backup, knows nothing.
                renamed = await self.records.rename(self.random)
                if renamed is not None:
                    self.log.warning("database_is_older_than_claims", instance=claim.instance, now=renamed)
                    self.claims = Claims(renamed, self.claims.epoch)
                    self.commands = Commands(renamed, self.claims.epoch)
            age_s = math.inf if claim.ts is None else (received.received_ms - claim.ts) / 1000
            self.claims.heard(
                claim.instance,
                claim.epoch,
                claim.seq,
                self.clock.monotonic_s(),
                complete=claim.complete,
                age_s=age_s,
            )

    @on(ALARM)
    async def alarm(self, received: Received[Alarm]) -> None:
        """Note which of this agent's alarms the broker has kept from an earlier life."""
        if received.message.source == self.name:
            self.alarms.kept.add(received.address.ids["alarm"])
