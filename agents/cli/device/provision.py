"""``provision``: who a charger is, what it is made of, and how it reaches its broker."""

import json
from typing import Any

import typer

from agents.cli.connection.terminal import JsonOption
from agents.cli.device import options
from agents.cli.device.device import at_port
from agents.cli.device.flash import Port, RootOption
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
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
        Network(values[NETWORK], identity.profile.networks)
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
    for name, secret in ((BROKER, "password"), (BROKER, "key_pem"), (NETWORK, "key")):
        if secret in values[name]:
            values[name][secret] = "***"
    return {"changed": changed, "values": values}
print(json.dumps(provision(json.loads(PATCHES), ROOT)))
"""


@app.command()
def provision(
    port: Port,
    site: options.Site = None,
    charger: options.Charger = None,
    board: options.Board = None,
    rated_current: options.RatedCurrent = None,
    phases: options.Phases = None,
    rotation: options.Rotation = None,
    tethered: options.Tethered = None,
    driver: options.Drivers = None,
    option: options.DriverOptions = None,
    mirror: options.Mirror = None,
    residual_test: options.ResidualTest = None,
    broker: options.BrokerAddress = None,
    ca_file: options.CaFile = None,
    cert_file: options.CertFile = None,
    key_file: options.KeyFile = None,
    broker_name: options.BrokerName = None,
    password_file: options.PasswordFile = None,
    firmware_key: options.FirmwareKeys = None,
    network: options.NetworkName = None,
    wlan_key_file: options.WlanKeyFile = None,
    address: options.Address = None,
    root: RootOption = "",
    as_json: JsonOption = False,
) -> None:
    """Give a charger at a serial cable its identity and credentials.

    What is not named stays as it is. A second run with the same values changes nothing. The charger's user name at the
    broker is its id.
    """
    _check_name(charger)
    identity: dict[str, Any] = {
        "site": site,
        "charger": charger,
        "board": board,
        "rated_current_a": rated_current,
        "phases": phases,
        "phase_rotation": None if rotation is None else rotation.split(","),
        "tethered": tethered,
        "drivers": None if driver is None else options.pairs("--driver", driver),
        "options": None if option is None else options.numbers("--option", option),
        "has_mirror": mirror,
        "has_residual_test": residual_test,
        "firmware_keys": None if firmware_key is None else [options.firmware_key(path) for path in firmware_key],
    }
    files = {"ca_pem": ca_file, "cert_pem": cert_file, "key_pem": key_file}
    login: dict[str, Any] = {
        **options.broker_address(broker),
        "name": broker_name,
        "password": None if password_file is None else options.password(password_file),
        **{name: None if path is None else options.text_of(path) for name, path in files.items()},
    }
    patches = {
        "identity": options.given(identity),
        "network": {**options.interface(network, wlan_key_file), **options.network(address)},
        "broker": options.given(login),
    }
    _tell(_write(port, patches, root), as_json)


def _check_name(charger: str | None) -> None:
    if charger is not None and charger in reserved_users():
        raise CliError(
            ExitCode.USAGE,
            f"charger {charger!r}: that is an agent's user name at the broker, whose rights it would get; "
            f"reserved are {', '.join(sorted(reserved_users()))}",
        )


def _write(port: str, patches: dict[str, Any], root: str) -> dict[str, Any]:
    """Let the device change its entries; return what it says. It restarts if anything has changed."""
    script = _SCRIPT.replace("PATCHES", repr(json.dumps(patches))).replace("ROOT", repr(root))
    with at_port(port) as device:
        result: dict[str, Any] = device.run(script)
        if "error" in result:
            raise CliError(ExitCode.FAILED, result["error"])
        if result["changed"]:
            device.reset()
    return result


def _tell(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    who = result["values"]["identity"]
    what = f"{', '.join(result['changed'])} written; restarting" if result["changed"] else "nothing to change"
    typer.echo(f"charger {who['charger']} of site {who['site']}, {who['board']}: {what}")
