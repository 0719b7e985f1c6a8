"""Virtual chargers in real time: the firmware's app and its own MQTT client on virtual hardware."""

import asyncio
import contextlib
import os
import time
from pathlib import Path

from firmware.app.mqtt import MqttClient
from firmware.app.storage import FileStorage
from firmware.sim.car import VirtualCar
from firmware.sim.charger import Identity, VirtualCharger
from firmware.sim.hardware import VirtualHardware
from firmware.sim.ratings import Ratings
from tests.brokers import RunningBroker
from tests.integration.ear import SITE
from tests.waiting import eventually

CARD = "04C4A26E5B1680"
OTHER_CARD = "04C4A26E5B1681"


def quick_car(wanted_wh: float = 10.0, name: str = "car") -> VirtualCar:
    """A car that wakes at once and takes ``wanted_wh`` with 22 kW: 6 Wh a second."""
    car = VirtualCar.needing(wanted_wh, max_current_a=32.0, phases=3, name=name)
    car.wake_up_ms = 100
    car.reaction_ms = 100
    return car


class RunningCharger:
    """One charger with its power, its cable to the broker, and its socket."""

    def __init__(self, charger: str, broker: RunningBroker, folder: Path, ratings: Ratings | None = None) -> None:
        flash = folder / f"flash-{charger}"
        flash.mkdir(exist_ok=True)
        self.id = charger
        self._broker = broker
        now_ms = _now_ms()
        # Nothing comes between these two readings: the charger's clock would be ahead by as long as it takes, and a
        # command sent at once would seem older than its boot.
        utc_offset_ms = time.time_ns() // 1_000_000 - now_ms
        self.hardware = VirtualHardware(ratings or Ratings(), now_ms)
        self._client = self._new_client()
        self.device = VirtualCharger(
            Identity(SITE, charger), self.hardware, FileStorage(str(flash)), self, os.urandom, now_ms, utc_offset_ms
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._poke = asyncio.Event()

    # --- the link of the app, which survives a change of the client underneath ---

    @property
    def connected(self) -> bool:
        return self._client.connected

    def publish(self, topic: str, payload: str | bytes, qos: int, retain: bool) -> bool:
        return self._client.publish(topic, payload, qos, retain)

    # --- the owner of the client ---

    def will(self) -> tuple[str, str, int, bool]:
        return self._app.will()

    def subscriptions(self) -> list[tuple[str, int]]:
        return self._app.subscriptions()

    def on_connected(self) -> None:
        self.device.advance(_now_ms())
        self._app.on_connected()
        self._run()

    def on_disconnected(self) -> None:
        if self.device.app is not None:
            self.device.advance(_now_ms())
            self._app.on_disconnected()
            self._run()

    def on_message(self, topic: str, payload: bytes, retained: bool) -> None:
        self.device.advance(_now_ms())
        self._app.on_message(topic, payload, retained)
        self._run()

    # --- what a test does ---

    async def power_on(self) -> "RunningCharger":
        """Boot and connect."""
        self.device.boot(_now_ms())
        self._client = self._new_client()
        self._tasks = [asyncio.create_task(self._client.run()), asyncio.create_task(self._live())]
        await eventually(lambda: self.connected, 30, f"{self.id} is connected")
        return self

    async def power_off(self) -> None:
        """Lose power: nobody says good-bye, RAM is gone, flash and meter stay."""
        self.device.power_off(_now_ms())
        await self._drop()

    async def leave(self) -> None:
        """Switch off for good, at the end of a test."""
        self._client.stop()
        for task in self._tasks[:1]:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(task, 3)
        await self._drop()

    def plug(self, car: VirtualCar, cable_a: int = 32) -> VirtualCar:
        self.device.advance(_now_ms())
        self.hardware.plug(car, cable_a)
        self._poke.set()
        return car

    def unplug(self) -> VirtualCar:
        self.device.advance(_now_ms())
        car = self.hardware.unplug()
        self._poke.set()
        return car

    def tap(self, card: str = CARD) -> None:
        self.hardware.present_card(card)

    async def shows(self, word: str, within_s: float = 10.0) -> str:
        """Wait until the charger has shown ``word`` to the person before it; return the detail."""
        found = await eventually(
            lambda: [detail for shown, detail in self.hardware.indicated if shown == word],
            within_s,
            f"{self.id} shows {word}; it has shown {list(self.hardware.indicated)}",
        )
        return found[-1]

    async def takes(self, car: VirtualCar, energy_wh: float, within_s: float = 30.0) -> None:
        """Wait until the car has taken so much."""
        await eventually(
            lambda: car.energy_wh >= energy_wh - 0.01, within_s, f"{car.name} takes {energy_wh} Wh at {self.id}"
        )

    # --- its life ---

    @property
    def _app(self):
        assert self.device.app is not None
        return self.device.app

    def _new_client(self) -> MqttClient:
        client = MqttClient(
            self._broker.host, self._broker.port, f"{SITE}-{self.id}", os.urandom, user=self.id, password=None
        )
        client.backoff_ms = (200, 1000)
        client.owner = self
        return client

    def _run(self) -> None:
        self.device.run(_now_ms(), force=True)

    async def _live(self) -> None:
        while True:
            if self.device.restart_wanted is not None:
                await self._restart()
            self.device.run(_now_ms())
            wait_ms = min(max(1, self.device.next_ms() - _now_ms()), 50)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._poke.wait(), wait_ms / 1000)
            self._poke.clear()

    async def _restart(self) -> None:
        """What a microcontroller's reset does: the connection breaks, a new boot begins."""
        connection = self._tasks[0]
        self.device.power_off(_now_ms())
        connection.cancel()
        await asyncio.gather(connection, return_exceptions=True)
        self.device.boot(_now_ms())
        self._client = self._new_client()
        self._tasks[0] = asyncio.create_task(self._client.run())

    async def _drop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
