"""The recorder as a child process, and a plain client to look at the bus with."""

import json
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho

from bus_schema import Topic
from bus_schema.topics import AGENT_HEALTH, CHARGER_EVENT
from tests.brokers import RunningBroker
from tests.runtime.fakes import SITE, event
from tests.waiting import eventually_sync


class RecorderProcess:
    """`tests.runtime.recorder` with its folder, output and database."""

    def __init__(self, folder: Path, broker: RunningBroker, extra: str = "") -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.config = folder / "site.toml"
        self.config.write_text(
            f'site = "{SITE}"\n[broker]\nhost = "{broker.host}"\nport = {broker.port}\n'
            f"[recorder]\nfolder = '{folder}'\n{extra}"
        )
        self.lines: list[str] = []
        self.log: list[dict[str, Any]] = []
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.runtime.recorder", str(self.config)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.process = process

        def read_output() -> None:
            for line in process.stdout or ():
                self.lines.append(line.strip())

        def read_log() -> None:
            for line in process.stderr or ():
                try:
                    self.log.append(json.loads(line))
                except ValueError:
                    self.log.append({"event": "not JSON", "text": line})

        for reader in (read_output, read_log):
            threading.Thread(target=reader, daemon=True).start()

    def wait_for(self, line: str, within_s: float = 15) -> None:
        eventually_sync(lambda: line in self.lines, within_s, lambda: f"{line!r} in {self.lines} {self.log[-3:]}")

    def wait_for_log(self, name: str, within_s: float = 15) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            return next((entry for entry in self.log if entry.get("event") == name), None)

        result = eventually_sync(found, within_s, f"log {name!r}")
        assert result is not None
        return result

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def terminate(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(20)

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def committed(self) -> list[int]:
        with sqlite3.connect(self.folder / "data" / "recorder.sqlite3") as connection:
            return [row[0] for row in connection.execute("SELECT seq FROM event ORDER BY seq")]


class Probe:
    """A client that publishes and remembers what it hears."""

    def __init__(self, broker: RunningBroker) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self._subscribed = threading.Event()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda _c, _u, m: self.heard.append((m.topic, m.payload, m.retain))
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()

    def listen(self, topic_filter: str, qos: int = 1) -> None:
        self._subscribed.clear()
        self._client.subscribe(topic_filter, qos)
        assert self._subscribed.wait(10)

    def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos, retain).wait_for_publish(10)

    def event(self, seq: int) -> None:
        self.publish(CHARGER_EVENT.format(SITE, charger="c1"), CHARGER_EVENT.encode(event(seq)))

    def messages(self, topic: Topic[Any], **ids: str) -> list[Any]:
        name = topic.format(SITE, **ids)
        return [topic.decode(payload) for at, payload, _ in self.heard if at == name]

    def health(self, agent: str = "recorder") -> list[Any]:
        return self.messages(AGENT_HEALTH, agent=agent)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
