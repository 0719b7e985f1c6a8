"""``meter``: which grid meters can be read, and what one of them reads now."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated

import typer

from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import HELP_NAMES, command_app
from agents.cli.target_choice import config_file, load_config
from agents.cli.terminal import ConfigOption, JsonOption

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

    for name, driver in DRIVERS.items():
        typer.echo(f"{name:22}{driver.title}")


@group.command("try")
def try_meter(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Meter of site.toml: [grid_meter.meters.NAME].")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Read a meter of site.toml once, and say what does not make sense.

    It ends with 1 if the meter gives no reading, or one whose values contradict each other.
    """
    from agents.grid_meter.drivers import DRIVERS
    from agents.grid_meter.modbus_link import MeterUnreachable, ModbusLink
    from agents.grid_meter.reading import BadReading, doubts, reading
    from agents.grid_meter.settings import GridMeterSettings

    meters = load_config(config_file(config, Path.cwd())).settings("grid_meter", GridMeterSettings).meters
    if name not in meters:
        known = ", ".join(meters) or "none"
        raise CliError(ExitCode.UNKNOWN, f"site.toml has no [grid_meter.meters.{name}]; there are: {known}")
    settings = meters[name]
    link = ModbusLink(DRIVERS[settings.driver], settings)

    async def words() -> dict[int, int]:
        try:
            return await link.read()
        finally:
            link.close()

    try:
        read = reading(DRIVERS[settings.driver], asyncio.run(words()), settings, time.time_ns() // 1_000_000)
    except (MeterUnreachable, BadReading) as error:
        raise CliError(ExitCode.FAILED, f"meter {name}: {error}") from None
    found = doubts(read)
    if as_json:
        typer.echo(json.dumps({"reading": read.model_dump(mode="json"), "doubts": found}, ensure_ascii=False, indent=2))
    else:
        for field, value in read.model_dump().items():
            typer.echo(f"{field:20}{'unknown' if value is None else value}")
        for doubt in found:
            typer.echo(f"doubtful: {doubt}")
    if found:
        raise typer.Exit(ExitCode.FAILED)
