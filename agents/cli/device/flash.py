"""``flash`` and ``device-log``: a charger at a serial cable."""

import json
from typing import Annotated

import typer

from agents.cli.connection.terminal import JsonOption
from agents.cli.device.device import Device, at_port
from agents.cli.device.installing import compare, frozen_version, install, wanted_files
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app

app = command_app()

Port = Annotated[str, typer.Argument(metavar="PORT", help="Serial port, e.g. /dev/ttyUSB0 or COM3.")]
RootOption = Annotated[
    str, typer.Option("--root", metavar="FOLDER", help="Folder of the device's files, where that is not /.")
]

_LOG = """
import json
from firmware.app.log import RingLog
from firmware.app.storage import FileStorage
print(json.dumps(list(RingLog(FileStorage(ROOT + "/chargebus"), "").lines())))
"""


@app.command()
def flash(
    port: Port,
    check: Annotated[bool, typer.Option("--check", help="Only compare, and list what differs.")] = False,
    root: RootOption = "",
    as_json: JsonOption = False,
) -> None:
    """Install the app on a charger at a serial cable.

    The board must run MicroPython with the native module already (see the README, "Firmware"). What the charger does
    is stopped: its contactor opens. Only files that differ are written; what is on it is verified by SHA-256.
    """
    wanted = wanted_files(root)
    with at_port(port) as device:
        if (frozen := frozen_version(device, root)) is not None:
            raise CliError(
                ExitCode.FAILED,
                f"this charger's firmware has the app frozen in (version {frozen}), which goes before files: "
                "replace it with `chargebus update-firmware`",
            )
        if check:
            _check(device, wanted, root, as_json)
            return
        told = (lambda _path: None) if as_json else (lambda path: typer.echo(path))
        before = install(device, wanted, root, told)
        if before:
            device.reset()
    written = len(before.missing) + len(before.changed)
    if as_json:
        typer.echo(json.dumps({"files": len(wanted), "written": written, "removed": len(before.stale)}))
    elif before:
        typer.echo(f"{written} of {len(wanted)} files written, {len(before.stale)} removed; verified; restarting")
    else:
        typer.echo(f"nothing to do: all {len(wanted)} files are on the device as they should be")


def _check(device: Device, wanted: dict[str, bytes], root: str, as_json: bool) -> None:
    found = compare(device, wanted, root)
    if as_json:
        typer.echo(json.dumps({"missing": found.missing, "changed": found.changed, "stale": found.stale}))
    else:
        for line in found.lines():
            typer.echo(line)
    if found:
        raise CliError(
            ExitCode.FAILED, f"{len(found.lines())} files differ; `chargebus flash` without --check installs them"
        )
    if not as_json:
        typer.echo(f"all {len(wanted)} files are on the device as they should be")


@app.command("device-log")
def device_log(port: Port, root: RootOption = "") -> None:
    """Print the log of a charger at a serial cable."""
    with at_port(port) as device:
        typer.echo("\n".join(device.run(_LOG.replace("ROOT", repr(root)))))
