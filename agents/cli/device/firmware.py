"""``firmware``: keys and signed images for updates over the bus."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.cli.connection.terminal import JsonOption
from agents.cli.device.signing import (
    BadKey,
    new_key,
    private_pem,
    public_line,
    read_private,
    read_public,
    sign,
    verify,
    write_new,
)
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from bus_schema.firmware_image import BadImage, Header, key_id

app = command_app()
group = command_app()
app.add_typer(group, name="firmware")

IMAGE_SUFFIX = ".cbfw"
"""What the name of an image ends with unless it is given."""


@group.callback()
def firmware() -> None:
    """Make keys and signed firmware images, and look at them."""


@app.callback()
def _module() -> None:
    """Keep ``firmware`` a group of its own."""


@group.command()
def keygen(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="Where to: NAME.key and NAME.pub.")],
) -> None:
    """Make a key: NAME.key signs and stays secret, NAME.pub goes onto chargers with `provision`."""
    private, public = name.with_name(name.name + ".key"), name.with_name(name.name + ".pub")
    taken = [path for path in (private, public) if path.exists()]
    if taken:
        raise CliError(ExitCode.USAGE, f"{taken[0]} is there already; a key is never overwritten")
    key = new_key()
    try:
        write_new(private, private_pem(key), 0o600)
        write_new(public, public_line(key).encode(), 0o644)
    except OSError as error:
        raise CliError(ExitCode.FAILED, str(error)) from None
    typer.echo(f"{private} signs firmware: keep it secret and keep a copy; chargers cannot be told another key over")
    typer.echo(f"the bus. {public} goes onto chargers: chargebus provision --firmware-key {public}")


@group.command("sign")
def sign_command(
    payload: Annotated[Path, typer.Argument(metavar="PAYLOAD", help="Application image: micropython.bin.")],
    board: Annotated[str, typer.Option("--board", help="Board profile that it is for, e.g. olimex_esp32_poe.")],
    version: Annotated[str, typer.Option("--version", metavar="X.Y.Z", help="Version of the firmware.")],
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="Private key, from `firmware keygen`.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: PAYLOAD with .cbfw.")
    ] = None,
    may_downgrade: Annotated[
        bool, typer.Option("--may-downgrade", help="Let it replace a newer version, to go back on purpose.")
    ] = False,
) -> None:
    """Make a signed image for `update-firmware`."""
    target = output or payload.with_suffix(IMAGE_SUFFIX)
    try:
        data = sign(_read(payload), board, version, read_private(key), may_downgrade)
        target.write_bytes(data)
    except (BadImage, BadKey) as error:
        raise CliError(ExitCode.USAGE, str(error)) from None
    except OSError as error:
        raise CliError(ExitCode.FAILED, str(error)) from None
    typer.echo(
        f"{target}: version {version} for {board}, {len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}"
    )


@group.command("verify")
def verify_command(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="Signed image.")],
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="Public key; without it the signature is not checked.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a signed image and show what it says about itself."""
    data = _read(image)
    try:
        modulus = None if key is None else read_public(key)
        header = verify(data, modulus)
    except BadKey as error:
        raise CliError(ExitCode.USAGE, str(error)) from None
    except BadImage as error:
        raise CliError(ExitCode.FAILED, f"{image}: {error}") from None
    about = _about(header, data, None if modulus is None else key_id(modulus) == header.key)
    if as_json:
        typer.echo(json.dumps(about, indent=2))
        return
    for name, value in about.items():
        typer.echo(f"{name:14} {value}")
    if key is None:
        typer.echo("The signature was not checked: give --key.")


def _about(header: Header, data: bytes, verified: bool | None) -> dict[str, Any]:
    return {
        "board": header.board,
        "version": header.version,
        "may_downgrade": header.may_downgrade,
        "payload_bytes": header.length,
        "key": header.key.hex(),
        "signature": "not checked" if verified is None else "good",
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CliError(ExitCode.USAGE, f"{path}: {error.strerror}") from None
