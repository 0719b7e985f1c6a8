"""What ``chargebus up`` is going to run, decided before anything starts. Pure: it reads no disk and starts nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agents.cli.connection.logins import Login
from agents.cli.connection.target import USER, Target
from agents.cli.up import files as up_files
from agents.cli.up import passwords as up_passwords
from agents.cli.up.process import ProcessSpec
from agents.runtime.mqtt.options import MqttOptions
from bus_schema import Role
from bus_schema.generate.acl import User, device_user, mosquitto_acl, person_users, process_user

BROKER, FIRST, AGENT, CHARGERS = 0, 1, 2, 3
"""Stages of the start: each waits until the one before it is there. The stop goes backwards."""

_STAGES: dict[str, int] = {
    # It lets the time pass for which another balancer might still act.
    Role.LOAD_BALANCER: FIRST,
    # A driver's card is of no use before somebody listens.
    Role.ACCESS: FIRST,
    # It only shows what there is: nothing is lost while it starts.
    Role.CONSOLE: CHARGERS,
}
"""Stage of each agent that is not simply an :data:`AGENT`: those must not miss what the first cars do."""

FIRST_CARS = 6
"""So many chargers of a new demonstration get a car that charges at once and for long."""


CHARGER_PASSWORDS = "secrets/chargers"
"""File with the passwords of the chargers, in the data folder."""


FIRMWARE_KEY = "firmware"
"""Key pair that the virtual chargers' firmware is signed with: this name with ``.key`` and ``.pub``."""


def charger_names(chargers: int) -> list[str]:
    """Return the ids that ``firmware.sim`` gives to so many chargers."""
    return [f"c{number}" for number in range(1, chargers + 1)]


def users(agents: Iterable[str], chargers: int) -> list[User]:
    """Return everyone who needs a password at the broker."""
    processes = [process_user(Role(agent)) for agent in agents]
    devices = [device_user(Role.CHARGER, name) for name in charger_names(chargers)]
    return [*processes, *person_users(USER), *devices]


@dataclass(frozen=True)
class UpChoice:
    """What the user wants and what this machine has."""

    data: Path
    """Folder for everything, absolute."""
    site: str
    """Id of the site."""
    chargers: int
    """How many virtual chargers."""
    speed: float
    """How much faster than life the cars are."""
    broker_port: int
    """Free TCP port."""
    page_port: int
    """Free TCP port."""
    backend_port: int
    """Free TCP port, where charge points connect to the OCPP backend."""
    backend_api_port: int
    """Free TCP port of the backend's REST API."""
    mosquitto: str | None
    """Path of the program, or None for the embedded broker."""
    python: str
    """This interpreter."""
    agents: tuple[str, ...]
    """Names of the agents to run."""
    cards: tuple[str, ...]
    """UIDs of the virtual drivers' cards."""
    passwords: Mapping[str, str] = field(repr=False)
    """Password at the broker by user: agents, the technician, and chargers."""
    station_passwords: Mapping[str, str] = field(repr=False)
    """Password at the OCPP backend by charger."""
    is_first: bool
    """Whether the data folder is new: then the demonstration begins with a car at each of the first chargers."""


