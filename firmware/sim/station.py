"""One virtual charger in the process: app, hardware, drivers, connection and what survives a kill."""

import asyncio
import logging
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from firmware.app.charger import Charger
from firmware.app.http import HttpFetch, HttpPut
from firmware.app.mqtt import MqttClient
from firmware.app.settings import FILES as SETTINGS_FILES
from firmware.app.settings import Settings
from firmware.app.storage import FileStorage
from firmware.app.version import FIRMWARE
from firmware.cp_pwm.specification.instants import NEVER
from firmware.sim.broker_login import BrokerLogin
from firmware.sim.car_log import CarLog
from firmware.sim.charger import Identity, VirtualCharger
from firmware.sim.clock import VirtualClock
from firmware.sim.driver import Driver
from firmware.sim.firmware import VirtualFirmware
from firmware.sim.hardware import VirtualHardware
from firmware.sim.meter import VirtualMeter
from firmware.sim.physical_state import PhysicalState
from firmware.sim.ratings import Ratings
from firmware.sim.slots import VirtualSlots
from firmware.sim.visits import Visit

GOODBYE_S = 2.0
"""Longest time for saying good-bye to the broker. s."""

LONGEST_WAIT_S = 1.0
"""A step is made at least so often in real time, so that a clock that jumps stops nothing. s."""

log = logging.getLogger("firmware.sim")


def real_utc_ms() -> int:
    """Return this machine's UTC. ms since 1970."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class ScaledTime:
    """World time: real time, made faster."""

    speed: float
    start_s: float
    """Real monotonic time at which the world began. s."""

    def now_ms(self) -> int:
        """Return the world's time. ms."""
        return 1_000 + int((time.monotonic() - self.start_s) * self.speed * 1_000)

    def real_s(self, world_ms: int) -> float:
        """Return how long so much of the world's time takes. s."""
        return world_ms / 1_000 / self.speed


class _Clock(VirtualClock):
    """Ticks of the world's time; the date is this machine's, so that deadlines of commands mean what they say."""

    __slots__ = ("_known", "_set_ms")

    def __init__(self, now_ms: int, network_time: bool) -> None:
        super().__init__(now_ms)
        self._known = network_time
        self._set_ms = 0

    def utc_ms(self) -> int | None:
        return real_utc_ms() + self._set_ms if self._known else None

    def set_utc_ms(self, utc_ms: int) -> None:
        self._known, self._set_ms = True, utc_ms - real_utc_ms()


@dataclass(frozen=True)
class StationOptions:
    """What all chargers of the process have in common."""

    site: str
    folder: Path
    """Folder of the chargers' flash and physical state."""
    login: BrokerLogin
    world: ScaledTime
    cars: CarLog
    network_time: bool = True
    """Whether the chargers know the date from boot on."""
    firmware_keys: tuple[int, ...] = ()
    """Moduli of the keys that may sign firmware."""
    required_sources: tuple[str, ...] = ()
    """Setting ``required_sources`` of a charger that was never set up."""


def set_up(storage: FileStorage, required_sources: tuple[str, ...]) -> None:
    """Give a new charger the setting that its technician would have; leave one alone that has been set up already."""
    settings = Settings(storage)
    settings.load()
    if required_sources and not settings.damaged and not any(storage.read(name) for name in SETTINGS_FILES):
        settings.change({"required_sources": required_sources})


