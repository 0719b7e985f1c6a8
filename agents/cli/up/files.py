"""The files that ``chargebus up`` writes for its children: their text, made without touching the disk."""

import json
from collections.abc import Sequence
from pathlib import Path

from bus_schema.generate.mosquitto import local_conf

SITE = "garage"
"""Id of the site that ``up`` runs unless told otherwise."""


CARDS_FILE = "cards.csv"
"""Name of the local list of cards in the data folder."""


DEMO_A_PER_CHARGER = 10.5
"""Limit of the demonstration's circuit per charger: six share 63 A."""


def mosquitto_conf(port: int, data: Path) -> str:
    """Return the broker's configuration. Everyone needs a password, and the access list of the contract holds."""
    return f"# Written by `chargebus up` at every start.\n{local_conf(port, data)}"


def site_toml(
    site: str,
    broker_port: int,
    page_port: int,
    backend_port: int,
    backend_api_port: int,
    data: Path,
    chargers: Sequence[str],
) -> str:
    """Return the site's configuration: the agents' and, for ``chargebus`` itself, where the broker is."""
    return f"""\
# Written by `chargebus up` at every start.
site = {json.dumps(site)}
data_dir = "agents"

[broker]
host = "127.0.0.1"
port = {broker_port}
password_file = "secrets/{{agent}}.password"

[log]
format = "text"

[console]
host = "127.0.0.1"
port = {page_port}

[access]
policies = ["local_list"]
cards_file = {json.dumps(str(data / CARDS_FILE))}

{_load_balancer(chargers)}
{_backend(backend_port, backend_api_port, chargers)}"""


def _backend(port: int, api_port: int, chargers: Sequence[str]) -> str:
    """Return the tables of the OCPP backend and of the bridge to it: each charger is a charge point there.

    Each charge point has a password of its own, which both read from its file.
    ``on_bus = false``: its charge points are chargers of the bus already. The site's own list decides about cards, so
    the backend takes any.
    """
    tables = "".join(f"\n[csms.stations.{name}]\non_bus = false\n" for name in chargers)
    return f"""\
[[ocpp_bridge.backends]]
name = "csms"
url = "ws://127.0.0.1:{port}"
security_profile = 1
password_file = "secrets/stations/{{charger}}.password"

[csms]
port = {port}
api_port = {api_port}
password_file = "secrets/stations/{{station}}.password"
accept_unknown_tags = true
{tables}"""


def _load_balancer(chargers: Sequence[str]) -> str:
    """Return the balancer's table: one circuit on which not every car can have all that it could take."""
    limit_a = max(32.0, DEMO_A_PER_CHARGER * len(chargers))
    tables = "".join(f'\n[load_balancer.chargers.{name}]\ncircuit = "garage"\n' for name in chargers)
    return f"""\
[load_balancer]
configure_chargers = true

[load_balancer.circuits.garage]
limit_a = {limit_a}
{tables}"""


def cards_csv(cards: Sequence[str]) -> str:
    """Return the local list of cards: those of the virtual drivers."""
    rows = [f"{card},Virtual driver {number}" for number, card in enumerate(cards, 1)]
    return "\n".join(("# Written by `chargebus up` at every start.", "uid,name", *rows)) + "\n"
