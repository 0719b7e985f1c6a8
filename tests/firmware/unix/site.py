"""Ledger and access in one, on a real broker: stores every event, acknowledges it, lets everybody charge."""

import random
import ssl
from typing import Any

from tests.brokers import RunningBroker
from tests.firmware.listener import Listener

EventKey = tuple[str, int]
"""boot_id and number of an event."""


class Site(Listener):
    """The other side of the bus. ``acks``: which part of the events is acknowledged at once, 0 to 1."""

    def __init__(
        self, broker: RunningBroker, seed: int = 0, acks: float = 1.0, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(broker, tls)
        self.events: dict[EventKey, dict[str, Any]] = {}
        """What the ledger has, in the order of its coming."""
        self.conflicts: list[EventKey] = []
        """Events that came again as something else."""
        self.repeated = 0
        self.states: list[dict[str, Any]] = []
        self.replies: list[dict[str, Any]] = []
        self.online: list[bool] = []
        self.settings: dict[str, Any] | None = None
        """What the charger is told to be configured as, until it has said that it is."""
        self._configures = ""
        self._boots: dict[str, int] = {}
        self.latest_ms = 1_800_000_000_000
        """Latest moment that was heard of."""
        self.acks = acks
        self._random = random.Random(f"site {seed}")
        self._commands = 0

    def take(self, name: str, topic: str, message: dict[str, Any], retained: bool) -> None:
        if name == "charger_event":
            self._take(topic, message)
        elif name == "charger_online":
            self.online.append(message["online"])
        elif name == "charger_command_reply":
            self.replies.append(message)
            if message["id"] == self._configures and message["stage"] == "done":
                self.settings = None
        elif name == "charger_state" and not retained:
            self.states.append(message)
            self._answer(topic.removesuffix("/state"), message)

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
            self.acknowledge(topic, message, self.utc(message))

    def _answer(self, charger_topic: str, state: dict[str, Any]) -> None:
        """Configure the charger, and let whoever has come charge."""
        if self.settings is not None:
            self._configures = self.send(charger_topic, self.utc(state), op="configure", settings=self.settings)
        if state["status"] == "Preparing" and not state.get("session"):
            token = {"type": "no_authorization", "value": ""}
            self.send(charger_topic, self.utc(state), op="authorize", id_token=token)

    def utc(self, message: dict[str, Any]) -> int:
        """The time by which this site lives: the charger's, or its uptime, one boot after the other."""
        if message["ts"] is not None:
            now_ms = int(message["ts"])
        else:
            base_ms = self._boots.setdefault(message["boot_id"], self.latest_ms + 1000)
            now_ms = base_ms + int(message["uptime_ms"])
        self.latest_ms = max(self.latest_ms, now_ms)
        return now_ms

    def send(self, charger_topic: str, now_utc: int, **command: Any) -> str:
        """Send a command; return its id."""
        self._commands += 1
        number = f"n{self._commands}"
        self.command(charger_topic, number, now_utc, **command)
        return number
