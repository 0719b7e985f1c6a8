"""All stations: those of ``site.toml``, and strangers for as long as they are connected."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from agents.csms.commanding import Commanding
from agents.csms.connector import Connector
from agents.csms.limiter import Limiter
from agents.csms.recalling import recalled
from agents.csms.settings import Station
from agents.csms.state import ConnectorState
from agents.csms.stations import MOST_UNKNOWN, KnownStation, Port
from agents.runtime.agent import Clock
from agents.runtime.database.store import Store

UNKNOWN_CONNECTORS = 8
"""Connectors that a station without a table may have."""


class Roster:
    """Knows every station by its identity, and the connectors that are chargers on the bus."""

    def __init__(
        self, store: Store, clock: Clock, boot_ids: Callable[[], str], changed: Callable[[Connector], None]
    ) -> None:
        """Know none; ``changed`` is told of each connector whose state has changed."""
        self.stations: dict[str, KnownStation] = {}
        """By identity."""
        self.ports: dict[str, Port] = {}
        """By charger; those on the bus."""
        self._store = store
        self._clock = clock
        self._boot_ids = boot_ids
        self._changed = changed
        self._started_s = clock.monotonic_s()

    def add(
        self, name: str, settings: Station, kept: Mapping[str, ConnectorState], about: dict[str, Any] | None
    ) -> KnownStation:
        """Add the station of a table; ``kept`` has the states of connectors, ``about`` what it said of itself last."""
        station = KnownStation(settings.identity or name, settings)
        if about is not None:
            station.about = f"{about.get('vendor', '')} {about.get('model', '')}"
            station.firmware = about.get("firmware") or ""
        for number in range(1, settings.connectors + 1):
            charger = f"{name}-{number}"
            self._connect(station, number, charger, kept.get(charger), kept=True)
            if settings.on_bus:
                self.ports[charger] = station.ports[number]
        self.stations[station.identity] = station
        return station

    def station(self, identity: str) -> KnownStation | None:
        """Return the station that calls itself so, a new one for a stranger; None for one stranger too many."""
        station = self.stations.get(identity)
        if station is not None:
            return station
        if sum(not each.known for each in self.stations.values()) >= MOST_UNKNOWN:
            return None
        station = self.stations[identity] = KnownStation(identity, Station(on_bus=False), known=False)
        for number in range(1, UNKNOWN_CONNECTORS + 1):
            # No charger of the bus has a name with "/": whatever a stranger calls itself, it writes into no other.
            self._connect(station, number, f"{identity}/{number}", None, kept=False)
        return station

    def gone(self, station: KnownStation) -> None:
        """Forget a stranger that is no longer connected."""
        if not station.known and self.stations.get(station.identity) is station:
            del self.stations[station.identity]

    def _connect(
        self, station: KnownStation, number: int, charger: str, state: ConnectorState | None, *, kept: bool
    ) -> None:
        connector = Connector(
            charger,
            number,
            station.settings,
            recalled(state, station.settings, self._boot_ids()),
            self._store,
            self._clock,
            self._started_s,
            self._changed,
            kept=kept,
        )
        limiter = Limiter(connector, self._clock)
        commanding = Commanding(connector, limiter, partial(_link_of, station), self._clock)
        station.ports[number] = Port(connector, limiter, commanding)


def _link_of(station: KnownStation) -> Any:
    return station.link
