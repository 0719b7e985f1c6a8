"""Keeps a station at what its connector may offer: by a profile that lowers by itself, renewed when leases change.

A limit counts as taken only when the station has said so (invariant 2): before that, ``set_limit`` is not ``done``.
"""

import asyncio
from typing import TYPE_CHECKING

from agents.csms.connector import Connector
from agents.csms.limits import leases_of, schedule
from agents.csms.link import Link, Outcome
from agents.csms.state import ConnectorState, Lease
from bus_schema.lease_rule import next_expiry

if TYPE_CHECKING:
    from agents.runtime.agent import Clock

RETRY_S = 10.0
"""Wait before a limit that was not answered, or refused, is sent again. s."""


class Limiter:
    """One connector's limits."""

    def __init__(self, connector: Connector, clock: "Clock") -> None:
        """Nothing has been sent."""
        self._connector = connector
        self._clock = clock
        self._lock = asyncio.Lock()
        self._sent: tuple[Link, ConnectorState, int | None, int | None] | None = None
        """What the station has taken: over which connection, from which state, until when, for which transaction."""
        self._retry_s = 0.0
        self.unanswered: list[tuple[str, str]] = []
        """Commands, ``(id, op)``, whose limit the station may have taken."""

    def due(self, link: Link) -> bool:
        """Tell whether the station must be told anew."""
        if self._lock.locked() or self._clock.monotonic_s() < self._retry_s:
            return False
        if self._sent is None or self._sent[0] is not link:
            return True
        _, of_state, until_ms, transaction_id = self._sent
        state = self._connector.state
        if until_ms is not None and self._clock.now_ms() >= until_ms:
            return True
        session_id = None if state.session is None else state.session.transaction_id
        if self._connector.station.limits == "tx_profile" and session_id != transaction_id:
            return True
        return _limits(state) != _limits(of_state)

    async def apply(self, link: Link) -> list[tuple[str, str]]:
        """Tell the station what holds now; return the commands that are done by it."""
        async with self._lock:
            outcome = await self._send(link, self._connector.state)
            if not outcome.accepted:
                return []
            answered, self.unanswered = self.unanswered, []
            return answered

    async def take(self, link: Link, lease: Lease, command: tuple[str, str]) -> Outcome | None:
        """Give the station a lease, which counts when it has taken it, or may have; None if there is no room for it."""
        async with self._lock:
            wanted = leases_of(self._connector.state).granted(lease)
            if wanted is None:
                return None
            leases = list(wanted.held)
            outcome = await self._send(link, self._connector.state.model_copy(update={"leases": leases}))
            if outcome.verdict == "unknown":
                self.unanswered.append(command)
            if outcome.verdict in ("accepted", "unknown"):
                # Nothing else changes leases meanwhile: whatever does holds the lock.
                await self._connector.update(leases=leases)
            return outcome

    async def release(self, link: Link, source: str) -> Outcome | None:
        """Tell the station what holds without a source's lease, and forget it if it agrees; None if there is none."""
        async with self._lock:
            left = leases_of(self._connector.state).released(source)
            return None if left is None else await self._try(link, leases=list(left.held))

    async def try_with(self, link: Link, **fields: object) -> Outcome:
        """Tell the station what would hold with other ``fields`` of the state, and keep them if it agrees."""
        async with self._lock:
            return await self._try(link, **fields)

    async def _try(self, link: Link, **fields: object) -> Outcome:
        outcome = await self._send(link, self._connector.state.model_copy(update=fields))
        if outcome.accepted:
            await self._connector.update(**fields)
        return outcome

    async def _send(self, link: Link, wanted: ConnectorState) -> Outcome:
        connector, now_ms = self._connector, self._clock.now_ms()
        outcome = await link.limit(connector.number, schedule(wanted, now_ms), wanted.session)
        if outcome.accepted:
            session_id = None if wanted.session is None else wanted.session.transaction_id
            self._sent = (link, wanted, next_expiry(wanted.leases, now_ms), session_id)
            self._retry_s = 0.0
        else:
            self._sent = None
            self._retry_s = self._clock.monotonic_s() + RETRY_S
        # A station that did not answer may be at what it had before: it still obeys.
        if outcome.verdict != "unknown" and connector.state.obeys is not outcome.accepted:
            await connector.update(obeys=outcome.accepted)
        return outcome


def _limits(state: ConnectorState) -> tuple[object, ...]:
    return (
        state.leases,
        state.max_current_a,
        state.fallback_current_a,
        state.required_sources,
        state.paused_by,
    )
