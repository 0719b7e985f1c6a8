"""`chargebus up`: a whole site comes up, and nothing of it stays, however it ends."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from agents.cli import up_lock
from agents.cli.up import command as up
from agents.cli.up.command import BrokerKind
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
        page = re.search(r"^  page +(http\S+)$", site.out, re.MULTILINE)
        assert page is not None, site.out
        with urllib.request.urlopen(page[1], timeout=20) as answer:
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
    with Site(tmp_path) as second:
        second.wait_ready()
        known = {record["session_id"] for record in before}

        def recorded() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = json.loads(second.run("sessions", "--json", "--limit", "100").stdout)
            return found

        # A charger tells of its last life in its own time.
        eventually_sync(
            lambda: known <= {one["session_id"] for one in recorded() if one["reason"]},
            40,
            lambda: f"all of {sorted(known)} have ended\n{recorded()}\n{second.account()}",
        )
        ids = [one["session_id"] for one in recorded()]
        assert len(ids) == len(set(ids))
        assert second.signal(signal.SIGTERM) == 0
        assert second.pids() == {}


def _charging(site: Site) -> dict[str, tuple[str, int]]:
    """Session and register of each charger at which a car charges. Wh."""
    status = json.loads(site.run("status", "--json").stdout)
    states = {name: one["state"] for name, one in status["chargers"].items()}
    return {
        name: (state["session"]["session_id"], state["energy_wh"])
        for name, state in states.items()
        if state["status"] == "Charging"
    }


def test_an_agent_that_is_killed_comes_back_and_no_car_stops(running: Site) -> None:
    before = _charging(running)
    assert before, running.account()
    ledger = next(pid for pid, command in running.pids().items() if " agent ledger " in command)
    os.kill(ledger, signal.SIGKILL)
    eventually_sync(lambda: "ledger has ended (killed by SIGKILL)" in running.out, 10, running.account)
    eventually_sync(
        lambda: any(" agent ledger " in c and p != ledger for p, c in running.pids().items()), 20, running.account
    )
    # The balancer may let a car wait for a moment while it shares; what went on goes on.
    still = set(before)

    def all_went_on() -> bool:
        for name, (session, energy_wh) in _charging(running).items():
            if name in still and session == before[name][0] and energy_wh > before[name][1]:
                still.remove(name)
        return not still

    eventually_sync(all_went_on, 60, lambda: f"the session of {sorted(still)} goes on\n{running.account()}")
    assert running.run("sessions", "--active", "--json", "--timeout", "30").returncode == 0


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


def test_every_charger_is_a_charge_point_of_the_backend_which_stops_and_starts_it(running: Site) -> None:
    cps = running.out.split("OCPP")[1].split()[0]

    def got(path: str) -> Any:
        with urllib.request.urlopen(cps.removesuffix("/cps") + path, timeout=20) as answer:
            return json.load(answer)

    def transaction(of: int | None = None) -> dict[str, Any] | None:
        """The one that goes on at c6, or the one of that number."""
        query = "cp_id=c6" if of is not None else "cp_id=c6&active=true"
        found = got(f"/transactions?{query}")["transactions"]
        return next((each for each in found if of in (None, each["id"])), None)

    def commanded(*arguments: str) -> None:
        done = running.run("csms", *arguments)
        assert done.returncode == 0, done.stderr

    names = ["c1", "c2", "c3", "c4", "c5", "c6"]
    eventually_sync(lambda: all(cp["connected"] for cp in got("/cps")), 60, running.account)
    assert sorted(cp["id"] for cp in got("/cps")) == names
    eventually_sync(lambda: transaction() is not None, 60, running.account)
    first = transaction()
    assert first is not None and first["id_tag_status"] == "Accepted"
    commanded("stop", "c6", str(first["id"]))
    eventually_sync(lambda: transaction(first["id"])["stopped"] is not None, 60, "it has stopped")  # type: ignore[index]
    commanded("start", "c6", "REMOTE")
    eventually_sync(lambda: (transaction() or {}).get("id_tag") == "REMOTE", 60, "another goes on")
    # What is a charge point of the backend because it is a charger must not become one more charger.
    assert sorted(json.loads(running.run("status", "--json").stdout)["chargers"]) == names


def test_ctrl_c_while_it_starts(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        eventually_sync(lambda: len(site.pids()) > 2, 30, "the broker and the first agent have been started")
        assert site.signal(signal.SIGINT) == 0
        assert site.pids() == {}


def test_without_mosquitto_the_embedded_broker_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.cli.up.command.shutil.which", lambda *_a, **_k: None)
    assert up._mosquitto(BrokerKind.AUTO) is None
    with pytest.raises(up.CliError, match="mosquitto is not installed"):
        up._mosquitto(BrokerKind.MOSQUITTO)


def test_the_passwords_are_nobody_elses(running: Site) -> None:
    data = running.folder / DATA
    secret = list((data / "secrets").iterdir())
    assert {path.name for path in secret} >= {"ledger.password", "technician.password", "chargers"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in secret)
    password = (data / "secrets" / "technician.password").read_text().strip()
    assert password not in running.out
    logs = subprocess.run(["grep", "-r", "-e", password, str(data / "logs")], capture_output=True)
    assert logs.returncode == 1
