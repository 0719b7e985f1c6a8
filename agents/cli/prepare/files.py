"""What ``chargebus prepare`` writes for a site's own servers: texts and names, made without touching the disk.

Two kinds of servers: ``compose`` is ``deploy/compose.yaml`` on one machine with Docker; ``systemd`` is a Raspberry Pi
or any other Debian with ``deploy/install.sh``.
"""

import ipaddress
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from agents.cli.pki.rights import BROKER, ENVIRONMENT_FILE
from bus_schema import Role
from bus_schema.generate.acl import HEALTH_CHECK, person_users, reserved_users
from bus_schema.generate.mosquitto import TLS_PORT
from bus_schema.ids import InvalidId, check_id

ALWAYS_HOSTS = (BROKER, "localhost", "127.0.0.1")
"""Names under which the site's own servers reach the broker."""

COMPOSE_METRICS_PORT = 9100
"""Metrics of every agent in a container of its own; the health check of ``compose.yaml`` asks there."""

SYSTEMD_METRICS_PORTS = 9101
"""Metrics of the first agent where all share one machine; the others follow."""

STEVE_FILE = "steve.properties"

CARDS_FILE = "access/cards.csv"
"""In a folder of its own: a container that is given a single file does not see it replaced."""

BACKUPS = "backups"
"""Folder that ``compose.yaml``'s tools write backups to."""

WITH_DATABASE = ("ledger", "access", "load_balancer", "ocpp_bridge", "csms")
"""Agents that keep their records in the site's database, each under a role of its own."""

COMPOSE_SECRETS = (
    "postgres.password",
    *(f"{agent}.postgres.password" for agent in WITH_DATABASE),
    "influxdb.password",
    "influxdb.token",
    "grafana.password",
    "steve.password",
)
"""Drawn at random, one file each in ``secrets/``, without a line break at the end."""

_HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
ON_TRIAL = frozenset({"load_balancer_shadow"})
"""Agents that try something out for a while: no site's servers run them by themselves."""


class Kind(StrEnum):
    """Which servers the folder is for."""

    COMPOSE = "compose"
    SYSTEMD = "systemd"


class PrepareError(ValueError):
    """A name cannot be used; the text says which and why."""


@dataclass(frozen=True)
class Wanted:
    """What was asked for, checked."""

    site: str
    hosts: tuple[str, ...]
    """Names and addresses under which chargers reach the broker."""
    kind: Kind
    agents: tuple[str, ...]
    devices: tuple[str, ...]
    """Ids of chargers that get a certificate."""
    meters: tuple[str, ...] = ()
    """Ids of grid meters that get one."""
    people: tuple[str, ...] = ()
    """Technicians who get one for each of their terminals."""

    @property
    def server_names(self) -> tuple[str, ...]:
        """Every name and address that the broker's certificate must hold."""
        return tuple(dict.fromkeys((*self.hosts, *ALWAYS_HOSTS)))

    @property
    def users(self) -> dict[str, str]:
        """Everybody who connects to the broker with a certificate, with the role.

        ``technician`` is the command line on the site's own server.
        """
        people = [user.name for name in (str(Role.TECHNICIAN), *self.people) for user in person_users(name)]
        return {
            **{agent: agent for agent in self.agents},
            HEALTH_CHECK: HEALTH_CHECK,
            **dict.fromkeys(people, str(Role.TECHNICIAN)),
            **dict.fromkeys(self.devices, str(Role.CHARGER)),
            **dict.fromkeys(self.meters, str(Role.METER)),
        }


def wanted(
    site: str,
    hosts: Sequence[str],
    kind: Kind,
    agents: Iterable[str],
    devices: Iterable[str],
    meters: Iterable[str] = (),
    people: Iterable[str] = (),
) -> Wanted:
    """Check what was asked for. Raises :class:`PrepareError`."""
    names = {"charger": tuple(dict.fromkeys(devices)), "meter": tuple(dict.fromkeys(meters))}
    persons = tuple(dict.fromkeys(people))
    try:
        check_id("site", site)
        every = [check_id(what, name) for what, group in names.items() for name in group]
        every += [user.name for person in persons for user in person_users(person)]
    except InvalidId as error:
        raise PrepareError(str(error)) from None
    for name in every:
        if name in reserved_users() | {BROKER, "ca"}:
            raise PrepareError(
                f"no charger, meter or person may be called {name!r}: it is the name of a part of the site, whose "
                "rights on the bus it would have"
            )
        if every.count(name) > 1:
            raise PrepareError(f"{name!r} was given twice: a charger, a meter and a person have names of their own")
    for host in hosts:
        if not _is_host(host):
            raise PrepareError(f"{host!r} is no host name and no address; write for example broker.local or 10.0.0.2")
    if not hosts:
        raise PrepareError("give at least one host name or address of the broker, as the chargers will know it")
    return Wanted(site, tuple(hosts), kind, tuple(agents), names["charger"], names["meter"], persons)


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return _HOST.fullmatch(text) is not None
    return True


def site_toml(asked: Wanted) -> str:
    """Return the site's configuration for its kind of servers."""
    parts = [_COMPOSE if asked.kind is Kind.COMPOSE else _SYSTEMD, _COMMON]
    head = f"# Made by `chargebus prepare`, which leaves it as it is from now on.\nsite = {json.dumps(asked.site)}\n"
    return head + "\n".join((*parts, *agent_tables(asked).values()))


