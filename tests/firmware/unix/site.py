"""Ledger and access in one, on a real broker: stores every event, acknowledges it, lets everybody charge."""

import json
import os
import random
from typing import Any

from bus_schema.topics import parse_topic
from firmware.app.mqtt import MqttClient
from tests.brokers import RunningBroker

EventKey = tuple[str, int]
"""boot_id and number of an event."""


class Site:
    """The other side of the bus. ``acks``: which part of the events is acknowledged at once, 0 to 1."""

    def __init__(self, broker: RunningBroker, seed: int = 0, acks: float = 1.0) -> None:
        self.client = MqttClient(broker.host, broker.port, "site", os.urandom)
        self.client.owner = self
        self.events: dict[EventKey, dict[str, Any]] = {}
        """What the ledger has, in the order of its coming."""
        self.conflicts: list[EventKey] = []
        """Events that came again as something else."""
        self.repeated = 0
        self.states: list[dict[str, Any]] = []
        self.replies: list[dict[str, Any]] = []
        self.online: list[bool] = []
        self.authorizes = True
        self.acks = acks
        self._random = random.Random(f"site {seed}")
        self._commands = 0

    def will(self) -> tuple[str, str, int, bool]:
        return ("unused", "", 0, False)

    def subscriptions(self) -> list[tuple[str, int]]:
        return [("ev/v1/garage/charger/+/#", 1)]

    def on_connected(self) -> None: ...

    def on_disconnected(self) -> None: ...

    def on_message(self, topic: str, payload: bytes, retained: bool) -> None:
        address = parse_topic(topic)
        address.topic.decode(payload)
        message = json.loads(payload)
        name = address.topic.name
        if name == "charger_event":
            self._take(topic, message)
        elif name == "charger_online":
            self.online.append(message["online"])
        elif name == "charger_command_reply":
            self.replies.append(message)
        elif name == "charger_state" and not retained:
            self.states.append(message)
            if self.authorizes and message["status"] == "Preparing" and not message.get("session"):
                self._authorize(topic, message)

    def _take(self, topic: str, message: dict[str, Any]) -> None:
        key = (message["boot_id"], message["seq"])
        body = {name: value for name, value in message.items() if name != "oldest_seq"}
        if key not in self.events:
            self.events[key] = body
        else:
            self.repeated += 1
            if self.events[key] != body:
                self.conflicts.append(key)
        if self._random.random() < self.acks:
            ack = {"ts": utc(message), "boot_id": message["boot_id"], "seq": message["seq"]}
            self.client.publish(f"{topic}/ack", json.dumps(ack), 1, False)

    def _authorize(self, topic: str, message: dict[str, Any]) -> None:
        token = {"type": "no_authorization", "value": ""}
        self.send(topic.removesuffix("/state"), utc(message), op="authorize", id_token=token)

    def send(self, charger_topic: str, now_utc: int, **command: Any) -> str:
        """Send a command; return its id."""
        self._commands += 1
        number = f"n{self._commands}"
        head = {"ts": now_utc, "id": number, "source": "access", "deadline_ts": now_utc + 60_000}
        self.client.publish(f"{charger_topic}/command", json.dumps(head | command), 1, False)
        return number


def utc(message: dict[str, Any]) -> int:
    """The time by which this site lives, from a charger's message."""
    return 1_800_000_000_000 + int(message.get("uptime_ms") or 0)