@dataclass(frozen=True)
class Plan:
    """Processes to run and files to write first, by their path under the data folder."""

    choice: UpChoice
    processes: tuple[ProcessSpec, ...]
    files: dict[str, str] = field(repr=False)
    """Text of each file; nobody else may read them."""
    folders: tuple[str, ...]

    def target(self) -> Target:
        """Return how the technician reaches the site."""
        return Target(self.choice.site, tuple(self._login(user.name) for user in person_users(USER)))

    def _login(self, user: str) -> Login:
        options = MqttOptions(
            "127.0.0.1",
            self.choice.broker_port,
            client_id="",
            username=user,
            password=self.choice.passwords[user],
            clean_session=True,
        )
        return Login(options, self.choice.data / _secret(user))

    @property
    def page(self) -> str:
        """Address of the page."""
        return f"http://127.0.0.1:{self.choice.page_port}/"

    @property
    def backend(self) -> str:
        """Address of the OCPP backend's list of charge points."""
        return f"http://127.0.0.1:{self.choice.backend_api_port}/cps"

    @property
    def cars_wanted(self) -> int:
        """How many cars must charge before the site counts as ready.

        A new site begins with cars that charge at once at up to six chargers. In an old one it is chance who is there.
        """
        return min(self.choice.chargers, FIRST_CARS) if self.choice.is_first else 1

    def agents_of(self, stage: Sequence[ProcessSpec]) -> list[str]:
        """Return the names of the agents in a stage."""
        return [process.name for process in stage if process.name in self.choice.agents]

    def stages(self) -> Sequence[Sequence[ProcessSpec]]:
        """Return the processes in the order of their start."""
        numbers = sorted({process.stage for process in self.processes})
        return [[process for process in self.processes if process.stage == number] for number in numbers]


def plan(choice: UpChoice) -> Plan:
    """Return what is to be run."""
    files = {
        "site.toml": up_files.site_toml(
            choice.site,
            choice.broker_port,
            choice.page_port,
            choice.backend_port,
            choice.backend_api_port,
            choice.data,
            charger_names(choice.chargers),
        ),
        up_files.CARDS_FILE: up_files.cards_csv(choice.cards),
    }
    if choice.mosquitto is not None:
        files["mosquitto.conf"] = up_files.mosquitto_conf(choice.broker_port, choice.data)
        files["mosquitto.passwords"] = up_passwords.mosquitto_file(choice.passwords)
        files["mosquitto.acl"] = mosquitto_acl(choice.site, users(choice.agents, choice.chargers))
    names = charger_names(choice.chargers)
    files[CHARGER_PASSWORDS] = "".join(f"{name}:{choice.passwords[name]}\n" for name in names)
    for user in (*choice.agents, *(each.name for each in person_users(USER))):
        files[_secret(user)] = choice.passwords[user] + "\n"
    for name in names:
        files[f"secrets/stations/{name}.password"] = choice.station_passwords[name] + "\n"
    processes = (_broker(choice), *(_agent(choice, name) for name in choice.agents), _chargers(choice))
    return Plan(choice, processes, files, ("logs", "broker", "chargers", "agents", "secrets", "secrets/stations"))


def _secret(user: str) -> str:
    return f"secrets/{user}.password"


def _broker(choice: UpChoice) -> ProcessSpec:
    installed = (str(choice.mosquitto), "-c", str(choice.data / "mosquitto.conf"))
    embedded = (choice.python, "-m", "agents.runtime.mqtt.embedded_broker", "--port", str(choice.broker_port))
    return ProcessSpec("broker", embedded if choice.mosquitto is None else installed, BROKER, essential=True)


def _chargers(choice: UpChoice) -> ProcessSpec:
    options = {
        "site": choice.site,
        "host": "127.0.0.1",
        "port": choice.broker_port,
        "chargers": choice.chargers,
        "data": choice.data / "chargers",
        "speed": f"{choice.speed:g}",
        "drivers": "demo",
        "password-file": choice.data / CHARGER_PASSWORDS,
        "firmware-key": choice.data / f"{FIRMWARE_KEY}.pub",
    }
    if Role.LOAD_BALANCER in choice.agents:
        # As a technician sets up a charger: before the balancer's first word it offers its share, not all it can.
        options["required-source"] = Role.LOAD_BALANCER
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return ProcessSpec("chargers", (choice.python, "-m", "firmware.sim", *arguments), CHARGERS)


def _agent(choice: UpChoice, name: str) -> ProcessSpec:
    command = (choice.python, "-m", "agents.cli.main", "agent", name, "--config", str(choice.data / "site.toml"))
    return ProcessSpec(name, command, _STAGES.get(name, AGENT))
