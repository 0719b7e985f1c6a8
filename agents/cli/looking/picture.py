"""What a site looks like now: put together from its retained messages."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from agents.cli.connection.heard import Heard
from agents.cli.connection.link import Link
from agents.cli.connection.quiet import QUIET_S
from bus_schema import topics
from bus_schema.balancing import Decision
from bus_schema.charger_messages import Meta, Online, State, Telemetry
from bus_schema.site_messages import AgentHealth, Alarm
from bus_schema.words import ChargerStatus

_RETAINED = (
    topics.CHARGER_ONLINE,
    topics.CHARGER_META,
    topics.CHARGER_STATE,
    topics.CHARGER_DECISION,
    topics.AGENT_HEALTH,
    topics.ALARM,
)

MOST_WAIT_S = 5.0
"""How long to wait for retained messages at most."""

TELEMETRY_WAIT_S = 1.5
"""How long to wait for the readings of charging chargers: they come once a second."""


@dataclass
class ChargerPicture:
    """One charger; None for what has not been heard."""

    online: Online | None = None
    meta: Meta | None = None
    state: State | None = None
    telemetry: Telemetry | None = None
    decision: Decision | None = None

    @property
    def is_online(self) -> bool:
        """True if the charger says so itself."""
        return self.online is not None and self.online.online

    @property
    def is_current(self) -> bool:
        """True if it is online and its state is of the boot that it is in, not retained from an earlier one."""
        return (
            self.is_online
            and self.state is not None
            and self.online is not None
            and (self.state.boot_id == self.online.boot_id)
        )

    @property
    def is_charging(self) -> bool:
        """True if a car draws current now."""
        return self.is_current and self.state is not None and self.state.status is ChargerStatus.CHARGING

    def as_json(self) -> dict[str, Any]:
        """Return everything for programs."""
        parts = {"meta": self.meta, "state": self.state, "telemetry": self.telemetry, "decision": self.decision}
        return {"online": self.is_online} | {
            name: None if part is None else part.model_dump(mode="json") for name, part in parts.items()
        }


@dataclass
class SitePicture:
    """Chargers, agents and alarms by their ids."""

    chargers: dict[str, ChargerPicture] = field(default_factory=dict)
    agents: dict[str, AgentHealth] = field(default_factory=dict)
    alarms: dict[str, Alarm] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    """Topics whose message could not be read, and why."""

    def take(self, heard: Heard) -> None:
        """Add a message to the picture."""
        if heard.error is not None:
            self.unreadable[heard.topic] = heard.error.reason
        if heard.address is None or heard.error is not None:
            return
        ids, message = heard.address.ids, heard.message
        if isinstance(message, AgentHealth):
            self.agents[ids["agent"]] = message
        elif heard.address.topic is topics.ALARM:
            if isinstance(message, Alarm):
                self.alarms[ids["alarm"]] = message
            else:
                self.alarms.pop(ids["alarm"], None)
        elif "charger" in ids:
            self._take_charger(self.chargers.setdefault(ids["charger"], ChargerPicture()), message)

    @staticmethod
    def _take_charger(charger: ChargerPicture, message: object) -> None:
        if isinstance(message, Online):
            charger.online = message
        elif isinstance(message, Meta):
            charger.meta = message
        elif isinstance(message, State):
            charger.state = message
        elif isinstance(message, Telemetry):
            charger.telemetry = message
        elif isinstance(message, Decision):
            charger.decision = message

    def awaiting_telemetry(self) -> bool:
        """Tell whether a charging charger has not shown its readings yet."""
        return any(c.is_charging and c.telemetry is None for c in self.chargers.values())


async def look(link: Link) -> SitePicture:
    """Return the picture of the site, with the readings of chargers that charge."""
    picture = SitePicture()
    # QoS 0: a broker's in-flight window then cannot hold back the tail of a large site.
    await link.listen(*_RETAINED, topics.CHARGER_TELEMETRY, qos=0)
    async for heard in link.heard(MOST_WAIT_S, QUIET_S):
        picture.take(heard)
    loop = asyncio.get_running_loop()
    end = loop.time() + TELEMETRY_WAIT_S
    while picture.awaiting_telemetry() and loop.time() < end:
        async for heard in link.heard(end - loop.time()):
            picture.take(heard)
            if not picture.awaiting_telemetry():
                break
    return picture
