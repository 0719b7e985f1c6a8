"""compose.yaml, really started: a charger from outside charges, the site is backed up and brought back elsewhere."""

import json
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.prepared import ENDED_SESSIONS, let_virtual_drivers_in, virtual_chargers
from tests.deploy.site import CHARGEBUS, ROOT, environment
from tests.deploy.stack import Stack, check_docker, make_images
from tests.deploy.test_compose import SERVICES, SITE_AGENTS
from tests.waiting import eventually_sync

pytestmark = [pytest.mark.slow, pytest.mark.docker, pytest.mark.timeout(900)]

WITHIN_S = 300.0
"""Containers get little of a machine that is busy with other tests."""

STARTED = ("broker", "postgres", *SITE_AGENTS)
"""Everything but InfluxDB, Grafana, SteVe and MariaDB, whose images no registry gives us here."""


def prepare(folder: Path) -> None:
    """Run deploy/prepare.sh, twice: what is there is kept. Its files may not depend on the user's mask."""
    command = f"umask 077; exec sh deploy/prepare.sh garage localhost --folder {folder} --device c1"
    for _ in range(2):
        done = subprocess.run(
            ["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=120, env=environment()
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout == "", "the second time there is nothing to make"


@contextmanager
def started(folder: Path) -> Iterator[Stack]:
    stack = Stack(folder)
    try:
        yield stack
    finally:
        down = stack.compose("down", "-v", "-t", "5")
    assert down.returncode == 0, down.stderr
    assert stack.remains() == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", stack.port)) != 0


@contextmanager
def charging_at(stack: Stack, data: Path) -> Iterator[None]:
    command = virtual_chargers(stack.folder, data, site="garage", host="localhost", port=stack.port, count=1)
    with data.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            yield
            assert process.poll() is None, data.with_suffix(".log").read_text()[-3000:]
        finally:
            process.terminate()
            process.wait(20)


def login(stack: Stack, *identity: str) -> int:
    """Return mosquitto_sub's exit code; 27 is its own: connected and subscribed, and nothing came in time."""
    command = ["mosquitto_sub", "--cafile", str(stack.folder / "pki/ca.pem"), "-h", "localhost", "-p", str(stack.port)]
    return subprocess.run([*command, "-t", "x", "-W", "2", *identity], capture_output=True, timeout=30).returncode


def test_a_charger_charges_and_the_site_comes_back_elsewhere(tmp_path: Path) -> None:
    check_docker()
    make_images()
    first, second = tmp_path / "garage", tmp_path / "elsewhere"
    prepare(first)
    let_virtual_drivers_in(first)
    with started(first) as stack:
        stack.up(*STARTED)
        sessions = check_running(stack, tmp_path / "chargers")
        stack.tools("backup", "/backups/monday.tar.gz")
    archive = first / "backups/monday.tar.gz"
    assert archive.stat().st_mode & 0o077 == 0, "it holds keys and passwords"
    bring_back(archive, second)
    with started(second) as moved:
        moved.tools("restore", "/backups/monday.tar.gz", "--only", "data", "--only", "database")
        moved.up("ledger", "access", "load_balancer")
        assert int(moved.sql(ENDED_SESSIONS)) >= sessions
        moved.wait_healthy(("ledger", "access", "load_balancer"), WITHIN_S)
        listed = json.loads(moved.tools("sessions", "--json", "--limit", "100"))
        assert len([each for each in listed if not each["active"]]) >= sessions
        # The same chargers come to the new place with the certificates that they have.
        with charging_at(moved, tmp_path / "chargers"):
            eventually_sync(lambda: int(moved.sql(ENDED_SESSIONS)) > sessions, WITHIN_S, "a session at the new place")


def check_running(stack: Stack, chargers: Path) -> int:
    """See a session through from outside and return how many have ended by then."""
    with charging_at(stack, chargers):
        stack.wait_healthy(STARTED, WITHIN_S)
        pki = stack.folder / "pki"
        assert login(stack, "--cert", str(pki / "c1.pem"), "--key", str(pki / "c1.key")) == 27
        assert login(stack) not in (0, 27), "without a certificate nobody gets in"
        eventually_sync(lambda: int(stack.sql(ENDED_SESSIONS)) >= 1, WITHIN_S, "a session in PostgreSQL")
        status = json.loads(stack.tools("status", "--json"))
        assert status["chargers"]["c1"]["online"]
        assert {name for name, agent in status["agents"].items() if agent["online"]} == set(SITE_AGENTS)
        with urllib.request.urlopen(f"http://127.0.0.1:{stack.page_port}/", timeout=20) as page:
            assert page.status == 200
    check_health(stack)
    assert not SERVICES.keys() - set(STARTED) - {"influxdb", "grafana", "roles", "tools", "steve", "mariadb"}
    return int(stack.sql(ENDED_SESSIONS))


def check_health(stack: Stack) -> None:
    """See that an agent without its broker is unhealthy, and gets well without being started again."""
    stack.must("stop", "broker")
    stack.wait_healthy(("load_balancer",), WITHIN_S, "unhealthy")
    stack.must("start", "broker")
    stack.wait_healthy(("load_balancer",), WITHIN_S)


def bring_back(archive: Path, folder: Path) -> None:
    """Restore the site's folder, as one does on a new machine."""
    done = subprocess.run(
        [*CHARGEBUS, "restore", str(archive), "--folder", str(folder), "--only", "site"],
        capture_output=True, text=True, timeout=60, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder / "backups").mkdir(mode=0o700)
    shutil.copy(archive, folder / "backups")
