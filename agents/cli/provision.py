"""``provision``: who a charger is, what it is made of, and how it reaches its broker."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.cli.device import at_port
from agents.cli.exits import CliError, ExitCode
from agents.cli.flash import Port, RootOption
from agents.cli.lazy import command_app
from agents.cli.signing import BadKey, read_public
from agents.cli.terminal import JsonOption
from agents.cli.values import amperes, charger_id, site_id
from bus_schema.generate.acl import reserved_users

app = command_app()

_SCRIPT = """
import json
def provision(patches, root):
    try:
        from firmware.boards.identity import BadIdentity, Broker, Identity, Network
        from firmware.boards.nvs import BROKER, IDENTITY, NAMESPACE, NETWORK, DamagedEntry, Nvs
    except ImportError as error:
        return {"error": "the app is not on the device (%s): chargebus flash" % error}
    try:
        import esp32
        raw = esp32.NVS(NAMESPACE)
    except ImportError:
        import os
        from firmware.app.storage import FileStorage
        from firmware.boards.file_nvs import FileNvs
        try:
            os.mkdir(root + "/nvs")
        except OSError:
            pass
        raw = FileNvs(FileStorage(root + "/nvs"))
    nvs = Nvs(raw)
    changed = []
    values = {}
    for name in (IDENTITY, NETWORK, BROKER):
        try:
            old = nvs.read_object(name)
        except DamagedEntry:
            old = None
        new = dict(old or {})
        for key, value in patches[name].items():
            if value is None:
                new.pop(key, None)
            else:
                new[key] = value
        values[name] = new
        if new != old and (new or old):
            changed.append(name)
    try:
        identity = Identity(values[IDENTITY])
        Network(values[NETWORK])
        if values[BROKER]:
            Broker(values[BROKER], identity.charger)
        for name in changed:
            nvs.write_object(name, values[name])
        for name in changed:
            if nvs.read_object(name) != values[name]:
                return {"error": "NVS does not hold what was written: " + name}
    except BadIdentity as error:
        return {"error": str(error)}
    except (OSError, DamagedEntry) as error:
        return {"error": "NVS refuses: %s" % error}
    if "password" in values[BROKER]:
        values[BROKER]["password"] = "***"
    return {"changed": changed, "values": values}
