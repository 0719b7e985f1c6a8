"""``python -m firmware.sim`` on a real broker: charging soon, killed and started again, stopped."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from firmware.sim.__main__ import main
from firmware.sim.broker_login import LoginError, read_passwords
from tests.brokers import RunningBroker


class Backend:
    """Says yes to every card and takes every event."""

    def __init__(self, broker: RunningBroker) -> None:
        self.states: dict[str, dict[str, Any]] = {}
        self.online: dict[str, bool] = {}
        self.events: dict[tuple[str, str, int], dict[str, Any]] = {}
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self.client.on_message = self._take
        self.client.connect(broker.host, broker.port)
        self.client.subscribe("ev/v1/garage/charger/#", 1)
        self.client.loop_start()

    def _take(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        _, _, _, _, charger, *suffix = message.topic.split("/")
        payload = json.loads(message.payload)
        now_ms = time.time_ns() // 1_000_000
        if suffix == ["state"]:
            self.states[charger] = payload
        elif suffix == ["online"]:
            self.online[charger] = payload["online"]
        elif suffix == ["event"]:
            key = (charger, payload["boot_id"], payload["seq"])
            self._send(charger, "event/ack", {"ts": now_ms, "boot_id": key[1], "seq": key[2]})
            if key not in self.events and payload["type"] == "card_presented":
                self.command(charger, "authorize", id_token=payload["id_token"])
            self.events[key] = payload

    def command(self, charger: str, op: str, **fields: object) -> None:
        now_ms = time.time_ns() // 1_000_000
        head = {"op": op, "id": os.urandom(8).hex(), "source": "access", "ts": now_ms, "deadline_ts": now_ms + 5_000}
        self._send(charger, "command/from/access", head | fields)

    def _send(self, charger: str, suffix: str, message: dict[str, Any]) -> None:
        self.client.publish(f"ev/v1/garage/charger/{charger}/{suffix}", json.dumps(message), 1)

    def charging(self) -> int:
        return sum(state["status"] == "Charging" for state in list(self.states.values()))

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


class Sim:
    def __init__(self, broker: RunningBroker, data: Path, *options: str) -> None:
        self.command = [sys.executable, "-m", "firmware.sim", "--site", "garage", "--host", broker.host]
        self.command += ["--port", str(broker.port), "--data", str(data), *options]
        self.process = self.start()

    def start(self) -> "subprocess.Popen[bytes]":
        self.process = subprocess.Popen(self.command)
        return self.process

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(10)


@pytest.mark.broker
def test_six_of_six_charge_and_stop_cleanly(broker: RunningBroker, tmp_path: Path) -> None:
    backend, sim = Backend(broker), Sim(broker, tmp_path / "data")
    try:
        wait_for(lambda: backend.charging() == 6, 40, "six cars charge")
        boot_id = backend.states["c1"]["boot_id"]
        backend.command("c1", "reset", kind="soft")
        wait_for(lambda: backend.states["c1"]["boot_id"] != boot_id, 10, "c1 boots anew")
        assert sum(state["boot_id"] != boot_id for state in backend.states.values()) == 6
        assert sim.process.poll() is None
        assert sim.end(signal.SIGTERM) == 0
        wait_for(lambda: not any(backend.online.values()), 5, "all say good-bye")
    finally:
        sim.process.kill()
        sim.process.wait()
        backend.close()


@pytest.mark.broker
def test_kill_is_a_power_loss(broker: RunningBroker, tmp_path: Path) -> None:
    backend = Backend(broker)
    sim = Sim(broker, tmp_path / "data", "--drivers", "quick", "--chargers", "4", "--no-network-time")
    cars = tmp_path / "data" / "cars.jsonl"
    try:
        for _ in range(2):
            before = len(backend.events)
            wait_for(lambda before=before: len(backend.events) >= before + 12, 30, "events")  # type: ignore[misc]
            wait_for(lambda: backend.charging() >= 2, 30, "two cars charge")
            sim.end(signal.SIGKILL)
            backend.states.clear()
            sim.start()
        left = cars.read_text().count('"unplugged"')
        wait_for(lambda: cars.read_text().count('"unplugged"') >= left + 2, 40, "cars leave")
    finally:
        sim.end(signal.SIGTERM)
        backend.close()
    _check_energies(backend, cars)


def _check_energies(backend: Backend, cars: Path) -> None:
    """What the cars took is what the meter counted, and sessions neither overlap nor exceed it."""
    left = {}
    for line in cars.read_text().splitlines():
        record = json.loads(line)
        if record["event"] == "unplugged":
            left[record["charger"], record["visit"]] = record
    assert len(left) >= 2
    for record in left.values():
        assert abs(record["register_wh"] - record["plug_register_wh"] - record["energy_wh"]) < 1.001, record
    for charger in {charger for charger, _ in left}:
        ends = [e for (c, _, _), e in backend.events.items() if c == charger and e["type"] == "session_ended"]
        spans = sorted((event["start_energy_wh"], event["energy_wh"]) for event in ends)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans)), spans


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--site", "Garage!"], "site id"),
        (["--chargers", "0"], "--chargers is 0"),
        (["--speed", "nan"], "--speed is nan"),
        (["--port", "70000"], "--port is 70000"),
        (["--required-source", "Balancer!"], "--required-source is not an id"),
        (["--password-file", "/nonexistent"], "password file /nonexistent"),
    ],
)
def test_bad_options(options: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--site", "garage", "--data", str(tmp_path), *options]) == 2
    assert reason in capsys.readouterr().err


def test_a_folder_has_one_process(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        command = [sys.executable, "-m", "firmware.sim", "--site", "garage", "--data", str(tmp_path)]
        command += ["--port", str(nobody.getsockname()[1]), "--chargers", "1"]
        with subprocess.Popen(command) as first:
            wait_for(lambda: (tmp_path / "c1.physical").exists(), 10, "the first runs")
            second = subprocess.run(command, capture_output=True, text=True, check=False)
            first.terminate()
        assert (second.returncode, first.returncode) == (2, 0)
        assert "already" in second.stderr


def test_password_file(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    path.write_text("# comment\n\nc1:one:two\nshared secret\n")
    assert read_passwords(path) == ("shared secret", {"c1": "one:two"})
    path.write_text("a\nb\n")
    with pytest.raises(LoginError, match="line 2"):
        read_passwords(path)
