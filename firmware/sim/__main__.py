"""``python -m firmware.sim``: virtual chargers with virtual cars on a real broker."""

import argparse
import asyncio
import logging
import ssl
import sys
from pathlib import Path

from firmware.app.contract import SETTINGS
from firmware.app.validation import Refused, check_value
from firmware.sim.broker_login import BrokerLogin, LoginError, read_passwords
from firmware.sim.firmware import read_key
from firmware.sim.host import FolderInUse, HostOptions, charger_name, run
from firmware.sim.visits import CARDS, demo_card


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m firmware.sim",
        description="Virtual chargers c1 to cN that run the firmware's own app, with virtual cars, on a real broker.",
    )
    parser.add_argument(
        "--print-cards",
        action="version",
        version=" ".join(demo_card(number) for number in range(CARDS)),
        help="print the UIDs of the drivers' cards, for a list of who may charge, and exit",
    )
    parser.add_argument("--site", required=True, help="id of the site")
    parser.add_argument("--host", default="127.0.0.1", help="broker (%(default)s)")
    parser.add_argument("--port", type=int, default=1883, help="broker's port (%(default)s)")
    parser.add_argument("--chargers", type=int, default=6, help="how many (%(default)s)")
    parser.add_argument("--data", type=Path, required=True, help="folder for flash, registers and cars.jsonl")
    parser.add_argument("--speed", type=float, default=1.0, help="world seconds per real second (%(default)s)")
    parser.add_argument(
        "--drivers", choices=("demo", "quick", "none"), default="demo", help="who comes: people to watch, or a test"
    )
    parser.add_argument("--seed", default="1", help="what the drivers' visits are drawn from (%(default)s)")
    parser.add_argument(
        "--password-file", type=Path, help="lines charger:password, or one line with the password of all chargers"
    )
    parser.add_argument("--ca-file", type=Path, help="certificate authority of the broker; switches TLS on")
    parser.add_argument(
        "--pki", type=Path, help="folder with ca.pem and each charger's own certificate and key; switches TLS on"
    )
    parser.add_argument("--firmware-key", type=Path, help="public key that firmware must be signed with")
    parser.add_argument(
        "--required-source",
        action="append",
        default=[],
        metavar="ID",
        help="a new charger is set up to offer only its fallback current while this source (load_balancer) limits "
        "nothing; what one is told later stands. May be given several times",
    )
    parser.add_argument("--no-network-time", action="store_true", help="the chargers boot without knowing the date")
    parser.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    return parser


def _options(arguments: argparse.Namespace) -> HostOptions:
    """Return the options. Raises :class:`ValueError`, its kind and :class:`Refused` with a text for the user."""
    site = check_value("site id", arguments.site, "id", 1, 32)
    kind, least, most, _ = SETTINGS["required_sources"]
    required = check_value("--required-source", arguments.required_source, kind, least, most)
    if not 1 <= arguments.chargers <= 1_000:
        raise ValueError(f"--chargers is {arguments.chargers}; 1 to 1000 are possible")
    if not 0.01 <= arguments.speed <= 1_000:
        raise ValueError(f"--speed is {arguments.speed}; 0.01 to 1000 are possible")
    if not 1 <= arguments.port <= 65_535:
        raise ValueError(f"--port is {arguments.port}; 1 to 65535 are possible")
    shared, passwords = read_passwords(arguments.password_file) if arguments.password_file else (None, {})
    tls = ssl.create_default_context(cafile=str(arguments.ca_file)) if arguments.ca_file else None
    login = BrokerLogin(arguments.host, arguments.port, shared, passwords, tls, arguments.pki)
    for index in range(arguments.chargers):
        login.context(charger_name(index))  # Said now, not by a charger that never connects.
    return HostOptions(
        site=site,
        chargers=arguments.chargers,
        folder=arguments.data,
        login=login,
        speed=arguments.speed,
        drivers=arguments.drivers,
        seed=arguments.seed,
        required_sources=required,
        network_time=not arguments.no_network_time,
        firmware_keys=(read_key(arguments.firmware_key.read_text("ascii")),) if arguments.firmware_key else (),
    )


def main(argv: list[str] | None = None) -> int:
    """Run the process; return its exit code: 0 after a stop, 2 for a bad option or a folder in use."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=arguments.log_level, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        asyncio.run(run(_options(arguments)))
    except (Refused, LoginError, FolderInUse, ValueError, OSError) as error:
        sys.stderr.write(f"firmware.sim: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
