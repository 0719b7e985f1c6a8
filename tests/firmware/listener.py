"""Whoever listens to the chargers of a site on a real broker: reads everything they say, by the contract."""

import json
import os
import ssl
from typing import Any

from bus_schema.topic import Role
from bus_schema.topics import parse_topic
from firmware.app.mqtt import MqttClient
from tests.brokers import RunningBroker


class Listener:
    """A client named ``site``; what it does about what it hears is :meth:`take`'s."""

    def __init__(self, broker: RunningBroker, tls: ssl.SSLContext | None = None) -> None:
        self.client = MqttClient(broker.host, broker.port, "site", os.urandom, ssl=tls)
        self.client.owner = self
        self.seen: list[tuple[str, dict[str, Any]]] = []
        """Name of the topic and message, in the order of their coming."""

    def will(self) -> tuple[str, str, int, bool]:
        return ("unused", "", 0, False)

    def subscriptions(self) -> list[tuple[str, int]]:
        return [("ev/v1/garage/charger/+/#", 1)]

    def on_connected(self) -> None: ...

    def on_disconnected(self) -> None: ...

    def on_message(self, topic: str, payload: bytes, retained: bool) -> None:
        address = parse_topic(topic)
        if Role.CHARGER not in address.topic.writers:
            return  # What was said to a charger, wrong on purpose perhaps.
        address.topic.decode(payload)
        message = json.loads(payload)
        self.seen.append((address.topic.name, message))
        self.take(address.topic.name, topic, message, retained)

    def take(self, name: str, topic: str, message: dict[str, Any], retained: bool) -> None:
        """Do what this one does about a message."""

    def of(self, name: str) -> list[dict[str, Any]]:
        """Return what came on the topic of this name."""
        return [message for topic, message in self.seen if topic == name]

    def acknowledge(self, topic: str, event: dict[str, Any], utc_ms: int) -> None:
        """Say to a charger that an event is committed."""
        ack = {"ts": utc_ms, "boot_id": event["boot_id"], "seq": event["seq"]}
        self.client.publish(f"{topic}/ack", json.dumps(ack), 1, False)

    def command(self, charger_topic: str, number: str, utc_ms: int, **fields: object) -> None:
        """Send a command that is good for a minute."""
        head = {"ts": utc_ms, "id": number, "source": "access", "deadline_ts": utc_ms + 60_000}
        self.client.publish(f"{charger_topic}/command/from/access", json.dumps(head | fields), 1, False)
