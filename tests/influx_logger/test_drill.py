"""The outage drill: a real logger between a real broker and a real InfluxDB, all of which fail.

The logger is killed at random moments, the database answers 500, nothing, or loses its answer, is slow, is killed
itself; one line is refused. Afterwards every state (QoS 1) and every point that was ever in the spool is in the
database exactly once.
"""

import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import paho.mqtt.client as paho
import pytest

from bus_schema.topics import CHARGER_STATE, CHARGER_TELEMETRY
from tests.brokers import RunningBroker, remove_broker, start_broker
from tests.influx_logger.harness import STATE, TELEMETRY
from tests.processes import start_agent
from tests.time_series import InfluxServer, WriteProxy
from tests.waiting import eventually_sync

pytestmark = [pytest.mark.slow, pytest.mark.broker]

SECONDS = 30
BEGIN_MS = 1_760_000_000_000


class Publisher:
    """A charger that never stops: 100 telemetries and 20 states a second, each with a time of its own."""

    def __init__(self, broker: RunningBroker) -> None:
        self.states = self.telemetries = 0
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="c1", clean_session=False)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            for _ in range(5):
                self.telemetries += 1
                message = TELEMETRY.model_copy(update={"ts": BEGIN_MS + self.telemetries})
                topic = CHARGER_TELEMETRY.format("drill", charger="c1")
                self._client.publish(topic, CHARGER_TELEMETRY.encode(message), qos=0)
            self.states += 1
            state = STATE.model_copy(update={"ts": BEGIN_MS + self.states})
            self._client.publish(CHARGER_STATE.format("drill", charger="c1"), CHARGER_STATE.encode(state), qos=1)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        eventually_sync(lambda: not self._client._out_messages, 20, what="the broker has everything")
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RunningBroker]:
    broker = start_broker("installed", tmp_path)
    yield broker
    remove_broker(broker)


def spooled_times(spool: Path, copy: Path) -> set[tuple[str, int]]:
    """Return measurement and time of every line that is on disk in this moment."""
    for left in copy.parent.glob(f"{copy.name}*"):
        left.unlink()
    for suffix in ("", "-wal"):
        source = spool.with_name(spool.name + suffix)
        if source.exists():
            shutil.copy(source, copy.with_name(copy.name + suffix))
    found = set()
    with closing(sqlite3.connect(copy)) as db:
        for (body,) in db.execute("SELECT body FROM influx_logger_block"):
            for line in body.decode().split("\n"):
                found.add((line.split(",")[0], int(line.rsplit(" ", 1)[1])))
    return found


def test_every_point_that_was_in_the_spool_is_in_the_database_once(tmp_path: Path, broker: RunningBroker) -> None:
    random = Random(11)
    (tmp_path / "influx").mkdir()
    influx = InfluxServer(tmp_path / "influx")
    influx.start()
    influx.query('CREATE DATABASE "chargebus"')
    proxy = WriteProxy(influx.url)
    fates = [None, None, None, 500, 503, "close", "lost", 0.3]
    proxy.fate = lambda: random.choice(fates)
    site = tmp_path / "site.toml"
    site.write_text(
        f'site = "drill"\n[broker]\nport = {broker.port}\n'
        f'[influx_logger]\nurl = "{proxy.url}"\npost_lines = 200\ntimeout_s = 2\n'
    )
    spool = tmp_path / "data" / "influx_logger.sqlite3"
    log = tmp_path / "log"
    logger: subprocess.Popen[bytes] = start_agent("influx_logger", site, log)
    # It hears its own health: then its session at the broker exists, and keeps what comes while it is dead.
    eventually_sync(lambda: proxy.requests or (spool.exists() and _waiting(spool)), 30, what="the logger is connected")
    publisher = Publisher(broker)
    ever_spooled: set[tuple[str, int]] = set()
    kills = 0
    try:
        ends_s = time.monotonic() + SECONDS
        while time.monotonic() < ends_s:
            time.sleep(random.uniform(0.5, 4.5))
            assert logger.poll() is None, log.read_text()[-2000:]
            logger.kill()
            logger.wait(10)
            kills += 1
            ever_spooled |= spooled_times(spool, tmp_path / "copy.sqlite3")
            if kills % 4 == 0:
                influx.kill()
                influx.start()
            logger = start_agent("influx_logger", site, log)
        publisher.stop()
        proxy.fate = lambda: None
        eventually_sync(lambda: _waiting(spool) == 0 and _states(influx) >= publisher.states, 90, what="all is written")
        assert _states(influx) == publisher.states
        series = influx.query('SELECT "power_w" FROM "telemetry"')
        telemetries = {int(row[0]) for row in series[0]["values"]} if series else set()
        assert telemetries <= {(BEGIN_MS + n) * 1_000_000 for n in range(1, publisher.telemetries + 1)}
        missing = {at for kind, at in ever_spooled if kind == "telemetry"} - telemetries
        assert not missing, f"{len(missing)} of the spooled points are not in the database"
        print(f"{kills} kills, {len(proxy.requests)} requests, {publisher.states} states, {len(telemetries)} of "
              f"{publisher.telemetries} telemetries (QoS 0), {len(ever_spooled)} lines seen in the spool")  # fmt: skip
    finally:
        publisher.stop()
        logger.kill()
        logger.wait(10)
        influx.kill()
        proxy.stop()


def _waiting(spool: Path) -> int:
    # Closed at once: while anybody has the file open, SQLite does not look for what a killed writer was just committing
    # and nobody was told of; a copy, which is opened anew, has that.
    with closing(sqlite3.connect(f"file:{spool}?mode=ro", uri=True)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'influx_logger_block'").fetchone():
            return 0
        return int(db.execute("SELECT coalesce(sum(lines), 0) FROM influx_logger_block").fetchone()[0])


def _states(influx: InfluxServer) -> int:
    return influx.points("state", "uptime_ms")
