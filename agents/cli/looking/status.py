"""``status``: the whole site on one screen."""

from typing import Annotated, Any

import typer

from agents.cli.commanding.charging import OptionalCharger
from agents.cli.connection.link import connected
from agents.cli.connection.terminal import Terminal, site_command
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from agents.cli.looking.picture import SitePicture, look
from agents.cli.looking.status_table import render
from bus_schema.words import Severity

app = command_app()


@site_command(app)
async def status(
    terminal: Terminal,
    charger: OptionalCharger = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 1 if a charger, an agent or an alarm needs somebody.")
    ] = False,
) -> None:
    """Show every charger, and the agents and alarms of the site."""
    async with connected(terminal.target) as link:
        picture = await look(link)
    if charger is not None:
        if charger not in picture.chargers:
            known = ", ".join(sorted(picture.chargers)) or "none at all"
            raise CliError(
                ExitCode.UNKNOWN,
                f"there is no charger {charger!r} at site {terminal.target.site!r}; known: {known}",
            )
        picture.chargers = {charger: picture.chargers[charger]}
    wrong = _what_needs_somebody(picture)
    terminal.show(_as_json(terminal, picture, wrong), lambda: render(terminal.target.site, picture))
    if check and wrong:
        raise CliError(ExitCode.FAILED, "; ".join(wrong))


def _what_needs_somebody(picture: SitePicture) -> list[str]:
    """Say in words what is not as it should be; empty when all is well."""
    wrong = [f"charger {name} is offline" for name, charger in picture.chargers.items() if not charger.is_online]
    wrong += [
        f"charger {name}: {fault.fault} {fault.detail}".strip()
        for name, charger in picture.chargers.items()
        if charger.state is not None
        for fault in charger.state.faults
    ]
    for name, health in picture.agents.items():
        wrong += [f"agent {name} is offline"] if not health.online else []
        wrong += [f"agent {name}: {problem}" for problem in health.problems]
    wrong += [
        f"alarm {name}: {alarm.text}" for name, alarm in picture.alarms.items() if alarm.severity != Severity.INFO
    ]
    return wrong + [f"{topic}: {why}" for topic, why in picture.unreadable.items()]


def _as_json(terminal: Terminal, picture: SitePicture, wrong: list[str]) -> dict[str, Any]:
    return {
        "site": terminal.target.site,
        "broker": terminal.target.broker,
        "chargers": {name: charger.as_json() for name, charger in sorted(picture.chargers.items())},
        "agents": {name: health.model_dump(mode="json") for name, health in sorted(picture.agents.items())},
        "alarms": {name: alarm.model_dump(mode="json") for name, alarm in sorted(picture.alarms.items())},
        "attention": wrong,
    }
