"""``agent``: one agent as a process of its own."""

from pathlib import Path
from typing import Annotated

import typer

from agents.cli.connection.target_choice import config_file
from agents.cli.connection.terminal import ConfigOption
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from agents.registry import AGENTS, UnknownAgent, load_agent, load_site
from agents.runtime.configuration.config_errors import ConfigError
from agents.runtime.process import EXIT_CONFIG, run_agent

app = command_app()


@app.command()
def agent(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Which agent.")] = None,
    list_them: Annotated[bool, typer.Option("--list", help="Print the agents' names.")] = False,
    config: ConfigOption = None,
) -> None:
    """Run one agent until it is told to stop."""
    if list_them:
        for known in AGENTS:
            typer.echo(known)
        return
    if name is None:
        raise typer.BadParameter(f"which agent? There are {', '.join(AGENTS)}", param_hint="NAME")
    try:
        agent_type = load_agent(name)
    except UnknownAgent as error:
        raise typer.BadParameter(str(error), param_hint="NAME") from None
    try:
        code = run_agent(agent_type, load_site(config_file(config, Path.cwd())))
    except ConfigError as error:
        raise CliError(ExitCode.CONFIGURATION, str(error)) from error
    raise typer.Exit(ExitCode.CONFIGURATION if code == EXIT_CONFIG else code)
