"""The options of ``provision``, and what their texts mean."""

from pathlib import Path
from typing import Annotated, Any

import typer

from agents.cli.device.signing import BadKey, read_public
from agents.cli.exits import CliError, ExitCode
from agents.cli.values import amperes, charger_id, site_id

Site = Annotated[str | None, typer.Option("--site", parser=site_id, metavar="ID", help="Id of the site.")]
Charger = Annotated[str | None, typer.Option("--charger", parser=charger_id, metavar="ID", help="Id of the charger.")]
Board = Annotated[str | None, typer.Option("--board", help="Board profile, e.g. olimex_esp32_poe.")]
RatedCurrent = Annotated[
    float | None, typer.Option("--rated-current", parser=amperes, metavar="AMPERES", help="Largest current, ever.")
]
Phases = Annotated[int | None, typer.Option("--phases", min=1, max=3, help="Phases of the contactor.")]
Rotation = Annotated[
    str | None, typer.Option("--phase-rotation", metavar="L1,L2,L3", help="Supply phase of each terminal.")
]
Tethered = Annotated[bool | None, typer.Option("--tethered/--socket", help="Fixed cable, or a socket.")]
Drivers = Annotated[
    list[str] | None,
    typer.Option("--driver", metavar="KIND=NAME", help="Driver, e.g. meter=sdm120; may be repeated. All at once."),
]
DriverOptions = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="NAME=NUMBER", help="Of a driver, e.g. meter_address=2. All at once."),
]
Mirror = Annotated[bool | None, typer.Option("--mirror/--no-mirror", help="Mirror contact of the contactor.")]
ResidualTest = Annotated[
    bool | None,
    typer.Option("--residual-test/--no-residual-test", help="Test input of the residual-current device."),
]
BrokerAddress = Annotated[
    str | None, typer.Option("--broker", metavar="ADDRESS[:PORT]", help="IPv4 address of the broker.")
]
CaFile = Annotated[
    Path | None, typer.Option("--ca-file", metavar="FILE", help="Authority of the broker's certificate: TLS.")
]
CertFile = Annotated[
    Path | None, typer.Option("--cert-file", metavar="FILE", help="The charger's own certificate, for TLS.")
]
KeyFile = Annotated[Path | None, typer.Option("--key-file", metavar="FILE", help="The key that belongs to it.")]
BrokerName = Annotated[
    str | None, typer.Option("--broker-name", metavar="NAME", help="What the broker's certificate says.")
]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", metavar="FILE", help="Password at the broker, in one line.")
]
FirmwareKeys = Annotated[
    list[Path] | None,
    typer.Option("--firmware-key", metavar="FILE", help="Public key that may sign firmware; may be repeated."),
]
Address = Annotated[
    str | None, typer.Option("--address", metavar="A/M/G", help="dhcp, or ADDRESS/NETMASK/GATEWAY[/DNS].")
]
NetworkName = Annotated[
    str | None, typer.Option("--network", metavar="NAME", help="lan, or wlan:SSID (with --wlan-key-file).")
]
WlanKeyFile = Annotated[
    Path | None, typer.Option("--wlan-key-file", metavar="FILE", help="Key of the radio network, in one line.")
]


def given(values: dict[str, Any]) -> dict[str, Any]:
    """Return what was given at all."""
    return {name: value for name, value in values.items() if value is not None}


def pairs(name: str, texts: list[str]) -> dict[str, str]:
    """Read texts ``key=value``."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise typer.BadParameter(
                f"{text!r} is not {'KIND=NAME' if name == '--driver' else 'NAME=NUMBER'}", param_hint=name
            )
        found[key] = value
    return found


def numbers(name: str, texts: list[str]) -> dict[str, int | float]:
    """Read texts ``key=number``; whole numbers may be hexadecimal."""
    found: dict[str, int | float] = {}
    for key, value in pairs(name, texts).items():
        try:
            found[key] = int(value, 0) if "." not in value else float(value)
        except ValueError:
            raise typer.BadParameter(f"{value!r} is not a number", param_hint=name) from None
    return found


def broker_address(text: str | None) -> dict[str, Any]:
    """Read ``ADDRESS[:PORT]``."""
    if text is None:
        return {}
    host, colon, port = text.partition(":")
    if colon and not (port.isdecimal() and 1 <= int(port) <= 65535):
        raise typer.BadParameter(f"{text!r} is not ADDRESS or ADDRESS:PORT", param_hint="--broker")
    return {"address": host, "port": int(port) if colon else None}


def interface(name: str | None, key_file: Path | None) -> dict[str, Any]:
    """Return the patch of the network's entry that says how it is reached; None takes a value away."""
    key = {} if key_file is None else {"key": password(key_file)}
    if name is None:
        return key
    if name == "lan":
        return {"interface": "lan", "ssid": None, "key": None}
    kind, colon, ssid = name.partition(":")
    if kind != "wlan" or not colon or not ssid:
        raise typer.BadParameter(f"{name!r} is not lan or wlan:SSID", param_hint="--network")
    return {"interface": "wlan", "ssid": ssid, **key}


def network(text: str | None) -> dict[str, Any]:
    """Return the patch of the network's entry; None takes a value away."""
    names = ("address", "netmask", "gateway", "dns")
    if text is None:
        return {}
    if text == "dhcp":
        return dict.fromkeys(names)
    parts = text.split("/")
    if len(parts) not in (3, 4):
        raise typer.BadParameter(f"{text!r} is not dhcp or ADDRESS/NETMASK/GATEWAY[/DNS]", param_hint="--address")
    return dict(zip(names, (*parts, None), strict=False))


def firmware_key(path: Path) -> str:
    """Return the modulus of a public key's file, hexadecimal."""
    try:
        return f"{read_public(path):x}"
    except BadKey as error:
        raise CliError(ExitCode.USAGE, str(error)) from None


def password(path: Path) -> str:
    """Return the one line of a file."""
    lines = text_of(path).splitlines()
    if len(lines) != 1 or not lines[0]:
        raise CliError(ExitCode.USAGE, f"{path}: the password stands in one line")
    return lines[0]


def text_of(path: Path) -> str:
    """Return what stands in a file."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(ExitCode.USAGE, f"{path}: {error}") from None
