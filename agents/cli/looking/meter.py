"""``meter``: which grid meters can be read, and what one of them reads now."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.connection.target_choice import config_file, load_config
from agents.cli.connection.terminal import ConfigOption, JsonOption
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import HELP_NAMES, command_app

if TYPE_CHECKING:
    from agents.grid_meter.settings import MeterSettings
    from bus_schema.balancing import GridTelemetry

app = command_app()
group = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, context_settings=HELP_NAMES)
app.add_typer(group, name="meter")


@app.callback()
def _commands() -> None:
    """Keep ``meter`` a command of its own."""


@group.callback()
def meter() -> None:
    """List the drivers of grid meters, or show what a meter reads."""


@group.command("list")
def list_drivers() -> None:
    """Print the drivers' names and the meters that they are for."""
    from agents.grid_meter.drivers import DRIVERS
    from agents.grid_meter.settings import JSON_HTTP

    for name, driver in DRIVERS.items():
        typer.echo(f"{name:22}{driver.title}")
    typer.echo(f"{JSON_HTTP:22}any that answers JSON over HTTP: site.toml names the values")


@group.command("try")
def try_meter(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Meter of site.toml: [grid_meter.meters.NAME].")],
    load: Annotated[
        bool, typer.Option("--load", help="Ask to switch a load on, and say what the meter makes of it.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Read a meter of site.toml, and say what does not make sense.

    With --load it reads once more after somebody has switched on a load of 1 kW or more, and says whether the signs
    are right and which phases have seen it. It ends with 1 if the meter gives no reading, one whose values contradict
    each other, or does not see the load as one.
    """
    from agents.grid_meter.settings import GridMeterSettings
    from agents.grid_meter.trying import doubts, verdict

    meters = load_config(config_file(config, Path.cwd())).settings("grid_meter", GridMeterSettings).meters
    if name not in meters:
        known = ", ".join(meters) or "none"
        raise CliError(ExitCode.UNKNOWN, f"site.toml has no [grid_meter.meters.{name}]; there are: {known}")
    read = _read(name, meters[name])
    found = doubts(read)
    if as_json:
        typer.echo(json.dumps({"reading": read.model_dump(mode="json"), "doubts": found}, ensure_ascii=False, indent=2))
    else:
        for field, value in read.model_dump().items():
            typer.echo(f"{field:20}{'unknown' if value is None else value}")
        for doubt in found:
            typer.echo(f"doubtful: {doubt}")
    right = True
    if load:
        typer.prompt("Switch a load of 1 kW or more on, such as a kettle, then press Enter", "", show_default=False)
        right, words = verdict(read, _read(name, meters[name]))
        typer.echo("\n".join(words))
    if found or not right:
        raise typer.Exit(ExitCode.FAILED)


def _read(name: str, settings: MeterSettings) -> GridTelemetry:
    from agents.grid_meter.links import link_to
    from agents.grid_meter.measured import Measured, MeterUnreachable
    from agents.grid_meter.reading import BadReading, reading

    async def measured() -> Measured:
        link = link_to(settings)
        try:
            return await link.read()
        finally:
            await link.close()

    try:
        return reading(asyncio.run(measured()), settings, time.time_ns() // 1_000_000)
    except (MeterUnreachable, BadReading) as error:
        raise CliError(ExitCode.FAILED, f"meter {name}: {error}") from None
