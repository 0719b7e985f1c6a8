"""The edge: one charger, one broker, one asyncio loop. The same on ESP32, on MicroPython's unix port and on CPython."""

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .charger import Charger
    from .mqtt import MqttClient

POLL_MS = 100
"""Longest sleep: cards and the pilot are looked at ten times a second."""


class Runner:
    """Lets a charger that has booted tick: when it is due, ten times a second, and with every message.

    It is the MQTT client's ``owner``.
    """

    def __init__(self, charger: "Charger", client: "MqttClient", poll_ms: int = POLL_MS) -> None:
        self._charger = charger
        self._client = client
        self._poll_ms = poll_ms
        self._running = True
        client.owner = self

    def will(self) -> tuple[str, str, int, bool]:
        """What the broker says when the charger is lost."""
        return self._charger.will()

    def subscriptions(self) -> list[tuple[str, int]]:
        """Topics to subscribe to."""
        return self._charger.subscriptions()

    def on_connected(self) -> None:
        """Connected and subscribed."""
        self._charger.on_connected()
        self._charger.tick()

    def on_disconnected(self) -> None:
        """Not connected any more."""
        self._charger.on_disconnected()
        self._charger.tick()

    def on_message(self, topic: str, payload: bytes, retained: bool) -> None:
        """Answer at once."""
        self._charger.on_message(topic, payload, retained)
        self._charger.tick()

    async def run(self) -> None:
        """Run until :meth:`stop` or cancellation."""
        network = asyncio.create_task(self._client.run())
        try:
            while self._running:
                wait = self._charger.tick()
                await asyncio.sleep(min(wait, self._poll_ms) / 1000)
            await network
        finally:
            network.cancel()

    def stop(self) -> None:
        """Say good-bye to the broker and let :meth:`run` return."""
        self._running = False
        self._client.stop()
