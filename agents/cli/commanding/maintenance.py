"""``update-firmware`` and ``log``: files for chargers and from them."""

import contextlib
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from agents.cli.commanding.asking import command
from agents.cli.commanding.charging import Charger
from agents.cli.commanding.file_server import OneFile, serving
from agents.cli.connection.terminal import Terminal, site_command
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from agents.cli.values import duration_s
from bus_schema.charger_messages import State
from bus_schema.command import GetLog, UpdateFirmware
from bus_schema.firmware_image import HEADER_BYTES, BadImage, check_payload, decode

app = command_app()


def moment_ms(text: str | int) -> int:
    """Return a moment as UTC milliseconds: ISO 8601, local time unless it says otherwise."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time; write for example 2026-12-24T03:00 or …Z for UTC") from None
    ms = round(moment.astimezone(UTC).timestamp() * 1000)
    if ms < 0:
        raise typer.BadParameter(f"{text!r} lies before 1970")
    return ms


UrlOption = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="Use this server (http or https) instead of serving here.")
]
ListenOption = Annotated[
    str | None,
    typer.Option(
        "--listen", metavar="HOST[:PORT]", help="Where chargers reach this machine; else as it reaches the broker."
    ),
]


@site_command(app, "update-firmware")
async def update_firmware(
    terminal: Terminal,
    charger: Charger,
    image: Annotated[
        Path | None, typer.Argument(metavar="[IMAGE]", help="Signed image; not needed if --url has one.")
    ] = None,
    url: UrlOption = None,
    listen: ListenOption = None,
    not_before: Annotated[
        int | None,
        typer.Option("--not-before", parser=moment_ms, metavar="TIME", help="E.g. 2026-12-24T03:00Z."),
    ] = None,
    within: Annotated[
        int, typer.Option("--within", parser=duration_s, metavar="TIME", show_default="30m", help="How long to wait.")
    ] = duration_s("30m"),
) -> None:
    """Replace a charger's firmware by a signed image.

    It is installed once no car is charging.
    Waits until the new firmware has confirmed itself, or the charger has said why not. The image is served from this
    machine meanwhile, unless --url names a server that has it.
    """
    data = None if image is None else _image(image)
    if data is None and url is None:
        raise typer.BadParameter("give an IMAGE, or --url with the address of one", param_hint="IMAGE")
    fields = {} if data is None else {"version": decode(data)[0].version, "sha256": hashlib.sha256(data).hexdigest()}
    async with contextlib.AsyncExitStack() as stack:
        if url is None:
            file = OneFile("firmware.cbfw", data)
            url = await stack.enter_async_context(serving(file, terminal.target, listen))
        told = None if terminal.as_json else _teller(charger)
        await command(
            terminal,
            charger,
            UpdateFirmware,
            completion_s=within,
            told=told,
            url=url,
            not_before_ts=not_before,
            **fields,
        )


@site_command(app)
async def log(
    terminal: Terminal,
    charger: Charger,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; else it is printed.")
    ] = None,
    url: UrlOption = None,
    listen: ListenOption = None,
    since: Annotated[
        int | None,
        typer.Option("--from", parser=moment_ms, metavar="TIME", help="Oldest entry wanted."),
    ] = None,
    until: Annotated[
        int | None,
        typer.Option("--to", parser=moment_ms, metavar="TIME", help="Newest entry wanted."),
    ] = None,
) -> None:
    """Fetch a charger's log, or let it put the log to --url."""
    async with contextlib.AsyncExitStack() as stack:
        file = OneFile(f"{charger}.log")
        where = url if url is not None else await stack.enter_async_context(serving(file, terminal.target, listen))
        shown = terminal if url is not None else _Silent(terminal.target, terminal.as_json, terminal.timeout_s)
        await command(shown, charger, GetLog, completion_s=60.0, url=where, from_ts=since, to_ts=until)
    if url is not None:
        return
    if file.taken is None:
        raise CliError(ExitCode.FAILED, f"{charger} says that it has sent its log, but nothing came")
    text = file.taken.decode("utf-8", "replace")
    if terminal.as_json:
        terminal.show({"charger": charger, "lines": text.splitlines()}, str)
    elif output is not None:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CliError(ExitCode.FAILED, f"{output}: {error.strerror}") from None
        typer.echo(f"{output}: {len(text.splitlines())} lines")
    else:
        typer.echo(text, nl=False)


class _Silent(Terminal):
    """A terminal that shows no answers: the log itself is what is wanted."""

    def show(self, data: object, render: Callable[[], object]) -> None:
        """Show nothing."""


def _image(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        header, _ = decode(data)
        check_payload(header, data[HEADER_BYTES:])
    except OSError as error:
        raise CliError(ExitCode.USAGE, f"{path}: {error.strerror}") from None
    except BadImage as error:
        raise CliError(ExitCode.USAGE, f"{path}: {error}") from None
    return data


def _teller(charger: str) -> Callable[[State], None]:
    said = ""

    def told(state: State) -> None:
        nonlocal said
        update = state.firmware_update
        if update is None:
            return
        version = f" {update.version}" if update.version else ""
        reason = f": {update.reason}" if update.reason else ""
        line = f"{charger}: {update.status}{version} {update.percent} %{reason}"
        if line != said:
            said = line
            typer.echo(line, err=True)

    return told
