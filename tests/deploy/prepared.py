"""What a prepared site needs before virtual chargers can charge at it, for the tests of `deploy/`."""

import subprocess
import sys
from pathlib import Path

from tests.deploy.site import ROOT

ENDED_SESSIONS = "SELECT count(*) FROM ledger.ledger_session WHERE reason IS NOT NULL"


def let_virtual_drivers_in(settings: Path) -> None:
    """Put the cards of the virtual drivers on the site's list."""
    command = [sys.executable, "-m", "firmware.sim", "--print-cards"]
    asked = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    (settings / "access/cards.csv").write_text("\n".join(["uid", *asked.stdout.split()]) + "\n")


def virtual_chargers(settings: Path, data: Path, *, site: str, host: str, port: int, count: int) -> list[str]:
    """Return the command that runs chargers c1 to cN with the certificates that `chargebus prepare` has made."""
    return [
        sys.executable, "-m", "firmware.sim", "--site", site, "--host", host, "--port", str(port),
        "--pki", str(settings / "pki"), "--chargers", str(count), "--data", str(data),
        "--drivers", "quick", "--speed", "4",
    ]  # fmt: skip
