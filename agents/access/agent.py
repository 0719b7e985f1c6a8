"""Access as an agent: what it hears of cards, cars and other agents, and what it tells chargers."""

from dataclasses import replace
from zoneinfo import ZoneInfo

from agents.access.asking import Asking
from agents.access.backend_lists import BRIDGE, BackendLists
from agents.access.card_book import CardBook
from agents.access.cards import NO_CARDS, masked
from agents.access.decisions import (
    CARD_PREFIX,
    FREE_PREFIX,
    NOBODY,
    AccessCommand,
    Decision,
    Holder,
    answer,
    card_command_id,
    forget_before,
    free_command_id,
    holder_of,
    last_given,
    last_holders,
)
from agents.access.list_sender import LIST_PREFIX, ListSender
from agents.access.local_lists import NO_BACKEND_LIST, BackendList
from agents.access.orders import Orders
from agents.access.plugging import Given, after_state, needs_authorization, waits
from agents.access.rules import (
    IN_USE,
    OWN_SESSION,
    UNDATED,
    Age,
    Hearing,
    Lists,
    Ruling,
    age_of,
    charger_refusal,
    decide,
)
from agents.access.settings import AccessSettings
from agents.runtime.agent import Agent, Context, Received, every, on
from agents.runtime.quota import Budget
from bus_schema.charger_messages import Meta, State
from bus_schema.command import Caps, CommandReply
from bus_schema.event import CardPresented, Event
from bus_schema.site_messages import AccessReply, AccessRequest, BackendListAnswer, BackendListNotice
from bus_schema.topics import (
    ACCESS_REPLY,
    ACCESS_REQUEST,
    AGENT_BACKEND_LIST,
    CHARGER_BACKEND_LIST,
    CHARGER_COMMAND_REPLY,
    CHARGER_EVENT,
    CHARGER_META,
    CHARGER_STATE,
)
from bus_schema.words import ReplyStage, Verdict

KEEP_DECISIONS_MS = 30 * 86_400_000
"""How long decisions are kept, for questions like "why could nobody charge last week". ms."""


CARD_QUESTIONS = Budget(burst=20, per_s=0.2)
"""Cards that a charger may ask about. Nobody holds twenty to a reader in a row, but whoever tries stolen or invented
numbers does; then one in five seconds is looked at."""


