"""Sends what the outbox holds for one backend: in order, again until it is answered, at a bounded rate."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session as Database

from agents.ocpp_bridge import outbox
from agents.ocpp_bridge.models import TransactionRow
from agents.ocpp_bridge.outbox import TRANSACTION, Queued
from agents.ocpp_bridge.v16.discarding import doubt_about_stop
from agents.ocpp_bridge.v16.id_tags import TagInfo, tag_info
from agents.ocpp_bridge.waiting import Signal, until_stored
from agents.runtime.backoff import full_jitter
from agents.runtime.ocpp import CallRefused, CallTimeout

if TYPE_CHECKING:
    from agents.ocpp_bridge.v16.backend_session import BackendSession

TIMEOUT_RETRY_MAX_S = 60.0
"""Longest delay before a message that was not answered is sent again. s."""


class Drain:
    """Empties the outbox of one charge point towards one backend."""

    def __init__(self, session: "BackendSession") -> None:
        """Send over ``session``."""
        self._session = session
        self._charge_point = session.charge_point
        clock = session.charge_point.clock
        self._signals = {lane: Signal(clock) for lane in outbox.LANES}
        self.delivered = 0
        """Messages that were answered."""
        self.given_up = 0
        """Messages that the backend has refused as often as TransactionMessageAttempts allows."""
        self.refusal: str | None = None
        """What the backend said to the message that it refuses now, in words."""

    def wake(self, lane: str) -> None:
        """Say that something was queued in ``lane``."""
        self._signals[lane].set()

    async def run(self, lane: str) -> None:
        """Send until cancelled or the connection is lost."""
        session, charge_point = self._session, self._charge_point
        timeouts = 0
        queued = await self._stored(lambda db: self._head(db, lane))
        while True:
            if queued is None:
                await self._signals[lane].wait()
                queued = await self._stored(lambda db: self._head(db, lane))
                continue
            wait_ms = queued.not_before_ms - charge_point.clock.now_ms()
            if wait_ms > 0:
                await charge_point.clock.sleep(wait_ms / 1000)
            await charge_point.pace.turn()
            dispatcher = session.dispatcher
            if dispatcher is None or not session.registration.accepted:
                return
            try:
                answer = await dispatcher.call_encoded(queued.action, queued.payload)
            except CallTimeout as error:
                # Nobody knows whether it was delivered: that is no failure, it is sent again the same (3.7.1).
                delay_s = full_jitter(charge_point.random, timeouts, 2.0, TIMEOUT_RETRY_MAX_S)
                timeouts += 1
                session.log.warning("transaction_message_unanswered", action=queued.action, reason=str(error))
                await charge_point.clock.sleep(delay_s)
                continue
            except CallRefused as refused:
                queued = await self._refused(queued, refused, lane)
            else:
                queued = await self._answered(queued, answer, lane)
            timeouts = 0

    def _head(self, db: Database, lane: str) -> Queued | None:
        return outbox.head(db, self._charge_point.name, self._session.backend.name, lane)

    async def _stored(self, work: Any) -> Any:
        charge_point = self._charge_point
        return await until_stored(
            lambda: charge_point.store.run(work), charge_point.clock, charge_point.random, self._session.log
        )

    async def _answered(self, queued: Queued, answer: Any, lane: str) -> Queued | None:
        """Note an answer; return the message that comes next, which is read in the same transaction."""
        info = None if getattr(answer, "id_tag_info", None) is None else tag_info(answer.id_tag_info)

        def note(db: Database) -> Queued | None:
            self._note_answer(db, queued, answer, info)
            return self._head(db, lane)

        following: Queued | None = await self._stored(note)
        self.delivered += 1
        self.refusal = None
        await self._charge_point.transaction_answered(self._session, queued, answer, info)
        return following

    def _transaction(self, db: Database, queued: Queued) -> TransactionRow | None:
        """Return the transaction that a message begins or ends, if it does."""
        if queued.session_id is None or queued.action not in ("StartTransaction", "StopTransaction"):
            return None
        return outbox.transaction(db, self._charge_point.name, self._session.backend.name, queued.session_id)

    def _note_answer(self, db: Database, queued: Queued, answer: Any, info: TagInfo | None) -> None:
        outbox.remove(db, queued.id)
        row = self._transaction(db, queued)
        if row is None:
            return
        if queued.action == "StartTransaction":
            row.transaction_id = answer.transaction_id
            row.status = None if info is None else info.status
            row.parent_id_tag = None if info is None else info.parent_id_tag
        elif queued.action == "StopTransaction":
            row.stop_answered_ms = self._charge_point.clock.now_ms()
            row.doubt = row.doubt or doubt_about_stop(
                transaction_id=row.transaction_id,
                start_wh=row.start_wh,
                end_wh=row.end_wh,
                ended_ms=row.ended_ms,
                backend_now_ms=row.stop_answered_ms + (self._session.clock_ahead_ms or 0),
                peculiarities=self._session.peculiarities,
            )

    async def _refused(self, queued: Queued, refused: CallRefused, lane: str) -> Queued | None:
        """Count an answered failure; after TransactionMessageAttempts of them the message is given up (9.1.31).

        Returns the message that comes next: the same again, or the one behind it.
        """
        session, keys = self._session, self._charge_point.configuration
        failures = queued.failures + 1
        session.log.warning("transaction_message_refused", action=queued.action, failures=failures, reason=str(refused))
        self.refusal = str(refused)
        if failures < keys.number("TransactionMessageAttempts") and lane == TRANSACTION:
            wait_s = outbox.retry_wait_s(keys.number("TransactionMessageRetryInterval"), failures)
            until_ms = self._charge_point.clock.now_ms() + wait_s * 1000
            await self._stored(lambda db: outbox.failed(db, queued.id, failures, until_ms))
            return replace(queued, failures=failures, not_before_ms=until_ms)
        self.given_up += 1

        def give_up(db: Database) -> Queued | None:
            self._give_up(db, queued)
            return self._head(db, lane)

        following: Queued | None = await self._stored(give_up)
        session.log.error("transaction_message_given_up", action=queued.action, reason=str(refused))
        return following

    def _give_up(self, db: Database, queued: Queued) -> None:
        outbox.remove(db, queued.id)
        row = self._transaction(db, queued)
        if row is None:
            return
        if queued.action == "StartTransaction":
            row.given_up = True
        row.doubt = f"The backend has refused {queued.action} for good: {self.refusal}"