print(json.dumps(provision(json.loads(PATCHES), ROOT)))
"""


@app.command()
def provision(
    port: Port,
    site: Annotated[str | None, typer.Option("--site", parser=site_id, metavar="ID", help="Id of the site.")] = None,
    charger: Annotated[
        str | None, typer.Option("--charger", parser=charger_id, metavar="ID", help="Id of the charger.")
    ] = None,
    board: Annotated[str | None, typer.Option("--board", help="Board profile, e.g. olimex_esp32_poe.")] = None,
    rated_current: Annotated[
        float | None, typer.Option("--rated-current", parser=amperes, metavar="AMPERES", help="Largest current, ever.")
    ] = None,
    phases: Annotated[int | None, typer.Option("--phases", min=1, max=3, help="Phases of the contactor.")] = None,
    rotation: Annotated[
        str | None, typer.Option("--phase-rotation", metavar="L1,L2,L3", help="Supply phase of each terminal.")
    ] = None,
    tethered: Annotated[bool | None, typer.Option("--tethered/--socket", help="Fixed cable, or a socket.")] = None,
    driver: Annotated[
        list[str] | None,
        typer.Option("--driver", metavar="KIND=NAME", help="Driver, e.g. meter=sdm120; may be repeated. All at once."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="NAME=NUMBER", help="Of a driver, e.g. meter_address=2. All at once."),
    ] = None,
    mirror: Annotated[
        bool | None, typer.Option("--mirror/--no-mirror", help="Mirror contact of the contactor.")
    ] = None,
    residual_test: Annotated[
        bool | None,
        typer.Option("--residual-test/--no-residual-test", help="Test input of the residual-current device."),
    ] = None,
    broker: Annotated[
        str | None, typer.Option("--broker", metavar="ADDRESS[:PORT]", help="IPv4 address of the broker.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", metavar="FILE", help="Authority of the broker's certificate: TLS.")
    ] = None,
    broker_name: Annotated[
        str | None, typer.Option("--broker-name", metavar="NAME", help="What the broker's certificate says.")
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option("--password-file", metavar="FILE", help="Password at the broker, in one line.")
    ] = None,
    firmware_key: Annotated[
        list[Path] | None,
        typer.Option("--firmware-key", metavar="FILE", help="Public key that may sign firmware; may be repeated."),
    ] = None,
    address: Annotated[
        str | None, typer.Option("--address", metavar="A/M/G", help="dhcp, or ADDRESS/NETMASK/GATEWAY[/DNS].")
    ] = None,
    root: RootOption = "",
    as_json: JsonOption = False,
) -> None:
    """Give a charger at a serial cable its identity and credentials.

    What is not named stays as it is. A second run with the same values changes nothing. The charger's user name at the
    broker is its id.
    """
    if charger is not None and charger in reserved_users():
        raise CliError(
            ExitCode.USAGE,
            f"charger {charger!r}: that is an agent's user name at the broker, whose rights it would get; "
            f"reserved are {', '.join(sorted(reserved_users()))}",
        )
    identity: dict[str, Any] = {
        "site": site,
        "charger": charger,
        "board": board,
        "rated_current_a": rated_current,
        "phases": phases,
        "phase_rotation": None if rotation is None else rotation.split(","),
        "tethered": tethered,
        "drivers": None if driver is None else _pairs("--driver", driver),
        "options": None if option is None else _numbers("--option", option),
        "has_mirror": mirror,
        "has_residual_test": residual_test,
        "firmware_keys": None if firmware_key is None else [_key(path) for path in firmware_key],
    }
    login: dict[str, Any] = {
        **_broker(broker),
        "name": broker_name,
        "password": None if password_file is None else _password(password_file),
        "ca_pem": None if ca_file is None else _text(ca_file),
    }
    patches = {"identity": _given(identity), "network": _network(address), "broker": _given(login)}
    script = _SCRIPT.replace("PATCHES", repr(json.dumps(patches))).replace("ROOT", repr(root))
    with at_port(port) as device:
        result = device.run(script)
        if "error" in result:
            raise CliError(ExitCode.FAILED, result["error"])
        if result["changed"]:
            device.reset()
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    who = result["values"]["identity"]
    what = f"{', '.join(result['changed'])} written; restarting" if result["changed"] else "nothing to change"
    typer.echo(f"charger {who['charger']} of site {who['site']}, {who['board']}: {what}")


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _pairs(name: str, texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise typer.BadParameter(
                f"{text!r} is not {'KIND=NAME' if name == '--driver' else 'NAME=NUMBER'}", param_hint=name
            )
        pairs[key] = value
    return pairs


def _numbers(name: str, texts: list[str]) -> dict[str, int | float]:
    numbers: dict[str, int | float] = {}
    for key, value in _pairs(name, texts).items():
        try:
            numbers[key] = int(value, 0) if "." not in value else float(value)
        except ValueError:
            raise typer.BadParameter(f"{value!r} is not a number", param_hint=name) from None
    return numbers


def _broker(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    host, colon, port = text.partition(":")
    if colon and not (port.isdecimal() and 1 <= int(port) <= 65535):
        raise typer.BadParameter(f"{text!r} is not ADDRESS or ADDRESS:PORT", param_hint="--broker")
    return {"address": host, "port": int(port) if colon else None}


def _network(text: str | None) -> dict[str, Any]:
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


def _key(path: Path) -> str:
    try:
        return f"{read_public(path):x}"
    except BadKey as error:
        raise CliError(ExitCode.USAGE, str(error)) from None


def _password(path: Path) -> str:
    lines = _text(path).splitlines()
    if len(lines) != 1 or not lines[0]:
        raise CliError(ExitCode.USAGE, f"{path}: the password stands in one line")
    return lines[0]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(ExitCode.USAGE, f"{path}: {error}") from None
