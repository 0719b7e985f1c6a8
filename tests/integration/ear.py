"""Somebody who listens to everything on the bus and can say anything: what tests look at and provoke with."""

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import paho.mqtt.client as paho

from bus_schema import Address, Topic, parse_topic
from tests.brokers import RunningBroker
from tests.waiting import eventually

SITE = "garage"


@dataclass(frozen=True)
class Heard:
    """A message as it came."""

    topic: str
    payload: bytes
    retained: bool

    @property
    def address(self) -> Address:
        """Where it came from."""
        return parse_topic(self.topic)

    def read(self) -> Any:
        """The message in the contract's type. Raises ContractError."""
        return self.address.topic.decode(self.payload)


class Ear:
    """A plain MQTT client of its own (paho), so that the code under test is not its own witness.

    Keeps what it heard until :meth:`forget`; connects again by itself when the broker is restarted.
    """

    def __init__(self, broker: RunningBroker, client_id: str = "ear") -> None:
        self.heard: list[Heard] = []
        self._lock = threading.Lock()
        self._broker = broker
        self._subscribed = threading.Event()
        client = self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=client_id)
        client.reconnect_delay_set(0.1, 0.5)
        client.on_connect = lambda *_: client.subscribe(f"ev/v1/{SITE}/#", 1)
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_disconnect = lambda *_: self._subscribed.clear()
        client.on_message = self._take

    async def __aenter__(self) -> "Ear":
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=10)
        self._client.loop_start()
        await self.listening()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None):
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    async def listening(self) -> None:
        """Wait until it is subscribed."""
        await eventually(self._subscribed.is_set, 20, "the ear is subscribed")

    def _take(self, client: Any, data: Any, message: paho.MQTTMessage) -> None:
        with self._lock:
            self.heard.append(Heard(message.topic, message.payload, message.retain))

    def all(self, topic: Topic[Any], *, retained: bool | None = None, **ids: str) -> list[Any]:
        """Everything heard on ``topic``, read, oldest first; ``ids`` narrow it down."""
        return [heard.read() for heard in self.raw(topic, **ids) if retained in (None, heard.retained)]

    def raw(self, topic: Topic[Any], **ids: str) -> list[Heard]:
        """The same, unread."""
        with self._lock:
            found = list(self.heard)
        return [
            heard for heard in found if heard.payload and paho.topic_matches_sub(topic.filter(SITE, **ids), heard.topic)
        ]

    def last(self, topic: Topic[Any], **ids: str) -> Any:
        """The newest message on ``topic``, or None."""
        found = self.raw(topic, **ids)
        return found[-1].read() if found else None

    def forget(self) -> None:
        """Forget what was heard."""
        with self._lock:
            self.heard.clear()

    async def hears(
        self, topic: Topic[Any], condition: Callable[[Any], bool] = bool, within_s: float = 15.0, **ids: str
    ) -> Any:
        """Wait for a message on ``topic`` for which ``condition`` holds, and return it; old ones count."""

        def found() -> list[Any]:
            return [message for message in self.all(topic, **ids) if condition(message)][-1:]

        try:
            return (await eventually(found, within_s, f"{topic.name} {ids}"))[0]
        except AssertionError as error:
            raise AssertionError(
                f"{error}\nheard on it: {self.all(topic, **ids)[-5:]}\nand: {self.summary()}"
            ) from None

    def summary(self) -> dict[str, int]:
        """How many messages came on each topic."""
        with self._lock:
            counts: dict[str, int] = {}
            for heard in self.heard:
                counts[heard.topic] = counts.get(heard.topic, 0) + 1
            return counts

    def violations(self) -> list[str]:
        """What was heard that breaks the contract: unreadable, or retained where it must not be."""
        found = []
        with self._lock:
            heard_so_far = list(self.heard)
        for heard in heard_so_far:
            try:
                row = parse_topic(heard.topic).topic
                if heard.payload or not row.clearable:
                    row.decode(heard.payload)
                if heard.retained and not row.retained:
                    found.append(f"{heard.topic}: retained")
            except ValueError as error:
                found.append(f"{heard.topic}: {error}")
        return found

    async def say(self, topic: Topic[Any], message: Any, *, retain: bool | None = None, **ids: str) -> None:
        """Publish a message of the contract."""
        payload = topic.encode(message)
        await self.shout(topic.format(SITE, **ids), payload, topic.qos, topic.retained if retain is None else retain)

    async def shout(self, topic: str, payload: bytes | dict[str, Any], qos: int = 1, retain: bool = False) -> None:
        """Publish anything at all."""
        data = json.dumps(payload).encode() if isinstance(payload, dict) else payload
        info = self._client.publish(topic, data, qos, retain)
        await asyncio.to_thread(info.wait_for_publish, 10)
        assert info.is_published(), f"the broker did not take {topic}"
