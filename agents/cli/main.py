"""The entry point: every command with the module it lives in, and how an error becomes an exit code."""

import sys
from typing import Annotated

import typer

from agents.cli.exits import CliError, epilog
from agents.cli.lazy import HELP_NAMES, Entry, LazyGroup

_SITE, _LOOK, _COMMAND, _TOOLS = "Run", "Look", "Command a charger", "Tools"
_DEVICE = "At a charger's serial cable"


def _entry(module: str, help_line: str, panel: str) -> Entry:
    return Entry(f"agents.cli.{module}", help_line, panel)


COMMANDS: dict[str, Entry] = {
    "up": _entry("up.command", "Run a whole site on this machine: broker, virtual chargers, all agents.", _SITE),
    "agent": _entry("agent", "Run one agent until it is told to stop.", _SITE),
    "status": _entry("looking.status", "Show every charger, and the agents and alarms of the site.", _LOOK),
    "watch": _entry("looking.watch", "Follow the bus live, decoded, with violations of the contract shown.", _LOOK),
    "sessions": _entry("looking.sessions", "Show the sessions that the ledger has recorded.", _LOOK),
    "settle": _entry(
        "looking.settle", "Close what will never come from a charger: the end of a session, or missing events.", _LOOK
    ),
    "history": _entry("looking.history", "Show what was measured: power, currents, states, events.", _LOOK),
    "spool": _entry("looking.spool", "Show what waits for the database, what it refused, what was lost.", _LOOK),
    "why": _entry("looking.why", "Tell why a charger got what it got in the last hour.", _LOOK),
    "doctor": _entry("doctor.command", "Check a live bus against the contract.", _LOOK),
    "start": _entry(
        "commanding.charging", "Let somebody charge: at once if a car is there, else when one comes.", _COMMAND
    ),
    "stop": _entry(
        "commanding.charging", "End the session. The car stays plugged in until somebody unplugs it.", _COMMAND
    ),
    "pause": _entry("commanding.charging", "Offer nothing until `resume`; the session goes on.", _COMMAND),
    "resume": _entry("commanding.charging", "End a pause.", _COMMAND),
    "limit": _entry("commanding.limit", "Limit the current for a time, or release the limit.", _COMMAND),
    "unlock": _entry(
        "commanding.upkeep", "Open the connector's lock; a session that is going on ends first.", _COMMAND
    ),
    "reset": _entry("commanding.upkeep", "Restart a charger.", _COMMAND),
    "availability": _entry("commanding.upkeep", "Take a charger out of service or back.", _COMMAND),
    "identify": _entry("commanding.upkeep", "Make a charger blink, so that one finds it.", _COMMAND),
    "trigger": _entry("commanding.upkeep", "Make a charger publish a message now.", _COMMAND),
    "configure": _entry("commanding.configure", "Change settings of a charger, all of them or none.", _COMMAND),
    "update-firmware": _entry("commanding.maintenance", "Replace a charger's firmware by a signed image.", _COMMAND),
    "renew-certificate": _entry(
        "commanding.renew_certificate",
        "Give a charger a new certificate over the bus, and revoke the old one.",
        _COMMAND,
    ),
    "log": _entry("commanding.maintenance", "Fetch a charger's log, or let it put the log to --url.", _COMMAND),
    "reserve": _entry("commanding.reserve", "Keep a charger for one token.", _COMMAND),
    "cancel-reservation": _entry("commanding.reserve", "End a reservation early.", _COMMAND),
    "csms": _entry(
        "commanding.csms", "Ask and set up OCPP stations: keys, messages, schedules, vendors' data.", _COMMAND
    ),
    "flash": _entry("device.flash", "Install the app on a charger at a serial cable.", _DEVICE),
    "provision": _entry("device.provision", "Give a charger at a serial cable its identity and credentials.", _DEVICE),
    "device-log": _entry("device.flash", "Print the log of a charger at a serial cable.", _DEVICE),
    "firmware": _entry("device.firmware", "Make keys and signed firmware images, and look at them.", _TOOLS),
    "meter": _entry("looking.meter", "List the drivers of grid meters, or show what a meter reads.", _TOOLS),
    "pki": _entry(
        "pki.command", "Make, show, renew and revoke the site's certificates: broker, agents, chargers, people.", _TOOLS
    ),
    "prepare": _entry(
        "prepare.command", "Make a site's folder: certificates, secrets, site.toml, access list.", _TOOLS
    ),
    "database-roles": _entry(
        "postgresql.database_roles",
        "Give every agent a role and a schema of its own in the site's PostgreSQL database.",
        _TOOLS,
    ),
    "backup": _entry("backup.command", "Save everything of a site that matters, while it runs, into one file.", _TOOLS),
    "restore": _entry("backup.command", "Bring a site back from a backup, into empty folders.", _TOOLS),
    "dashboards": _entry("grafana.dashboards", "Push the dashboards and alerts to a Grafana, or check them.", _TOOLS),
    "schema": _entry("schema", "Print the contract: the topics, a message's JSON Schema, AsyncAPI.", _TOOLS),
}
"""Every command, in the order of the help."""


class Commands(LazyGroup):
    """The commands of ``chargebus``."""

    entries = COMMANDS


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=epilog(),
    context_settings=HELP_NAMES,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"chargebus {version('chargebus')}")
        raise typer.Exit()


@app.callback()
def chargebus(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Run, watch and command EV chargers on an MQTT bus.

    `chargebus up` runs a whole site on this machine; `chargebus COMMAND --help` explains a command.
    """


def main() -> None:
    """Run the command line. An error that a person can do something about is words and an exit code, no traceback."""
    try:
        app(prog_name="chargebus")
    except CliError as error:
        typer.echo(f"chargebus: {error}", err=True)
        sys.exit(int(error.code))


if __name__ == "__main__":
    main()
