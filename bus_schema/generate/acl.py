"""The access list of the Mosquitto broker: who may write and read what, one block for each user.

Whoever is not named may do nothing, also over a connection that is open already: Mosquitto reads the list again at
SIGHUP, and what it then denies it neither takes nor delivers any more. That is half of how a certificate is revoked
(:mod:`agents.cli.pki.revoke`); hence there are no ``pattern`` rules, which hold for every user whatever it is called.

Every process is a user of its own, because the broker uses the user's name as the client id
(``use_username_as_clientid``): nobody can take the place of another. A person has :data:`TERMINALS` users, one for
each command that may run at the same time, and all of them speak as the person.

``csms`` writes as the chargers of its own stations only. Mosquitto has no wildcard for part of a level, so each is
named: a station that is new in ``site.toml`` needs a new list (``chargebus pki apply``).

What Mosquitto does that one should know: a denied QoS 1 publication is acknowledged as if it had been taken, a denied
subscription is granted and then stays silent, and a member of a shared subscription (``$share``) who may not read is
dealt its part all the same, which is lost. No agent uses one.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bus_schema.ids import check_id
from bus_schema.topic import ROOT, Role, Topic
from bus_schema.topics import TOPICS

DEVICES = (Role.CHARGER, Role.METER)
"""Roles whose users are called by their id, not by their role."""

BROKER_STATUS = "$SYS/broker/#"
"""The broker's own counters: what ``chargebus doctor`` needs in order to see lost messages, and the logger to keep."""

BROKER_WATCHERS = (Role.TECHNICIAN, Role.INFLUX_LOGGER)
"""Who may read them."""

HEALTH_CHECK = "healthcheck"
"""User of the broker's own health check (``deploy/compose.yaml``): it reads :data:`BROKER_UPTIME` and nothing else."""

BROKER_UPTIME = "$SYS/broker/uptime"
"""What the health check waits for."""

TERMINALS = 4
"""How many commands a person can have running at the same time: each is a connection with a user of its own."""

MOST_PROCESSES = {Role.INFLUX_LOGGER: 4}
"""Most processes of an agent that share its work; each is a user of its own. Every other agent is one process."""


@dataclass(frozen=True, slots=True)
class User:
    """Who connects to the broker."""

    name: str
    """User name, common name of the certificate, and client id."""
    role: Role
    """What it may do."""
    speaks_as: str
    """The id that stands in the topics of its own: its name, but for a person's further terminals the person's."""


def process_user(role: Role, number: int = 1) -> User:
    """Return the user of an agent's process, by its number: the first is called as the only one would be."""
    name = numbered(str(role), number)
    return User(name, role, name)


def device_user(role: Role, device: str) -> User:
    """Return the user of a charger or meter. Raises :class:`bus_schema.InvalidId`."""
    return User(check_id(str(role), device), role, device)


def person_users(name: str, role: Role = Role.TECHNICIAN) -> tuple[User, ...]:
    """Return the users of a person, one for each terminal. Raises :class:`bus_schema.InvalidId`."""
    return tuple(User(check_id("person", numbered(name, number)), role, name) for number in range(1, TERMINALS + 1))


def numbered(name: str, number: int) -> str:
    """Return the user name of the ``number``-th process or terminal: ``anna``, ``anna-2``, ``anna-3``…"""
    return name if number == 1 else f"{name}-{number}"


def reserved_users() -> frozenset[str]:
    """Return the user names that are roles or parts of the site: no device and no person may have one of them."""
    further = {numbered(role, number) for role, most in MOST_PROCESSES.items() for number in range(2, most + 1)}
    terminals = {user.name for user in person_users(str(Role.TECHNICIAN))}
    return frozenset({*(str(role) for role in Role), *further, *terminals, HEALTH_CHECK})


def mosquitto_acl(
    site: str, users: Iterable[User], station_chargers: Collection[str] = (), read_meters: Collection[str] = ()
) -> str:
    """Return the text of the access list of ``site`` for these users.

    ``station_chargers`` are the chargers that ``csms`` brings onto the bus: ``<station>-<n>``; ``read_meters`` are the
    meters that ``grid_meter`` reads.

    Raises :class:`bus_schema.InvalidId` if ``site`` or a name is not an id, for a wildcard in it would open what is
    another's, and :class:`ValueError` if two users have the same name.
    """
    check_id("site", site)
    stations = [check_id("charger", charger) for charger in station_chargers]
    meters = [check_id("meter", meter) for meter in read_meters]
    blocks = [
        [
            "# Who may write and read what. GENERATED from the contract (bus_schema): do not edit.",
            f"# Site: {site}.",
            "# Nothing is allowed but what stands here: set allow_anonymous false.",
        ],
        [f"user {HEALTH_CHECK}", f"topic read {BROKER_UPTIME}"],
    ]
    seen: set[str] = {HEALTH_CHECK}
    for user in users:
        if check_id("user", user.name) in seen:
            raise ValueError(f"two users of the broker are called {user.name!r}")
        seen.add(user.name)
        blocks.append([f"user {user.name}", *_rights(user, site, stations, meters)])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def example_acl() -> str:
    """Return the list of an example site with one user of every role: ``bus_schema/generated/mosquitto.acl``."""
    agents = [process_user(role) for role in Role if role not in (*DEVICES, Role.TECHNICIAN)]
    people = person_users("anna")[:1]
    devices = [device_user(Role.CHARGER, "c1"), device_user(Role.METER, "m1")]
    return mosquitto_acl("garage", [*agents, *people, *devices], ["station-1"], ["main"])


def _rights(user: User, site: str, stations: Collection[str], meters: Collection[str]) -> Iterator[str]:
    for topic in TOPICS:
        write = _written(user, topic, site, stations, meters) if user.role in topic.writers else []
        read = _heard(user, topic, site, stations) if user.role in topic.readers else []
        yield from (f"topic readwrite {path}" for path in write if path in read)
        yield from (f"topic write {path}" for path in write if path not in read)
        yield from (f"topic read {path}" for path in read if path not in write)
    if user.role in BROKER_WATCHERS:
        yield f"topic read {BROKER_STATUS}"


def _written(user: User, topic: Topic[Any], site: str, stations: Collection[str], meters: Collection[str]) -> list[str]:
    if user.role is Role.GRID_METER and topic.own_level == "meter":
        return [_path(topic, site, "meter", meter) for meter in meters]
    if user.role is Role.CSMS and topic.own_level == "charger":
        return [_path(topic, site, "charger", charger) for charger in stations]
    return [_path(topic, site, topic.own_level, user.speaks_as)]


def _heard(user: User, topic: Topic[Any], site: str, stations: Collection[str]) -> list[str]:
    if user.role is Role.CSMS and Role.CHARGER in topic.readers:  # It hears what a charger hears, of its own.
        return [_path(topic, site, "charger", charger) for charger in stations]
    own = str(user.role) if user.role in DEVICES else topic.own_read_level
    return [_path(topic, site, own, user.speaks_as)]


def _path(topic: Topic[Any], site: str, own: str, value: str) -> str:
    levels = ((value if level[1:-1] == own else "+") if level[0] == "{" else level for level in topic.levels)
    return "/".join((ROOT, site, *levels))
