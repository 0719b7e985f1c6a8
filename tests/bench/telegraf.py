"""Telegraf's ``mqtt_consumer`` as a peer of the logger: JSON from the bus into line protocol in a file.

The program is found by the environment variable ``TELEGRAF`` or in the path. It needs the input ``mqtt_consumer``, the
parser ``json_v2``, the serializer ``influx`` and the output ``file`` (``go build -tags
custom,inputs.mqtt_consumer,outputs.file,parsers.json_v2,serializers.influx ./cmd/telegraf`` in its source).
What it has taken is not on disk before it is acknowledged, and its fields' types are its own guesses; it is measured
for its speed only.
"""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from bus_schema.topics import CHARGER_TELEMETRY
from tests.bench.receiving import TOPIC
from tests.brokers import RunningBroker

CONFIG = """
[agent]
interval = "1s"
flush_interval = "1s"
metric_batch_size = 5000
metric_buffer_limit = 1000000
omit_hostname = true

[[inputs.mqtt_consumer]]
servers = ["tcp://127.0.0.1:{port}"]
topics = ["{topic}"]
qos = 0
max_undelivered_messages = 1000000
data_format = "json_v2"
[[inputs.mqtt_consumer.json_v2]]
measurement_name = "telemetry"
timestamp_path = "ts"
timestamp_format = "unix_ms"
[[inputs.mqtt_consumer.json_v2.object]]
path = "@this"

[[outputs.file]]
files = ["{out}"]
data_format = "influx"
"""


def program() -> str | None:
    """Return where Telegraf is, None if it is not here."""
    return os.environ.get("TELEGRAF") or shutil.which("telegraf")


def run_telegraf(telegraf: str, broker: RunningBroker, lines: Path, messages: int) -> float:
    """Return messages per second from the broker until they are lines in a file."""
    with tempfile.TemporaryDirectory() as name:
        out, config, log = Path(name) / "out", Path(name) / "telegraf.conf", Path(name) / "log"
        topic = CHARGER_TELEMETRY.filter("bench")
        config.write_text(CONFIG.format(port=broker.port, topic=topic, out=out), encoding="utf-8")
        with log.open("wb") as output:
            process = subprocess.Popen([telegraf, "--config", str(config)], stdout=output, stderr=output)
        try:
            _until(lambda: "Connected" in log.read_text(), "Telegraf is connected", log)
            with lines.open("rb") as stdin:
                began_s = time.perf_counter()
                publisher = subprocess.Popen(["mosquitto_pub", "-p", str(broker.port), "-t", TOPIC, "-l"], stdin=stdin)
            _until(lambda: out.exists() and out.read_bytes().count(b"\n") >= messages, f"{messages} lines", log)
            rate = messages / (time.perf_counter() - began_s)
            publisher.wait()
            return rate
        finally:
            process.kill()
            process.wait()


def _until(condition, what: str, log: Path, timeout_s: float = 60) -> None:  # type: ignore[no-untyped-def]
    ends_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > ends_s:
            raise TimeoutError(f"{what}: not within {timeout_s:.0f} s; {log.read_text()[-800:]}")
        time.sleep(0.05)
