"""The site as deploy/ sets it up: Mosquitto with its own configuration, certificates for everybody, PostgreSQL."""

import contextlib
import json
import re
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import psycopg
import pytest

from agents.cli.backup.archive import check
from agents.cli.prepare.files import site_agents
from agents.registry import AGENTS
from bus_schema.generate.acl import ROOT as TOPIC_ROOT
from bus_schema.generate.mosquitto import BROKER_FOLDER
from tests.brokers import ProcessBroker, free_port, mosquitto
from tests.deploy.prepared import let_virtual_drivers_in, virtual_chargers
from tests.deploy.site import CHARGEBUS, ROOT, environment
from tests.missing import missing
from tests.waiting import eventually_sync

pytestmark = [pytest.mark.slow, pytest.mark.broker, pytest.mark.postgresql]

SITE = "garage"
CHARGERS = ("c1", "c2")
SITE_AGENTS = site_agents(AGENTS)


class TlsSite:
    """Every process of the site, in one folder."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder, self.settings, self.database = folder, folder / "etc", database
        self.port = free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        done = self.chargebus("prepare", SITE, "127.0.0.1", "--for", "systemd", "--folder", str(self.settings),
                              *(part for name in (*CHARGERS, "c3") for part in ("--device", name)))  # fmt: skip
        assert done.returncode == 0, done.stderr
        self._adapt()

    def _adapt(self) -> None:
        """Change ports, paths and the database, nothing else of what a site gets."""
        text = (self.settings / "site.toml").read_text()
        text = re.sub(r"^# (?=\[influx_logger\]|metrics_port|url = .*influxdb)", "", text, flags=re.MULTILINE)
        text = text.replace("influxdb.local:8086", "127.0.0.1:9")  # Nobody listens there: it spools.
        text = text.replace("port = 8883", f"port = {self.port}").replace("port = 8080", "port = 0")
        text = text.replace("/var/lib/chargebus", str(self.folder / "data"))
        text = re.sub(r"metrics_port = \d+", lambda _found: f"metrics_port = {free_port()}", text)
        (self.settings / "site.toml").write_text(f'{text}\n[store]\nurl = "{self.database}"\n')
        let_virtual_drivers_in(self.settings)

    def start_broker(self) -> ProcessBroker:
        """Start Mosquitto as Debian does: a main configuration that includes ours."""
        program = mosquitto()
        if program is None:
            missing("mosquitto")
        data, included = self.folder / "mosquitto", self.folder / "conf.d"
        data.mkdir()
        included.mkdir()
        text = (ROOT / "deploy/mosquitto/mosquitto.conf").read_text()
        assert "\nlistener 8883\n" in text
        text = text.replace("listener 8883", f"listener {self.port} 127.0.0.1")
        text = text.replace(BROKER_FOLDER, str(self.settings / "broker"))
        (included / "chargebus.conf").write_text(text)
        main = self.folder / "mosquitto.conf"
        main.write_text(
            f"user root\npersistence true\npersistence_location {data}/\n"
            f"log_dest file {self.folder}/mosquitto.log\ninclude_dir {included}\n"
        )
        return ProcessBroker("installed", [program, "-c", str(main)], self.folder, self.port, wait_for_login=False)

    def start(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env=environment(CHARGEBUS_CONFIG=str(self.settings / "site.toml")),
            )

    def start_all(self) -> None:
        for name in SITE_AGENTS:
            self.start(name, *CHARGEBUS, "agent", name)
        chargers = virtual_chargers(
            self.settings, self.folder / "chargers", site=SITE, host="127.0.0.1", port=self.port, count=len(CHARGERS)
        )
        self.start("chargers", *chargers)

    def chargebus(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*CHARGEBUS, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=60,
            env=environment(CHARGEBUS_CONFIG=str(self.settings / "site.toml")),
        )  # fmt: skip

    def check(self) -> None:
        for name, process in self.processes.items():
            log = self.folder / f"{name}.log"
            assert process.poll() is None, f"{name} ended with {process.returncode}:\n{log.read_text()[-3000:]}"

    def wait_until_recorded(self, sessions: int, within_s: float) -> None:
        """Wait for so many ended sessions in PostgreSQL."""

        def count(connection: psycopg.Connection) -> int:
            self.check()
            time.sleep(0.2)  # Eight processes start on this machine: leave it to them.
            there = connection.execute("SELECT to_regclass('ledger_session')").fetchone()
            if there is None or there[0] is None:
                return 0
            # One role for all agents here, so no schema of its own.
            found = connection.execute("SELECT count(*) FROM ledger_session WHERE reason IS NOT NULL").fetchone()
            return 0 if found is None else int(found[0])

        with psycopg.connect(self.database, autocommit=True) as connection:
            eventually_sync(lambda: count(connection) >= sessions, within_s, "sessions in PostgreSQL")

    def client(self, user: str | None) -> paho.Client:
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        pki = self.settings / "pki"
        client.tls_set(str(pki / "ca.pem"), *(map(str, (pki / f"{user}.pem", pki / f"{user}.key")) if user else ()))
        return client

    def end(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


@pytest.fixture
def site(tmp_path: Path, postgresql_url: str) -> Iterator[TlsSite]:
    made = TlsSite(tmp_path, postgresql_url)
    with contextlib.ExitStack() as stack:
        broker = made.start_broker()
        stack.callback(broker.stop)
        stack.callback(made.end)
        yield made


def test_sessions_are_recorded_over_tls_and_nobody_takes_anothers_place(site: TlsSite) -> None:
    site.start_all()
    site.wait_until_recorded(2, within_s=90)
    status = json.loads(site.chargebus("status", "--json").stdout)
    assert {name for name, one in status["chargers"].items() if one["online"]} == set(CHARGERS)
    sessions = site.chargebus("sessions", "--json", "--limit", "50")
    assert sessions.returncode == 0, sessions.stderr
    ended = [record for record in json.loads(sessions.stdout) if not record["active"]]
    assert len(ended) >= 2
    assert {record["authorized_by"] for record in ended} <= {"access", None}

    _check_identities(site)

    saved = site.chargebus("backup", "a.tar.gz")
    assert saved.returncode == 0, saved.stderr
    manifest = check(site.folder / "a.tar.gz")
    assert [database.agent for database in manifest.databases] == ["ledger"]
    names = {member.name for member in manifest.members}
    assert {"site/site.toml", "site/pki/ca.key", "site/access/cards.csv", "database/ledger.dump"} <= names
    assert "data/influx_logger.sqlite3" in names, "what waits for InfluxDB is saved too"
    site.check()


def _check_identities(site: TlsSite) -> None:
    topic = f"{TOPIC_ROOT}/{SITE}/charger/{{}}/telemetry"
    heard: list[str] = []
    technician, charger, stranger = site.client("technician"), site.client("c3"), site.client(None)
    mark = b'{"of":"the test"}'
    technician.on_message = lambda _c, _d, message: heard.append(message.topic) if message.payload == mark else None
    technician.on_connect = lambda client, *_: client.subscribe(topic.format("+"), 1)
    subscribed: list[int] = []
    technician.on_subscribe = lambda *_: subscribed.append(1)
    technician.connect("127.0.0.1", site.port)
    technician.loop_start()
    # A name and a password in CONNECT count for nothing: the certificate says who it is.
    charger.username_pw_set("technician", "whatever")
    charger.connect("127.0.0.1", site.port)
    charger.loop_start()
    try:
        eventually_sync(lambda: subscribed and charger.is_connected(), 10)
        for name in (CHARGERS[1], "c3"):
            charger.publish(topic.format(name), mark, 1)
        eventually_sync(lambda: heard, 10, "its own topic arrives")
        assert heard == [topic.format("c3")], "another's does not, although it was sent first"
    finally:
        for client in (technician, charger):
            client.disconnect()
            client.loop_stop()
    with pytest.raises((ssl.SSLError, OSError)):
        stranger.connect("127.0.0.1", site.port)
        for _ in range(3):
            if stranger.loop() != paho.MQTT_ERR_SUCCESS:
                raise OSError("refused")
        raise AssertionError("let in without a certificate")
