"""A site's folder as commit d568ba0 made it: its own texts (``earlier/``), certificates without roles, no register."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from agents.cli.pki.authority import _pem, _sign, found
from agents.cli.pki.register import FILE as REGISTER
from agents.cli.prepare.files import Kind, site_agents
from agents.registry import AGENTS

EARLIER = Path(__file__).parent / "earlier"
SITE = "garage"
HOST = "broker.lan"
METER = '\n[load_balancer.circuits.garage]\nlimit_a = 63\nmeter = "grid"\n'


def make_earlier(folder: Path, kind: Kind, *devices: str) -> None:
    """Make the folder, with certificates of the agents, the technician and these devices."""
    pki = folder / "pki"
    found(pki, SITE, datetime.now(UTC))
    for name in ("broker", *site_agents(AGENTS), "technician", *devices):
        servers = (HOST, "broker", "localhost", "127.0.0.1") if name == "broker" else ()
        certificate, key = _sign(pki, name, "", servers, datetime.now(UTC), timedelta(days=700))
        (pki / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (pki / f"{name}.key").write_bytes(_pem(key))
    (pki / REGISTER).unlink()
    (folder / "mosquitto.acl").write_text((EARLIER / "mosquitto.acl").read_text())
    (folder / "site.toml").write_text((EARLIER / f"{kind}.toml").read_text())
    if kind is Kind.COMPOSE:
        (folder / "compose.env").write_text(f"COMPOSE_PROJECT_NAME=chargebus-{SITE}\nCHARGEBUS_FOLDER={folder}\n")
        (folder / "secrets").mkdir()
        for name in ("postgres.password", "influxdb.password", "influxdb.token", "grafana.password", "steve.password"):
            (folder / "secrets" / name).write_text("not-a-secret")
        (folder / "secrets/steve.properties").write_text((EARLIER / "steve.properties").read_text())
