"""The ledger as an agent: what it hears, and what it says once that is committed."""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial

from sqlalchemy import delete, select
from sqlalchemy.orm import Session as Database

from agents.ledger.admission import Allowance, SessionKey, Used
from agents.ledger.alarms import Standing, standing, stuck_sessions, watched
from agents.ledger.certificates import ending_soon
from agents.ledger.committing import Committed, Revision, commit, mark_published
from agents.ledger.listing import answer
from agents.ledger.models import IS_ACTIVE, AlarmRow, RatingRow, SessionRow
from agents.ledger.reconciling import Reconciliation
from agents.ledger.session import Settlement, record
from agents.ledger.session_rows import load_session
from agents.ledger.settings import LedgerSettings
from agents.ledger.settling import NothingToSettle, settle_missing_events, settle_session
from agents.ledger.storing import Arrival, Boot
from agents.ledger.unreadable import is_kept, set_aside
from agents.runtime.agent import Agent, BusUnavailable, Context, Received, Unreadable, every, on, on_unreadable
from agents.runtime.quota import Budget
from bus_schema import Address
from bus_schema.charger_messages import Meta, State
from bus_schema.event import Event, EventAck
from bus_schema.site_messages import Alarm, Query, QueryAnswer, SessionsQuery, SettleQuery
from bus_schema.topics import (
    AGENT_ANSWER,
    AGENT_QUERY,
    ALARM,
    CHARGER_EVENT,
    CHARGER_EVENT_ACK,
    CHARGER_META,
    CHARGER_STATE,
    SESSION,
)

REPUBLISH_AT_ONCE = 200
"""How many sessions that have not reached the bus are tried again in one go."""

REPORTED_LATELY_MS = 30_000
"""A charger that has named a session as its own within this time may still end it. ms; states come every 10 s."""

REPEAT_ALARM_MS = 600_000
"""Age at which a standing alarm is published again. ms."""


REVIEW_AGAIN_MS = 5_000
"""Shortest distance at which one charger's records are looked at because of what it sends. ms."""

REVIEWED_AT_ONCE = 50
"""Chargers that are looked at in one transaction: commits go in between."""

EVENT_BURST = 1_000
"""Events that a charger may send at once: more than twice what its journal of 64 KiB holds."""

NEW_BOOTS = Budget(burst=100, per_s=1 / 30)
"""Boots of a charger that were not known: a charger in the street that restarts every minute needs half of it."""

NEW_SESSIONS = Budget(burst=1_000, per_s=0.1)
"""Sessions of a charger that were not known: nobody can plug in and out faster for long."""

UNREADABLE = Budget(burst=50, per_s=1 / 600)
"""Events of a charger that cannot be read and are kept: one is a defect, a hundred are no more use than fifty."""

LATER = "Nothing is lost by that: it keeps what was refused and may send it again later."

ABOVE_NOMINAL = 1.1
"""How far the supply's voltage may be above the nominal one (EN 50160)."""