class Station:
    """One virtual charger. :meth:`run` runs it until :meth:`stop`."""

    def __init__(self, options: StationOptions, charger: str, visit: Callable[[int], Visit] | None) -> None:
        """Prepare it as it was left. ``visit`` draws the drivers' visits; None for nobody ever coming."""
        self.charger_id = charger
        self._options = options
        self._wake = asyncio.Event()
        self._stopping = False
        self._due_at_once = False
        self._connected = False
        now_ms = options.world.now_ms()
        flash = options.folder / charger
        flash.mkdir(parents=True, exist_ok=True)
        storage = FileStorage(str(flash))
        set_up(storage, options.required_sources)
        self._physical = PhysicalState(options.folder / f"{charger}.physical")
        kept = self._physical.load() or {}
        ratings = Ratings()
        self.hardware = VirtualHardware(ratings, now_ms, VirtualMeter(ratings.phases, kept.get("true_wh", 0.0)))
        self.hardware.on_energy = self._save
        self._plug_register_wh: int = kept.get("plug_register_wh", 0)
        self.driver = Driver(self.hardware, visit, self._happened, now_ms) if visit is not None else None
        if self.driver is not None and kept.get("driver"):
            self.driver.restore(kept["driver"], now_ms)
        self.charger = VirtualCharger(
            Identity(options.site, charger),
            self.hardware,
            storage,
            None,
            os.urandom,
            now_ms,
            make_clock=lambda boot_ms: _Clock(boot_ms, options.network_time),
            firmware=self._firmware(),
        )
        self._client: MqttClient | None = None

    def _firmware(self) -> VirtualFirmware:
        options = self._options
        password = options.login.password(self.charger_id)
        tls = ssl.create_default_context()
        return VirtualFirmware(
            VirtualSlots(FIRMWARE, options.folder / f"{self.charger_id}.slots"),
            lambda url: HttpFetch(url, tls),
            lambda url, length, pieces: HttpPut(url, length, pieces, tls),
            options.firmware_keys,
            () if password is None else (password,),
        )

    # --- what the MQTT client calls ---

    def will(self) -> tuple[str, str, int, bool]:
        """What the broker says when the charger is lost."""
        return self._app.will()

    def subscriptions(self) -> list[tuple[str, int]]:
        """Topics to subscribe to."""
        return self._app.subscriptions()

    def on_connected(self) -> None:
        """Connected and subscribed."""
        self._connected = True
        self._bring_to_now()
        self._app.on_connected()
        self._step_soon()

    def on_disconnected(self) -> None:
        """Not connected any more."""
        self._connected = False
        self._bring_to_now()
        self._app.on_disconnected()
        self._step_soon()

    def on_message(self, topic: str, payload: bytes, retained: bool) -> None:
        """Hand a message to the app."""
        self._bring_to_now()
        self._app.on_message(topic, payload, retained)
        self._step_soon()

    @property
    def _app(self) -> Charger:
        if self.charger.app is None:
            raise RuntimeError(f"{self.charger_id} is switched off")
        return self.charger.app

    def _bring_to_now(self) -> None:
        """Make up for the time since the last step, everything at its own instant.

        At high speed a short pause of this process is seconds of the world; the app must tick in between, or the
        interlock would take it for hung.
        """
        now_ms = self._options.world.now_ms()
        while (due_ms := self.charger.next_ms()) <= now_ms:
            self.charger.run(due_ms)
        self.charger.advance(now_ms)

    def _step_soon(self) -> None:
        self._due_at_once = True
        self._wake.set()

    # --- life ---

    async def run(self) -> None:
        """Run until :meth:`stop`; every restart that the app asks for is a new boot."""
        while not self._stopping:
            client = self._new_client()
            self.charger.link = client
            self.charger.boot(self._options.world.now_ms())
            network = asyncio.create_task(client.run(), name=f"mqtt {self.charger_id}")
            try:
                await self._steps(network)
                if self._stopping or self.charger.restart_wanted == "soft":
                    client.stop()
                    await asyncio.wait((network,), timeout=GOODBYE_S)
            finally:
                network.cancel()
                await asyncio.gather(network, return_exceptions=True)
                self.charger.power_off(self._options.world.now_ms())
                self._save()
        self._physical.close()

    def stop(self) -> None:
        """Let :meth:`run` say good-bye and return."""
        self._stopping = True
        self._wake.set()

    def _new_client(self) -> MqttClient:
        login = self._options.login
        client = MqttClient(
            login.host,
            login.port,
            f"{self._options.site}-{self.charger_id}",
            os.urandom,
            self.charger_id,
            login.password(self.charger_id),
            login.context(self.charger_id),
        )
        client.owner = self
        return client

    async def _steps(self, network: "asyncio.Task[None]") -> None:
        """Move through time until stopped, or until the app wants a restart."""
        world = self._options.world
        told = ""
        while not self._stopping and self.charger.restart_wanted is None:
            if network.done():
                network.result()
            self._bring_to_now()
            now_ms = self.charger.clock.now_ms
            if self._due_at_once:
                self._due_at_once = False
                self.charger.run(now_ms, force=True)
            if self.driver is not None and self.driver.next_ms() <= now_ms:
                self.driver.run(now_ms)
                self.charger.run(now_ms, force=True)
            told = self._tell(told)
            due_ms = min(self.charger.next_ms(), self.driver.next_ms() if self.driver is not None else NEVER)
            wait_s = min(LONGEST_WAIT_S, max(0.0, world.real_s(due_ms - world.now_ms())))
            self._wake.clear()
            if not self._due_at_once and wait_s > 0:
                await self._pause(wait_s)
            else:
                await asyncio.sleep(0)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    def _tell(self, told: str) -> str:
        """Log a change of the connection; return what was said."""
        client = self._client_of()
        state = "connected" if client.connected else client.last_error
        if state and state != told:
            level = logging.INFO if client.connected else logging.WARNING
            log.log(level, "%s: %s", self.charger_id, state)
        return state or told

    def _client_of(self) -> MqttClient:
        client = self.charger.link
        if not isinstance(client, MqttClient):
            raise TypeError("a station's link is an MQTT client")
        return client

    # --- what survives ---

    def _happened(self, event: str, number: int, visit: Visit) -> None:
        """Write down that a car was plugged in or out, then keep it."""
        register_wh = int(self.hardware.meter.true_wh)
        if event == "plugged":
            self._plug_register_wh = register_wh
        self._options.cars.append(
            {
                "event": event,
                "ts": real_utc_ms(),
                "site": self._options.site,
                "charger": self.charger_id,
                "visit": number,
                "car": visit.car.name,
                "card": visit.card,
                "energy_wh": round(visit.car.energy_wh, 3),
                "plug_register_wh": self._plug_register_wh,
                "register_wh": register_wh,
            }
        )
        self._save()

    def _save(self) -> None:
        """Keep the physical side: before the app can know of it."""
        now_ms = self._options.world.now_ms()
        self._physical.save(
            {
                "true_wh": self.hardware.meter.true_wh,
                "plug_register_wh": self._plug_register_wh,
                "driver": self.driver.state(now_ms) if self.driver is not None else None,
            }
        )