class Access(Agent[AccessSettings]):
    """Turns a presented card, or a car at a free charger, into ``authorize`` or ``refuse``, by policy.

    Every command has an id that follows from what led to it and is kept before it is sent: an event that comes twice,
    or to an agent that was killed in between, leads to the same command, which the charger executes once.
    """

    name = "access"
    settings_type = AccessSettings
    migrations = "agents.access.migrations"

    def __init__(self, context: Context[AccessSettings]) -> None:
        """Keep what the agent was given."""
        super().__init__(context)
        settings = self.settings
        free = settings.free_chargers
        self._book = CardBook(settings.cards, settings.cards_file, self.store, self.log)
        self._orders = Orders(self.store, self.bus, self.clock, self.name, settings.command_valid_s)
        self._lists = Lists(
            zone=ZoneInfo(settings.timezone),
            policies=tuple(settings.policies),
            cards=self._book.cards,
            free_chargers=None if free == "all" else frozenset(free),
        )
        self._asking = Asking(
            self.bus,
            self.clock,
            self.log,
            asker=self.name,
            timeout_s=settings.ask_timeout_s,
            lists=lambda: self._lists,
            conclude=self._conclude,
        )
        self._questions = self.quotas.add(
            "card_questions",
            CARD_QUESTIONS,
            "card questions",
            "Those cards got no answer: does anyone try numbers there?",
        )
        self._sessions: dict[str, str] = {}
        """Session that is going on, by charger."""
        self._given: dict[str, Given] = {}
        self._holders: dict[str, Holder] = {}
        self._list_sender = ListSender(
            self._orders, self.log, self._lists.zone, self._backend_list, own_first=settings.own_cards_first
        )
        self._backend_lists = BackendLists(
            self.store,
            self.bus,
            self.clock,
            self.random,
            self.log,
            asker=self.name,
            changed=self._list_sender.changed,
        )

    async def start(self) -> None:
        """Recall what was decided, and read the cards."""
        self._given = await self.store.run(last_given)
        self._holders = await self.store.run(last_holders)
        await self._backend_lists.load()
        await self._book.load()
        self._use_cards()

    def _use_cards(self) -> None:
        self._lists = replace(self._lists, cards=self._book.cards)
        self._list_sender.use(self._book.cards if "local_list" in self.settings.policies else NO_CARDS)

    def _backend_list(self, charger: str) -> BackendList:
        asked = "backend" in self.settings.policies
        return self._backend_lists.of(charger) if asked else NO_BACKEND_LIST

    def problems(self) -> list[str]:
        """Say what is wrong with the file of cards, and which chargers have no room for theirs."""
        return [*([] if self._book.problem is None else [self._book.problem]), *self._list_sender.problems()]

    @on(CHARGER_EVENT, fair=True)
    async def presented(self, received: Received[Event]) -> None:
        """Decide about a card."""
        event = received.message
        if not isinstance(event, CardPresented):
            return
        charger, now_ms = received.charger, self.clock.now_ms()
        command_id = card_command_id(event.boot_id, event.seq)
        age = age_of(event.ts, now_ms)
        if age is Age.STALE:
            self.log.info("stale_card_ignored", charger=charger, card=masked(event.id_token), ts=event.ts)
            return
        if not self._questions.take(charger, self.clock.monotonic_s()):
            self.log.info("card_question_refused", charger=charger, card=masked(event.id_token))
            return
        known = await self._orders.find(charger, command_id)
        if known is not None:
            await self._orders.send_again(known)
        elif age is Age.UNKNOWN:
            self.log.warning("card_cannot_be_dated", charger=charger, ts=event.ts, now=now_ms)
            await self._conclude(charger, event, Ruling(Verdict.REFUSED, UNDATED, ""))
        elif charger in self._sessions:
            await self._during_session(charger, event, self._sessions[charger])
        elif not self._asking.is_asked(event):
            await self._asking.hear(event, Hearing(event.id_token, charger))

    @on(ACCESS_REPLY)
    async def answered(self, received: Received[AccessReply]) -> None:
        """Take the answer of an agent that was asked about a card."""
        await self._asking.answered(received.address.ids["agent"], received.message)

    @on(ACCESS_REQUEST)
    async def asked(self, received: Received[AccessRequest]) -> None:
        """Answer another agent by the policies that are decided here."""
        request = received.message
        now_ms = self.clock.now_ms()
        if request.to != self.name or now_ms > request.deadline_ts:
            return
        ruling = decide(request.id_token, request.charger, now_ms, self._lists)
        reply = AccessReply(
            ts=now_ms,
            id=request.id,
            charger=request.charger,
            verdict=ruling.verdict,
            reason=ruling.reason,
            caps=ruling.caps,
            parent_id_token=ruling.parent,
        )
        await self.bus.publish(ACCESS_REPLY, reply, agent=self.name)

    @on(CHARGER_STATE, qos=0)
    async def state(self, received: Received[State]) -> None:
        """Remember whose session is going on, and authorise a car that waits at a free charger."""
        # Every charger says this every 10 s: nothing here may cost more than a look into a dictionary or two.
        state, charger = received.message, received.charger
        self._list_sender.alive(charger, received.received_ms)
        if state.session is not None:
            self._sessions[charger] = state.session.session_id
        elif charger in self._sessions:
            del self._sessions[charger]
        given = self._given.get(charger)
        if not waits(state):
            if given is not None and not given.left:
                self._given[charger] = after_state(state, given)
        elif self._lists.is_free(charger):
            now_ms = self.clock.now_ms()
            # States that the broker has kept for this agent tell of cars that may have left.
            if age_of(state.ts, now_ms) is not Age.STALE and needs_authorization(state, given, now_ms):
                await self._plugged_in(charger, state)

    @on(CHARGER_COMMAND_REPLY)
    async def replied(self, received: Received[CommandReply]) -> None:
        """Note what a charger has done; tell the driver when it has refused an accepted card."""
        reply, charger = received.message, received.charger
        if reply.id is not None and reply.id.startswith(LIST_PREFIX):
            await self._list_sender.answered(charger, reply, self.clock.now_ms())
        if reply.id is None or not reply.id.startswith((CARD_PREFIX, FREE_PREFIX)):
            return
        if reply.stage is ReplyStage.ACCEPTED:
            return
        decision = await self.store.run(lambda db: answer(db, charger, reply))
        if decision is None:
            return
        given = self._given.get(charger)
        if given is not None and given.command_id == reply.id:
            self._given[charger] = replace(given, stage=reply.stage, reply_uptime_ms=reply.uptime_ms)
        holder = holder_of(decision)
        if holder is None:
            return
        if reply.stage is ReplyStage.DONE:
            self._holders[charger] = holder
            return
        self.log.warning(
            "charger_refused", charger=charger, command=reply.id, stage=reply.stage, code=reply.code, why=reply.reason
        )
        if holder.token != NOBODY:
            refusal = self._orders.refuse(f"{reply.id}-no", holder.token, charger_refusal(reply.code))
            await self._orders.send(charger, refusal)

    @every(1)
    async def give_up_waiting(self) -> None:
        """Go on without the agents that have not answered in time."""
        await self._asking.give_up_waiting()

    @every(5)
    async def read_cards(self) -> None:
        """Read the file of cards again if it has changed."""
        await self._book.refresh()
        self._use_cards()

    @on(CHARGER_META)
    async def meta(self, received: Received[Meta]) -> None:
        """Take note of which local list a charger has."""
        self._list_sender.has(received.charger, received.message.local_list_version)

    @on(CHARGER_BACKEND_LIST)
    async def backend_list(self, received: Received[BackendListNotice]) -> None:
        """Take note that the backend has listed other cards for a charger."""
        if "backend" in self.settings.policies:
            await self._backend_lists.noticed(received.charger, received.message)

    @on(AGENT_BACKEND_LIST)
    async def backend_cards(self, received: Received[BackendListAnswer]) -> None:
        """Take the cards that it has listed."""
        if received.address.ids["agent"] == BRIDGE:
            await self._backend_lists.answered(received.message)

    @every(1)
    async def fetch_lists(self) -> None:
        """Ask for the lists that are missing."""
        await self._backend_lists.go_on()

    @every(5)
    async def send_lists(self) -> None:
        """Bring the chargers' local lists up to date."""
        await self._list_sender.send(self.clock.now_ms())

    @every(3600)
    async def tidy(self) -> None:
        """Forget old decisions."""
        before_ms = self.clock.now_ms() - KEEP_DECISIONS_MS
        await self.store.run(lambda db: forget_before(db, before_ms))

    async def _during_session(self, charger: str, event: CardPresented, session_id: str) -> None:
        """Let a card of the same group end the session; refuse any other (OCPP: the same parentIdTag may stop)."""
        holder = self._holders.get(charger)
        mine = decide(event.id_token, charger, self.clock.now_ms(), self._lists)
        same_group = holder is not None and holder.parent is not None and holder.parent == mine.parent
        if holder is not None and holder.token == event.id_token:
            await self._conclude(charger, event, Ruling(Verdict.REFUSED, OWN_SESSION, ""))
        elif same_group and mine.verdict is Verdict.ACCEPTED:
            reason = f"Stopped by another card of group {mine.parent.value}." if mine.parent else ""
            stop = self._orders.stop(card_command_id(event.boot_id, event.seq), session_id, reason)
            await self._decided(charger, event, stop, mine)
        else:
            await self._conclude(charger, event, Ruling(Verdict.REFUSED, IN_USE, ""))

    async def _conclude(self, charger: str, event: CardPresented, ruling: Ruling) -> None:
        command_id = card_command_id(event.boot_id, event.seq)
        command: AccessCommand
        if ruling.verdict is Verdict.ACCEPTED:
            command = self._orders.authorize(command_id, event.id_token, ruling.caps, ruling.parent)
        else:
            command = self._orders.refuse(command_id, event.id_token, ruling.reason)
        await self._decided(charger, event, command, ruling)

    async def _decided(self, charger: str, event: CardPresented, command: AccessCommand, ruling: Ruling) -> None:
        decision = Decision(
            charger, command, self.clock.now_ms(), event.boot_id, event.uptime_ms, ruling.policy, ruling.parent
        )
        counts = await self._orders.give(decision)
        self.log.info(
            "card_decided",
            charger=charger,
            card=masked(event.id_token),
            op=counts.command.op,
            policy=counts.policy,
            reason=ruling.reason,
        )

    async def _plugged_in(self, charger: str, state: State) -> None:
        command_id = free_command_id(state.boot_id, state.uptime_ms)
        command = self._orders.authorize(command_id, NOBODY, Caps())
        decision = Decision(charger, command, self.clock.now_ms(), state.boot_id, state.uptime_ms, "free")
        counts = await self._orders.give(decision)
        self._given[charger] = Given(command_id, state.boot_id, state.uptime_ms, counts.command.deadline_ts)
        self.log.info("car_authorized", charger=charger, policy="free")
