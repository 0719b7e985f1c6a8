"""`chargebus up`: a whole site comes up, and nothing of it stays, however it ends."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from agents.cli import up, up_lock
from agents.cli.up import BrokerKind
from tests.brokers import mosquitto
from tests.deploy.site import Site
from tests.missing import missing
from tests.waiting import eventually_sync

pytestmark = [pytest.mark.slow, pytest.mark.broker]

DATA = Path("var/up")


@pytest.fixture(params=["mosquitto", "embedded"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of broker that `up` can run."""
    if request.param == "mosquitto" and mosquitto() is None:
        missing("mosquitto")
    return str(request.param)


def test_six_cars_charge_and_ctrl_c_leaves_nothing(kind: str, tmp_path: Path) -> None:
    with Site(tmp_path, "--broker-kind", kind) as site:
        site.wait_ready()
        status = json.loads(site.run("status", "--json").stdout)
        charging = [name for name, one in status["chargers"].items() if one["state"]["status"] == "Charging"]
        assert len(charging) >= 6
        assert status["attention"] == []
        page = site.out.split("page")[1].split()[0]
        with urllib.request.urlopen(page, timeout=20) as answer:
            assert answer.status == 200
        assert len(site.pids()) >= 6
        begin = time.monotonic()
        assert site.signal(signal.SIGINT) == 0
        assert time.monotonic() - begin < 15
        assert site.pids() == {}
        assert "nothing is left running" in site.out
        assert not (tmp_path / DATA / up_lock.LOCK_NAME).exists()
        assert site.run("status").returncode == 5


def test_kill_9_leaves_nothing_and_the_next_up_goes_on(tmp_path: Path) -> None:
    with Site(tmp_path) as first:
        first.wait_ready()
        before = json.loads(first.run("sessions", "--json", "--limit", "100").stdout)
        assert len(before) >= 6
        assert first.signal(signal.SIGKILL) == -signal.SIGKILL
        eventually_sync(lambda: first.pids() == {}, 10, "everything is gone")
        assert not up_lock.is_held(tmp_path / DATA)
    with Site(tmp_path, "--exit-after", "0") as second:
        second.wait_ready()
        assert second.process.wait(30) == 0
    with Site(tmp_path) as third:
        third.wait_ready()
        after = json.loads(third.run("sessions", "--json", "--limit", "100").stdout)
        ids = [record["session_id"] for record in after]
        assert len(ids) == len(set(ids))
        assert {record["session_id"] for record in before} <= set(ids)
        ended = {record["session_id"]: record for record in after}
        assert all(ended[record["session_id"]]["reason"] for record in before)
        assert third.signal(signal.SIGTERM) == 0
        assert third.pids() == {}


def _all_charge(site: Site) -> bool:
    status = json.loads(site.run("status", "--json").stdout)
    return all(one["state"]["status"] == "Charging" for one in status["chargers"].values())


def test_an_agent_that_is_killed_comes_back_and_no_car_stops(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        site.wait_ready()
        ledger = next(pid for pid, command in site.pids().items() if " agent ledger " in command)
        os.kill(ledger, signal.SIGKILL)
        eventually_sync(lambda: "ledger has ended (killed by SIGKILL)" in site.out, 10)
        eventually_sync(lambda: any(" agent ledger " in c and p != ledger for p, c in site.pids().items()), 20)
        status = json.loads(site.run("status", "--json").stdout)
        # The balancer may let a car wait for a moment while it shares; the session of each goes on.
        assert all(one["state"]["session"] for one in status["chargers"].values())
        eventually_sync(lambda: _all_charge(site), 60, "all cars charge")
        assert site.run("sessions", "--active", "--json", "--timeout", "30").returncode == 0


def test_a_second_up_is_refused_and_harms_nothing(running: Site) -> None:
    with Site(running.folder) as second:
        assert second.process.wait(30) == 1
        assert "another `chargebus up` already runs" in second.out
    assert json.loads(running.run("status", "--json").stdout)["chargers"]


def test_a_port_that_is_taken_is_told(running: Site) -> None:
    port = json.loads(running.run("status", "--json").stdout)["broker"].rpartition(":")[2]
    with Site(running.folder, "--data", "other", "--broker-port", port) as second:
        assert second.process.wait(30) == 5
        assert f"port {port} for the broker is taken" in second.out


def test_ctrl_c_while_it_starts(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        eventually_sync(lambda: len(site.pids()) > 2, 30, "the broker and the first agent have been started")
        assert site.signal(signal.SIGINT) == 0
        assert site.pids() == {}


def test_without_mosquitto_the_embedded_broker_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.cli.up.shutil.which", lambda *_a, **_k: None)
    assert up._mosquitto(BrokerKind.AUTO) is None
    with pytest.raises(up.CliError, match="mosquitto is not installed"):
        up._mosquitto(BrokerKind.MOSQUITTO)


def test_the_passwords_are_nobody_elses(tmp_path: Path) -> None:
    with Site(tmp_path, "--once-ready") as site:
        site.wait_ready()
        assert site.process.wait(30) == 0
        data = tmp_path / DATA
        secret = [path for path in (data / "secrets").iterdir()]
        assert {path.name for path in secret} >= {"ledger.password", "technician.password", "chargers"}
        assert all(path.stat().st_mode & 0o077 == 0 for path in secret)
        password = (data / "secrets" / "technician.password").read_text().strip()
        assert password not in site.out
        logs = subprocess.run(["grep", "-r", password, str(data / "logs")], capture_output=True)
        assert logs.returncode == 1
