"""``doctor`` as a command: :mod:`agents.cli.doctor.examination` examines, this shows what it found."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from agents.cli.connection.logins import free_logins
from agents.cli.connection.terminal import Terminal, site_command
from agents.cli.doctor.examination import LISTEN_S, examine, is_healthy, render
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from agents.cli.values import duration_s

app = command_app()


@site_command(app)
async def doctor(
    terminal: Terminal,
    lasting: Annotated[
        int, typer.Option("--for", parser=duration_s, metavar="TIME", show_default="12s", help="How long to listen.")
    ] = round(LISTEN_S),
    probe: Annotated[
        bool, typer.Option("--probe/--no-probe", help="Whether to try what must be forbidden; else it only listens.")
    ] = True,
    broker_settings: Annotated[
        Path | None, typer.Option("--mosquitto-conf", metavar="FILE", help="The broker's settings, if they are here.")
    ] = None,
) -> None:
    """Check a live bus against the contract.

    It looks for messages that break the contract, what is retained where it must not be, missing wills, silent
    agents and chargers, clocks that differ, broker settings that lose messages, and holes in the access list.
    Exits with 1 if it found a warning or worse.
    """
    target = terminal.target
    with free_logins(target.logins, 2) as logins:
        findings = await examine(
            logins,
            target.site,
            lasting,
            probe=probe,
            settings_file=_settings(terminal, broker_settings),
            person=target.person,
            config=target.config,
        )
    terminal.show([asdict(finding) for finding in findings], lambda: render(findings))
    if not is_healthy(findings):
        raise CliError(ExitCode.FAILED, "the bus needs somebody")


def _settings(terminal: Terminal, given: Path | None) -> Path | None:
    """Return the broker's settings: those given, or those that `chargebus up` has written beside its site.toml."""
    if given is not None or terminal.target.config is None:
        return given
    beside = terminal.target.config.with_name("mosquitto.conf")
    return beside if beside.exists() else None
