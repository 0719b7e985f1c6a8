"""What ``chargebus doctor`` has seen of a bus, and what it says about it: data without any input or output."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from agents.cli.connection.heard import Heard
from bus_schema import Role, Topic
from bus_schema.generate.acl import person_users, reserved_users
from bus_schema.words import Severity

PROBE_ID = "doctor-probe"
"""Id under which the doctor publishes its own probes. No charger, agent or meter may be called so."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, where, and what to do about it."""

    severity: Severity
    """``critical``: people, money or sessions are at stake; ``warning``: it will be; ``info``: worth knowing."""
    check: str
    """Which check found it, one word for programs: ``schema``, ``acl``, ``clock``…"""
    where: str
    """Topic, charger, agent or setting."""
    what: str
    """What is wrong, in words."""
    remedy: str
    """What to do about it."""


@dataclass(frozen=True)
class Loopback:
    """One attempt to publish where it must not be possible: whether the message came through."""

    user: str
    """Who tried: ``technician`` or ``anonymous``."""
    topic: str
    """Where, under :data:`PROBE_ID`."""
    arrived: bool
    """True if a subscriber has received it. The broker's acknowledgement says nothing (MQTT 3.1.1)."""


@dataclass(frozen=True)
class QueueProbe:
    """How many of a burst of QoS 1 messages waited for a subscriber that was away."""

    sent: int
    received: int


@dataclass(frozen=True)
class Snapshot:
    """Everything that was observed. Times are UTC in milliseconds by this computer's clock."""

    site: str
    """The site that was looked at."""
    now_ms: int
    """When listening ended."""
    listened_s: float
    """How long it was listened for."""
    live: tuple[Heard, ...] = ()
    """What was heard, in the order of arrival, without what had been retained before."""
    kept: tuple[Heard, ...] = ()
    """What the broker had retained at the end."""
    user: str | None = "technician"
    """The person, or other user, as whom it was listened."""
    dropped: tuple[int, ...] = ()
    """Values of the broker's own count of messages that it has dropped, oldest first; empty if it tells none."""
    broker_tells: bool = False
    """Whether the broker has told anything about itself (``$SYS``): then this user may read it."""
    settings: Mapping[str, str] | None = None
    """The broker's configuration, if it could be read."""
    access_list: str | None = None
    """The access list that the broker reads, if it could be read."""
    access_list_due: str | None = None
    """What it should be, if the site's folder is here."""
    certificates: Mapping[str, datetime] = field(default_factory=dict)
    """When each certificate of the site ends, if the authority's folder is here."""
    certified_chargers: frozenset[str] = frozenset()
    """Which of them are chargers'."""
    loopbacks: tuple[Loopback, ...] = ()
    """Attempts to publish where it must not be possible."""
    anonymous_connects: bool | None = None
    """Whether the broker lets in who gives no user name; None if that was not tried."""
    anonymous_read: int = 0
    """How many retained messages it then handed out."""
    queue: QueueProbe | None = None
    """Result of the burst for an absent subscriber, if that was tried."""
    takes_over: bool | None = None
    """Whether one user's connection is ended by another user who says the same client id; None if not tried."""
    commands_pass: bool | None = None
    """Whether a command of this person comes through the broker; None if that was not tried."""
    waiting_sessions: int | None = None
    """How many sessions the broker keeps for clients that are away, by its own count."""
    unconverted: str | None = None
    """The site's folder if an earlier version made it and `chargebus prepare` has not brought it over."""
    named_chargers: frozenset[str] = frozenset()
    """Chargers that ``site.toml`` gives current to."""
    wrong_meters: frozenset[str] = frozenset()
    """Grid meters of ``site.toml`` whose certificate is not a meter's."""
    untested: tuple[str, ...] = ()
    """Probes that could not be made, in words."""

    def without_probes(self) -> Self:
        """Return the same without the doctor's own probes, which also another doctor may have sent."""
        return replace(
            self,
            live=tuple(heard for heard in self.live if f"/{PROBE_ID}" not in heard.topic),
            kept=tuple(heard for heard in self.kept if f"/{PROBE_ID}" not in heard.topic),
        )

    def everything(self) -> Iterator[Heard]:
        """Yield what was retained, then what was heard."""
        return iter((*self.kept, *self.live))

    def latest(self, topic: Topic[Any]) -> list[Heard]:
        """Return the last readable message of each address of ``topic``: what was heard, else what was retained."""
        latest: dict[str, Heard] = {}
        for heard in self.everything():
            if heard.address is not None and heard.address.topic is topic and heard.message is not None:
                latest[heard.topic] = heard
        return list(latest.values())


def is_technician(person: str | None) -> bool:
    """Tell whether a user has a technician's rights: everybody whose name is not that of another part of the site."""
    own = {user.name for user in person_users(str(Role.TECHNICIAN))}
    return person is not None and (person in own or person not in reserved_users())