class Ledger(Agent[LedgerSettings]):
    """Commits session events, acknowledges them, answers queries, publishes session records.

    An event is acknowledged only once it is committed and nothing before it is missing. A crash between the commit
    and the acknowledgement costs nothing: the charger sends again, and a duplicate is acknowledged again.
    """

    name = "ledger"
    settings_type = LedgerSettings
    migrations = "agents.ledger.migrations"

    def __init__(self, context: Context[LedgerSettings]) -> None:
        """Keep what the agent was given."""
        super().__init__(context)
        self._reconciliation = Reconciliation()
        self._published: dict[SessionKey, int] = {}
        """Revisions that the bus has, but not yet the database's mark that it has them."""
        self._standing: dict[str, Alarm | None] = {}
        """Alarms that may be retained on the bus, with what was told last."""
        self._publishing = asyncio.Lock()
        """Keeps an older revision of a session from being published after a newer one."""
        self._reviewing = asyncio.Lock()
        # Looking costs a transaction: it is done while there may be something to find.
        self._may_be_unpublished = True
        self._watched: set[str] = set()
        """Chargers about which there may be something to tell."""
        self._reviewed_ms: dict[str, int] = {}
        """When each charger was looked at last because of what it had sent."""
        budget = Budget(burst=max(EVENT_BURST, self.settings.events_per_s), per_s=self.settings.events_per_s)
        # Whoever was kept waiting by a dead ledger has sent the same events again and again: that is no flood.
        self._events = self.quotas.add("events", budget, "events", LATER, alarm_after=2_000)
        self._boots = self.quotas.add("new_boots", NEW_BOOTS, "events of new boots", LATER)
        self._sessions = self.quotas.add("new_sessions", NEW_SESSIONS, "events of new sessions", LATER)
        self._unreadable = self.quotas.add("unreadable_events", UNREADABLE, "unreadable events", LATER)
        self._ratings_w: dict[str, int] = {}
        self._certificate_ends_ms: dict[str, int] = {}

    async def start(self) -> None:
        """Find out which sessions are active and which alarms stand."""
        for charger, session_id in await self.store.run(_active_sessions):
            self._reconciliation.recorded(charger, session_id, active=True)
        # What exactly the bus has of these is not known: the first review tells them again or clears them.
        self._standing = dict.fromkeys(await self.store.run(_noted_alarms))
        self._watched = await self.store.run(watched)
        self._ratings_w = await self.store.run(_ratings)

    async def stop(self) -> None:
        """Remember what has been published."""
        await self._remember_published()

    def admits(self, address: Address) -> bool:
        """Refuse the events of a charger that sends more than it may; it has them in its journal."""
        return self._events.take(address.ids["charger"], self.clock.monotonic_s())

    @on(CHARGER_EVENT, batch=500, fair=True)
    async def commit(self, events: list[Received[Event]]) -> None:
        """Commit events in one transaction, then acknowledge each boot once and publish each changed session once."""
        arrivals = [Arrival(each.charger, each.message, each.received_ms) for each in events]
        async with self._publishing:
            published = dict(self._published)
            allowances = self._allowances(arrival.charger for arrival in arrivals)
            committed = await self.store.run(lambda db: commit(db, arrivals, published, allowances))
            self._use(committed.used)
            self._forget_published(published)
            for session in (revision.session for revision in committed.changed):
                self._reconciliation.recorded(session.charger, session.session_id, active=session.active)
            await asyncio.gather(
                self._acknowledge(committed.acknowledged),
                self._publish_sessions(committed.changed),
            )
        self._note(committed)
        self._watched |= committed.incomplete | committed.found
        await self._review_soon(committed.found)

    @on_unreadable(CHARGER_EVENT)
    async def set_aside(self, unreadable: Unreadable) -> None:
        """Keep an event that cannot be read, so that it holds up none of those after it."""
        charger, now_s = unreadable.charger, self.clock.monotonic_s()
        if self._unreadable.left(charger, now_s) < 1 and not await self.store.run(lambda db: is_kept(db, unreadable)):
            self._unreadable.refuse(charger, now_s)
            return
        kept = await self.store.run(lambda db: set_aside(db, unreadable))
        if kept.is_new:
            self._unreadable.take(charger, now_s)
            self.log.error("event_unreadable", charger=charger, reason=unreadable.reason)
        if kept.boot_id is not None:
            await self._acknowledge({(charger, kept.boot_id): kept.acknowledged})
        self._watched.add(charger)
        await self._review_soon([charger])

    @on(CHARGER_META)
    async def meta(self, received: Received[Meta]) -> None:
        """Remember what a charger can deliver at most, and when its certificate ends."""
        charger, rating_w = received.charger, _rating_w(received.message)
        if received.message.certificate_ends_ts is None:
            self._certificate_ends_ms.pop(charger, None)
        else:
            self._certificate_ends_ms[charger] = received.message.certificate_ends_ts
        if self._ratings_w.get(charger) != rating_w:
            await self.store.run(lambda db: db.merge(RatingRow(charger=charger, rating_w=rating_w)))
            self._ratings_w[charger] = rating_w

    @on(CHARGER_STATE, qos=0)
    async def compare(self, received: Received[State]) -> None:
        """See whether the charger agrees about which session is going on."""
        state = received.message
        session_id = None if state.session is None else state.session.session_id
        self._reconciliation.reported(received.charger, session_id, state.journal_pending, received.received_ms)

    @on(AGENT_QUERY)
    async def query(self, received: Received[Query]) -> None:
        """Answer which sessions there were, and close what will never come."""
        query = received.message
        now_ms = self.clock.now_ms()
        if received.address.ids["agent"] != self.name or received.retained or query.deadline_ts < now_ms:
            return
        if isinstance(query, SessionsQuery):
            page = await self.store.run(lambda db: answer(db, query, now_ms))
        elif isinstance(query, SettleQuery):
            page = await self._settle(query, now_ms)
        else:
            reason = "the ledger answers questions about sessions only"
            page = QueryAnswer(ts=now_ms, id=query.id, ok=False, reason=reason)
        await self.bus.publish(AGENT_ANSWER, page, agent=self.name, asker=query.source)

    async def _settle(self, query: SettleQuery, now_ms: int) -> QueryAnswer:
        settlement = Settlement(now_ms, query.source, query.because)
        charger, session_id = query.charger, query.session_id
        told = []
        try:
            if session_id is None:
                await self.store.run(lambda db: settle_missing_events(db, charger, settlement))
            elif self._reconciliation.goes_on(charger, session_id, now_ms - REPORTED_LATELY_MS):
                raise NothingToSettle(f"charger {charger} still reports session {session_id}: stop it instead")
            else:
                async with self._publishing:
                    revision = await self.store.run(lambda db: settle_session(db, charger, session_id, settlement))
                    self._reconciliation.recorded(charger, session_id, active=False)
                    await self._publish_sessions([revision])
                told = [record(revision.session, now_ms)]
        except NothingToSettle as error:
            return QueryAnswer(ts=now_ms, id=query.id, ok=False, reason=str(error))
        self.log.warning("settled", charger=charger, session=session_id, by=query.source, because=query.because)
        await self.review()
        return QueryAnswer(ts=now_ms, id=query.id, ok=True, sessions=told)

    @every(10)
    async def catch_up(self) -> None:
        """Publish the sessions that a crash or a dead broker has kept from the bus."""
        async with self._publishing:
            await self._remember_published()
            if self._may_be_unpublished:
                found = await self.store.run(_unpublished)
                self._may_be_unpublished = len(found) == REPUBLISH_AT_ONCE
                await self._publish_sessions(found)

    @every(30)
    async def review(self) -> None:
        """Raise the alarms that the records ask for, and clear those whose cause is gone."""
        async with self._reviewing:
            now_ms = self.clock.now_ms()
            stuck = self._reconciliation.stuck(now_ms, self.settings.stuck_alarm_after_s * 1000)
            ending = ending_soon(self._certificate_ends_ms, now_ms)
            if not (stuck or ending or self._standing or self._watched):
                return
            wanted = {**await self._look(self._watched, now_ms), **stuck_sessions(stuck, now_ms), **ending}
            try:
                for name in sorted(self._standing.keys() - wanted.keys()):
                    await self.bus.clear(ALARM, alarm=name)
                    await self.store.run(partial(_forget_alarm, name=name))
                    self._standing.pop(name, None)
                await self._raise(wanted)
            except BusUnavailable:
                self.log.info("alarms_wait", wanted=sorted(wanted))

    async def _review_soon(self, chargers: Iterable[str]) -> None:
        """Raise what there is to tell about these, unless they were looked at just now: :meth:`review` does the rest.

        A charger that floods the ledger with findings must not make it look at them over and over.
        """
        now_ms = self.clock.now_ms()
        due = [each for each in chargers if now_ms - self._reviewed_ms.get(each, 0) >= REVIEW_AGAIN_MS]
        if not due:
            return
        async with self._reviewing:
            self._reviewed_ms.update(dict.fromkeys(due, now_ms))
            try:
                await self._raise(await self._look(due, now_ms))
            except BusUnavailable:
                self.log.info("alarms_wait", chargers=due)

    async def _look(self, chargers: Iterable[str], now_ms: int) -> Standing:
        """Return what stands about these chargers, and watch no longer those about which there is nothing to tell."""
        wanted: Standing = {}
        remaining = sorted(chargers)
        while remaining:
            some, remaining = remaining[:REVIEWED_AT_ONCE], remaining[REVIEWED_AT_ONCE:]
            self._watched.difference_update(some)  # Before looking: a commit meanwhile may add them again.
            looked = await self.store.run(
                lambda db, some=some: {each: standing(db, each, self.settings, now_ms) for each in some}  # type: ignore[misc]
            )
            for charger, (alarms, again) in looked.items():
                wanted.update(alarms)
                if again:
                    self._watched.add(charger)
        return wanted

    async def _raise(self, wanted: Standing) -> None:
        for name, alarm in wanted.items():
            if name not in self._standing:
                await self.store.run(partial(_note_alarm, name=name))
            if not _told(alarm, self._standing.get(name)):
                await self.bus.publish(ALARM, alarm, alarm=name)
                self._standing[name] = alarm

    def _allowances(self, chargers: Iterable[str]) -> dict[str, Allowance]:
        now_s = self.clock.monotonic_s()
        return {
            each: Allowance(boots=self._boots.left(each, now_s), sessions=self._sessions.left(each, now_s))
            for each in set(chargers)
        }

    def _use(self, used: Mapping[str, Used]) -> None:
        now_s = self.clock.monotonic_s()
        for charger, created in used.items():
            for quota, count, refused in (
                (self._boots, created.boots, created.refused_boots),
                (self._sessions, created.sessions, created.refused_sessions),
            ):
                if count:
                    quota.take(charger, now_s, count)
                if refused:
                    quota.refuse(charger, now_s, refused)

    async def _acknowledge(self, acknowledged: Mapping[Boot, int]) -> None:
        now_ms = self.clock.now_ms()
        acks = [
            (charger, EventAck(ts=now_ms, boot_id=boot_id, seq=seq))
            for (charger, boot_id), seq in acknowledged.items()
            if seq > 0
        ]
        sent = await asyncio.gather(*(self._try_acknowledge(charger, ack) for charger, ack in acks))
        if not all(sent):
            # The charger sends again what it sees no acknowledgement of, and gets one then.
            self.log.info("acknowledgements_not_sent", count=sent.count(False))

    async def _try_acknowledge(self, charger: str, ack: EventAck) -> bool:
        try:
            await self.bus.publish(CHARGER_EVENT_ACK, ack, charger=charger)
        except BusUnavailable:
            return False
        return True

    async def _publish_sessions(self, changed: Iterable[Revision]) -> None:
        now_ms = self.clock.now_ms()
        await asyncio.gather(*(self._try_publish(revision, now_ms) for revision in changed))

    async def _try_publish(self, revision: Revision, now_ms: int) -> None:
        session = revision.session
        try:
            await self.bus.publish(SESSION, record(session, now_ms), session=session.session_id)
        except BusUnavailable:
            # It stays marked in the database, and catch_up tries again.
            self._may_be_unpublished = True
            return
        self._published[revision.key] = revision.revision

    async def _remember_published(self) -> None:
        published = dict(self._published)
        if published:
            await self.store.run(lambda db: mark_published(db, published))
            self._forget_published(published)

    def _forget_published(self, published: Mapping[SessionKey, int]) -> None:
        for key in published:
            self._published.pop(key, None)

    def _note(self, committed: Committed) -> None:
        self.log.debug(
            "committed",
            new=committed.new,
            duplicates=committed.duplicates,
            sessions=len(committed.changed),
        )
        if committed.conflicts:
            self.log.warning("events_contradict_recorded_ones", count=committed.conflicts)


