"""``up``: a whole site on this machine with one command."""

import os
import shutil
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agents.cli import up_lock
from agents.cli.connection.target_choice import UP_DATA
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from agents.cli.up import passwords as up_passwords
from agents.cli.up.earlier import set_broker_data_aside
from agents.cli.up.files import SITE
from agents.cli.up.plan import FIRMWARE_KEY, Plan, UpChoice, charger_names, plan, users
from agents.cli.up.ports import choose
from agents.cli.up.run import Until, run
from agents.cli.values import site_id
from agents.registry import AGENTS, ON_REQUEST

app = command_app()


class BrokerKind(StrEnum):
    """Which broker to run."""

    AUTO = "auto"
    MOSQUITTO = "mosquitto"
    EMBEDDED = "embedded"


@app.command()
def up(
    data: Annotated[Path, typer.Option("--data", metavar="FOLDER", help="Where everything is kept.")] = UP_DATA,
    chargers: Annotated[int, typer.Option("--chargers", min=1, max=500, help="How many virtual chargers.")] = 6,
    speed: Annotated[
        float, typer.Option("--speed", min=0.1, max=1000, help="How much faster than life the cars are.")
    ] = 1.0,
    site: Annotated[str, typer.Option("--site", parser=site_id, metavar="ID", help="Id of the site.")] = SITE,
    broker_kind: Annotated[
        BrokerKind, typer.Option("--broker-kind", help="auto: Mosquitto if it is installed.")
    ] = BrokerKind.AUTO,
    broker_port: Annotated[
        int | None, typer.Option("--broker-port", min=0, max=65535, help="Default 1883, or any if that is taken.")
    ] = None,
    page_port: Annotated[
        int | None, typer.Option("--page-port", min=0, max=65535, help="Default 8080, or any if that is taken.")
    ] = None,
    backend_port: Annotated[
        int | None,
        typer.Option("--backend-port", min=0, max=65535, help="For OCPP. Default 9000, or any if that is taken."),
    ] = None,
    backend_api_port: Annotated[
        int | None,
        typer.Option("--backend-api-port", min=0, max=65535, help="Default 9001, or any if that is taken."),
    ] = None,
    ready_within: Annotated[
        float, typer.Option("--ready-within", min=1, metavar="SECONDS", help="Say what is missing after this time.")
    ] = 60.0,
    once_ready: Annotated[bool, typer.Option("--once-ready", help="Stop as soon as every car charges.")] = False,
    exit_after: Annotated[
        float | None, typer.Option("--exit-after", min=0, metavar="SECONDS", help="Stop so long after that.")
    ] = None,
) -> None:
    """Run a whole site on this machine: broker, virtual chargers, all agents.

    Ctrl-C stops everything. What it recorded stays in the data folder, and the next `up` goes on from there.
    """
    data = data.absolute()
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CliError(ExitCode.CONFIGURATION, f"cannot use {data} for data: {error.strerror}") from None
    with up_lock.held(data):
        choice = UpChoice(
            data=data,
            site=site,
            chargers=chargers,
            speed=speed,
            broker_port=choose("broker", broker_port, 1883),
            page_port=choose("page", page_port, 8080),
            backend_port=choose("OCPP backend", backend_port, 9000),
            backend_api_port=choose("OCPP backend's API", backend_api_port, 9001),
            mosquitto=_mosquitto(broker_kind),
            python=sys.executable,
            agents=tuple(name for name in AGENTS if name not in ON_REQUEST),
            cards=_drivers_cards(),
            passwords=up_passwords.draw(user.name for user in users(AGENTS, chargers)),
            station_passwords=up_passwords.draw(charger_names(chargers)),
            is_first=not any((data / "chargers").glob("*")),
        )
        chosen = plan(choice)
        for line in set_broker_data_aside(data):
            typer.echo(line)
        _write(chosen)
        _make_firmware_key(data / FIRMWARE_KEY)
        run(chosen, Until(ready_within, 0.0 if once_ready else exit_after))


def _drivers_cards() -> tuple[str, ...]:
    """Ask the virtual chargers which cards their drivers hold: agents and firmware meet as processes only."""
    asked = subprocess.run(
        [sys.executable, "-m", "firmware.sim", "--print-cards"], check=True, capture_output=True, text=True
    )
    return tuple(asked.stdout.split())


def _mosquitto(kind: BrokerKind) -> str | None:
    if kind is BrokerKind.EMBEDDED:
        return None
    # Debian keeps it where only root's PATH leads.
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None and kind is BrokerKind.MOSQUITTO:
        raise CliError(ExitCode.CONFIGURATION, "mosquitto is not installed; use --broker-kind embedded, or install it")
    return program


def _make_firmware_key(name: Path) -> None:
    """Make the key pair for firmware unless there is one: what was signed for this site stays good."""
    private, public = name.with_suffix(".key"), name.with_suffix(".pub")
    if private.exists() and public.exists():
        return
    from agents.cli.device.signing import new_key, private_pem, public_line, write_new

    private.unlink(missing_ok=True)
    public.unlink(missing_ok=True)
    key = new_key()
    write_new(private, private_pem(key), 0o600)
    write_new(public, public_line(key).encode(), 0o644)


def _write(chosen: Plan) -> None:
    data = chosen.choice.data
    for folder in chosen.folders:
        (data / folder).mkdir(mode=0o700, exist_ok=True)
    for name, text in chosen.files.items():
        path = data / name
        path.unlink(missing_ok=True)
        # Some of them hold passwords: they are nobody else's from the first byte on.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
