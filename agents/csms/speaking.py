"""Puts on the bus what is due: online, meta, state, replies, events. What the broker does not take, it gets later."""

import asyncio
from collections import deque
from collections.abc import Iterable

from agents.csms.connector import Connector
from agents.csms.journal import IN_FLIGHT, RESEND_S, Flight, after, payload
from agents.csms.messages import meta, online, state_message
from agents.csms.stations import KnownStation
from agents.runtime.agent import Bus, BusUnavailable, Clock
from agents.runtime.database.store import Store, StoreUnavailable
from bus_schema.command import CommandReply
from bus_schema.topics import (
    CHARGER_COMMAND_REPLY,
    CHARGER_EVENT,
    CHARGER_META,
    CHARGER_ONLINE,
    CHARGER_STATE,
)

STATE_EVERY_S = 9.0
"""A state is published again after so long, looked at once a second: the contract wants it within 10 s. s."""

RETRY_S = 1.0
"""Wait after the broker, or the database, could not be used. s."""


class Speaker:
    """Speaks for all connectors of the bus."""

    def __init__(self, bus: Bus, clock: Clock, store: Store) -> None:
        """Nothing is due."""
        self._bus = bus
        self._clock = clock
        self._store = store
        self._due = asyncio.Event()
        self._connectors: dict[str, tuple[Connector, KnownStation]] = {}
        self._states: dict[str, float] = {}
        """When each state was published last; 0 for one that is due."""
        self._introductions: set[str] = set()
        """Whose online and meta are due."""
        self._metas: dict[str, object] = {}
        """What each meta said last."""
        self._events: set[str] = set()
        self._flights: dict[str, Flight] = {}
        self._replies: deque[tuple[str, CommandReply]] = deque()
        self.pending: dict[str, int] = {}
        """Events that wait for the ledger, by charger."""

    def add(self, connector: Connector, station: KnownStation) -> None:
        """Speak for a connector from now on."""
        self._connectors[connector.charger] = (connector, station)
        self._flights[connector.charger] = Flight()
        self._events.add(connector.charger)
        self.introduce(connector)

    def introduce(self, connector: Connector) -> None:
        """Online, meta and state are due."""
        self._introductions.add(connector.charger)
        self.changed(connector)

    def changed(self, connector: Connector) -> None:
        """The state is due, and perhaps there are events."""
        if connector.charger in self._connectors:
            self._states[connector.charger] = 0.0
            self._events.add(connector.charger)
            self._due.set()

    def reply(self, charger: str, message: CommandReply) -> None:
        """Answer a command."""
        self._replies.append((charger, message))
        self._due.set()

    def acknowledged(self, charger: str, boot_id: str, seq: int) -> None:
        """The ledger has committed events."""
        flight = self._flights.get(charger)
        if flight is not None:
            flight.acknowledged(boot_id, seq, self._clock.monotonic_s())
            self._events.add(charger)
            self._due.set()

    def again(self, charger: str) -> None:
        """Send every event again that is not acknowledged."""
        self._flights[charger].rewind()
        self._events.add(charger)
        self._due.set()

    def tick(self) -> None:
        """See what has become due by time."""
        now_s = self._clock.monotonic_s()
        for charger, flight in self._flights.items():
            if flight.sent and now_s - flight.since_s >= RESEND_S:
                self.again(charger)
        if any(now_s - last_s >= STATE_EVERY_S for last_s in self._states.values()):
            self._due.set()

    async def run(self) -> None:
        """Speak for ever."""
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self.flush()
            except (BusUnavailable, StoreUnavailable):
                self._due.set()
                await self._clock.sleep(RETRY_S)

    async def flush(self) -> None:
        """Publish everything that is due. Raises :class:`BusUnavailable`; what is left stays due."""
        while self._replies:
            charger, message = self._replies[0]
            await self._bus.publish(CHARGER_COMMAND_REPLY, message, charger=charger)
            self._replies.popleft()
        for charger in list(self._introductions):
            connector = self._connectors[charger][0]
            await self._bus.publish(
                CHARGER_ONLINE, online(connector.state, connector.now(), connector.online), charger=charger
            )
            self._introductions.discard(charger)
            self._metas.pop(charger, None)
        for charger in list(self._events):
            self._events.discard(charger)
            try:
                await self._publish_events(charger)
            except BaseException:
                self._events.add(charger)
                raise
        now_s = self._clock.monotonic_s()
        for charger, last_s in list(self._states.items()):
            if last_s == 0.0 or now_s - last_s >= STATE_EVERY_S:
                await self._publish_state(charger, now_s)

    async def _publish_state(self, charger: str, now_s: float) -> None:
        connector, station = self._connectors[charger]
        about = meta(connector.state, connector.station, station.about, station.firmware, connector.now())
        said = about.model_copy(update={"ts": None, "uptime_ms": 0})
        if self._metas.get(charger) != said:
            await self._bus.publish(CHARGER_META, about, charger=charger)
            self._metas[charger] = said
        # Before it is sent: what changes meanwhile is due again.
        self._states[charger] = now_s or 1e-9
        try:
            message = state_message(connector.state, connector.station, self.pending.get(charger, 0), connector.now())
            await self._bus.publish(CHARGER_STATE, message, charger=charger)
        except BusUnavailable:
            self._states[charger] = 0.0
            raise

    async def _publish_events(self, charger: str) -> None:
        flight = self._flights[charger]
        while True:
            room = IN_FLIGHT - len(flight.sent)
            if room <= 0:
                return
            cursor = flight.cursor
            found = await self._store.run(lambda db, at=cursor, most=room: after(db, charger, at, most))  # type: ignore[misc]
            if not found or flight.cursor != cursor:
                return
            for kept, oldest_seq in found:
                event = CHARGER_EVENT.adapter.validate_json(payload(kept, oldest_seq))
                await self._bus.publish(CHARGER_EVENT, event, charger=charger)
                flight.left([kept], self._clock.monotonic_s())


def chargers_of(stations: Iterable[KnownStation]) -> list[Connector]:
    """Return the connectors that are on the bus."""
    return [connector for station in stations if station.settings.on_bus for connector in station.connectors]