def _active_sessions(db: Database) -> list[SessionKey]:
    found = db.execute(select(SessionRow.charger, SessionRow.session_id).where(IS_ACTIVE))
    return [(charger, session_id) for charger, session_id in found]


def _unpublished(db: Database) -> list[Revision]:
    rows = db.scalars(select(SessionRow).where(SessionRow.dirty).order_by(SessionRow.id).limit(REPUBLISH_AT_ONCE))
    return [Revision(load_session(row), row.revision) for row in rows]


def _rating_w(meta: Meta) -> int:
    return round(meta.rated_current_a * meta.phases * meta.nominal_voltage_v * ABOVE_NOMINAL)


def _ratings(db: Database) -> dict[str, int]:
    found = db.execute(select(RatingRow.charger, RatingRow.rating_w))
    return {charger: rating_w for charger, rating_w in found}


def _noted_alarms(db: Database) -> list[str]:
    return list(db.scalars(select(AlarmRow.name)))


def _note_alarm(db: Database, name: str) -> None:
    db.merge(AlarmRow(name=name))


def _forget_alarm(db: Database, name: str) -> None:
    db.execute(delete(AlarmRow).where(AlarmRow.name == name))


def _told(alarm: Alarm, told: Alarm | None) -> bool:
    """Tell whether the bus has this alarm; it is told again now and then, because a broker may forget."""
    if told is None or (alarm.ts or 0) - (told.ts or 0) >= REPEAT_ALARM_MS:
        return False
    return alarm.model_copy(update={"ts": told.ts}) == told