def agent_tables(asked: Wanted) -> dict[str, str]:
    """Return each agent's table of ``site.toml``."""
    tables = {
        agent: f"[{agent}]\nmetrics_port = {_metrics_port(asked.kind, number)}\n{_settings(asked.kind, agent)}"
        for number, agent in enumerate(asked.agents)
    }
    if asked.kind is Kind.SYSTEMD and "influx_logger" in tables:
        # Without a database its spool would fill the disk: install.sh starts the agents that have a table.
        tables["influx_logger"] = "".join(f"# {line}\n" for line in tables["influx_logger"].splitlines())
    return tables


def site_agents(known: Iterable[str]) -> tuple[str, ...]:
    """Return which of the agents belong to a site."""
    return tuple(name for name in known if name not in ON_TRIAL)


def _metrics_port(kind: Kind, number: int) -> int:
    return COMPOSE_METRICS_PORT if kind is Kind.COMPOSE else SYSTEMD_METRICS_PORTS + number


COMPOSE_STORE = """\
url = "postgresql://{agent}@postgres/chargebus"
password_file = "/run/secrets/{agent}.postgres.password"
"""
"""Where the agents' records are: `compose.yaml` makes a role for each of them."""

_COMPOSE = f"""\
data_dir = "/var/lib/chargebus"

[broker]
host = "{BROKER}"
port = {TLS_PORT}
ca_file = "/run/secrets/ca.pem"
cert_file = "/run/secrets/{{agent}}.pem"
key_file = "/run/secrets/{{agent}}.key"

[store]
{COMPOSE_STORE}"""

_SYSTEMD = f"""\
data_dir = "/var/lib/chargebus"

[broker]
host = "localhost"
port = {TLS_PORT}
ca_file = "pki/ca.pem"
cert_file = "pki/{{agent}}.pem"
key_file = "pki/{{agent}}.key"

# Without it every agent has a SQLite file of its own in data_dir.
# [store]
# url = "postgresql://{{agent}}@db.local/chargebus"
# password_file = "secrets/{{agent}}.postgres.password"
# `chargebus database-roles` makes the roles and their schemas.
"""

_COMMON = """\
[log]
format = "json"
"""

_CARDS = f"""\
policies = ["local_list"]
cards_file = "{CARDS_FILE}"
"""

_INFLUXDB = """\
url = "http://influxdb:8086"
org = "chargebus"
bucket = "chargebus"
token_file = "/run/secrets/influxdb.token"
"""

_NO_INFLUXDB = """\
url = "http://influxdb.local:8086"
token_file = "secrets/influxdb.token"
"""

_BRIDGE = """\
# The SteVe of compose.yaml's profile "steve":
# [[ocpp_bridge.backends]]
# name = "steve"
# kind = "steve"
# url = "ws://steve:8180/steve/websocket/CentralSystemService"
"""


_METERS = """\
# A grid meter, read over Modbus TCP; afterwards `chargebus pki apply`:
# [grid_meter.meters.main]
# driver = "eastron_sdm630"
# host = "meter.local"
"""


def _settings(kind: Kind, agent: str) -> str:
    """Return the lines that an agent needs on these servers."""
    compose = kind is Kind.COMPOSE
    return {
        "access": _CARDS,
        "console": 'host = "0.0.0.0"\nport = 8080\n' if compose else 'host = "127.0.0.1"\nport = 8080\n',
        "influx_logger": _INFLUXDB if compose else _NO_INFLUXDB,
        "ocpp_bridge": _BRIDGE if compose else "",
        "grid_meter": _METERS,
        "csms": 'host = "0.0.0.0"\n# port = 8887\n' if compose else "# port = 8887\n",
    }.get(agent, "")


def cards_csv() -> str:
    """Return an empty local list of cards."""
    return "# The site's cards: who may charge. Read again whenever it changes.\nuid,name\n"


def environment(site: str, folder: Path) -> str:
    """Return what ``docker compose --env-file`` reads: the stack's name, and where the site's own files are."""
    return f"COMPOSE_PROJECT_NAME=chargebus-{site}\nCHARGEBUS_FOLDER={folder}\n"


def moved(folder: Path, place: Path) -> None:
    """Fit a folder for Docker, if it is one, to the place where it is going to be.

    ``compose.env`` names the place. Containers are handed the folders of the cards and of the broker as a whole and
    read them under users of their own, whatever mask the user has who made or restored them.
    """
    environment_file = folder / ENVIRONMENT_FILE
    if environment_file.exists():
        lines = environment_file.read_text(encoding="utf-8").splitlines()
        named = [f"CHARGEBUS_FOLDER={place}" if line.startswith("CHARGEBUS_FOLDER=") else line for line in lines]
        if named != lines:
            environment_file.write_text("\n".join(named) + "\n", encoding="utf-8")
        for shared in ((folder / CARDS_FILE).parent, folder / BROKER):
            if shared.exists():
                shared.chmod(0o755)


def steve_properties(database_password: str, admin_password: str) -> str:
    """Return SteVe's settings: keys and words of its own ``application-docker.properties`` (3.14)."""
    return f"""\
context.path = steve
db.ip = mariadb
db.port = 3306
db.schema = stevedb
db.user = steve
db.password = {database_password}
auth.user = admin
auth.password = {admin_password}
webapi.key =
webapi.value =
server.host = 0.0.0.0
server.gzip.enabled = false
http.enabled = true
http.port = 8180
https.enabled = false
https.port = 8443
keystore.path =
keystore.password =
ws.session.select.strategy = ALWAYS_LAST
auto.register.unknown.stations = false
charge-box-id.validation.regex =
db.sql.logging = false
profile = prod
"""
