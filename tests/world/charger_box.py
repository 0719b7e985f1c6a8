"""A charger on its wall: firmware.sim's charger with flash that can tear, a link to the broker, and a socket.

Everything the app says or is told passes through here, so that checks see it from outside.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from bus_schema import Address, parse_topic
from firmware.app.charger import Charger
from firmware.sim.car import VirtualCar
from firmware.sim.charger import Identity, VirtualCharger
from firmware.sim.hardware import VirtualHardware
from firmware.sim.meter import VirtualMeter
from firmware.sim.ratings import Ratings
from tests.world.broker import Broker, Packet
from tests.world.entropy import stream
from tests.world.link import BusClient, LinkFaults
from tests.world.loop import VirtualLoop
from tests.world.storage import PowerLost, WorldStorage

LINK_QUEUE = 64
"""QoS 1 messages that the firmware's MQTT client keeps for the broker."""


class _Link:
    """The app's ``link``."""

    def __init__(self, box: "ChargerBox") -> None:
        self._box = box

    @property
    def connected(self) -> bool:
        return self._box.client.connection is not None

    def publish(self, topic: str, payload: str | bytes, qos: int, retain: bool) -> bool:
        raw = payload.encode() if isinstance(payload, str) else bytes(payload)
        box = self._box
        client = box.client
        taken = client.unconfirmed < LINK_QUEUE and client.publish(topic, raw, qos, retain)
        box.observer.published(box, topic, raw, taken)
        return taken


class Observer:
    """Who is told what happens at a charger. The world overrides what it wants to know."""

    def published(self, box: "ChargerBox", topic: str, payload: bytes, taken: bool) -> None: ...

    def received(self, box: "ChargerBox", address: Address, payload: bytes, retained: bool) -> None: ...

    def presented(self, box: "ChargerBox", uid: str) -> None: ...

    def booted(self, box: "ChargerBox") -> None: ...

    def stopped(self, box: "ChargerBox") -> None: ...

    def hangs(self, box: "ChargerBox") -> None: ...

    def stepped(self, box: "ChargerBox") -> None: ...

    def journalled(self, box: "ChargerBox", data: bytes) -> None: ...


class ChargerBox:
    """One charger of the site."""

    def __init__(
        self,
        loop: VirtualLoop,
        broker: Broker,
        faults: LinkFaults,
        *,
        site: str,
        charger: str,
        seed: int,
        epoch_ms: int,
        ratings: Ratings,
        meter: VirtualMeter,
        observer: Observer,
        network_time: Callable[[], bool] = lambda: True,
    ) -> None:
        self.id = charger
        self.observer = observer
        self.random: Random = stream(seed, "charger", charger)
        self.hardware = VirtualHardware(ratings, loop.now_ms, meter)
        self.hardware.on_indicate = self._indicated
        self.storage = WorldStorage(self._fate, self._appended)
        self.tear: Callable[[str, int], int | None] | None = None
        self.first_wh = meter.true_wh
        self.powered = False
        self.boots = 0
        self.boot_id = ""
        self.visits = 0
        self.unplugged_ms = 0
        self.count_effect: Callable[[str], None] = lambda _word: None
        self.hung = False
        self.ever_hung = False
        self.hung_ms = -1_000_000
        """When its app last stopped doing anything: hung, or ended for a restart."""
        self._loop, self._epoch_ms = loop, epoch_ms
        self._network_time = network_time
        self._scheduled = -1
        self.client = BusClient(
            loop,
            broker,
            stream(seed, "link", charger),
            faults,
            user=charger,
            client_id=f"{site}-{charger}",
            clean=True,
            will=self._will,
            subscriptions=lambda: self._app.subscriptions(),
            on_message=self._received,
            on_up=lambda: self._told("on_connected"),
            on_down=lambda: self._told("on_disconnected"),
            resend=True,
        )
        self.virtual = VirtualCharger(
            Identity(site, charger), self.hardware, self.storage, _Link(self), self.random.randbytes, loop.now_ms
        )
        self._unlock = self.hardware.unlock
        self.hardware.unlock = self._unlocked  # type: ignore[method-assign]
        self._addresses: dict[str, Address] = {}

    @property
    def silent(self) -> bool:
        """Whether no app runs: it hangs, or the next one has not booted yet."""
        return self.hung or self.virtual.app is None

    @property
    def in_session(self) -> bool:
        """Whether its app counts what flows towards a session; true as well while no app runs, which none can tell."""
        return self.silent or self._app.sessions.session is not None

    @property
    def _app(self) -> Charger:
        assert self.virtual.app is not None
        return self.virtual.app

    # --- power ---

    def power_on(self) -> None:
        """Boot: at the beginning, after an outage, after a restart."""
        if self.virtual.app is not None:
            return
        self.boots += 1
        self.powered = True
        self.hung = False
        self.observer.booted(self)
        self.virtual.utc_offset_ms = self._epoch_ms if self._network_time() else None
        self._guarded(lambda: self.virtual.boot(self._loop.now_ms))
        if self.virtual.app is not None:
            self.client.start()
            self._run(force=True)

    def power_off(self, back_after_ms: int) -> None:
        """The supply fails, and comes back."""
        if not self.powered:
            return
        self.powered = False
        self.observer.stopped(self)
        self.client.die(power=True)
        self.virtual.power_off(self._loop.now_ms)
        self._scheduled = -1
        self.observer.stepped(self)
        self._loop.at(self._loop.now_ms + back_after_ms, self.power_on)

    def hang(self, for_ms: int) -> None:
        """The interpreter hangs until the watchdog restarts it: nothing but the control pilot goes on."""
        if self.powered and self.virtual.app is not None:
            self.hung = self.ever_hung = True
            self.hung_ms = self._loop.now_ms
            self.observer.hangs(self)
            boots = self.boots
            self._loop.at(self._loop.now_ms + for_ms, lambda: self._restart() if self.boots == boots else None)

    def _restart(self) -> None:
        """The app ends, the control pilot goes on alone until the next boot."""
        if not self.powered:
            return
        self.observer.stopped(self)
        self.client.die(power=False)
        if not self.hung:
            self.hung_ms = self._loop.now_ms
        self.virtual.app = None
        self.virtual.restart_wanted = None
        boots = self.boots
        after_ms = self.random.randrange(300, 3000)
        self._loop.at(self._loop.now_ms + after_ms, lambda: self.power_on() if self.boots == boots else None)

    def set_clock(self, wrong_by_ms: int) -> None:
        """Make the charger's clock wrong, or (0) right, if it has a time at all."""
        if self.virtual.app is not None and self.utc_ms() is not None:
            self.virtual.clock.set_utc_ms(self._epoch_ms + self._loop.now_ms + wrong_by_ms)

    # --- what people do ---

    def plug(self, car: VirtualCar, cable_a: int) -> None:
        self._advance()
        self.visits += 1
        self.hardware.plug(car, cable_a)
        self._run()

    def unplug(self) -> VirtualCar:
        self._advance()
        self.unplugged_ms = self._loop.now_ms
        car = self.hardware.unplug()
        self._run()
        # Looked at even if nothing wakes the charger up.
        self._loop.at(self._loop.now_ms + 600, self._look)
        return car

    def card(self, uid: str) -> None:
        if self.powered:
            self.observer.presented(self, uid)
            self.hardware.present_card(uid)
            self._run(force=True)

    # --- time ---

    def utc_ms(self) -> int | None:
        """What the charger's own clock says now."""
        self.virtual.clock.now_ms = self._loop.now_ms
        return self.virtual.clock.utc_ms()

    def boot_utc_ms(self) -> int:
        """When it has booted, by its own clock, which must be set."""
        return (self.utc_ms() or 0) - self.virtual.clock.ticks_ms()

    def _look(self) -> None:
        self._advance()
        self.observer.stepped(self)

    def _advance(self) -> None:
        self.virtual.advance(self._loop.now_ms)

    def _wake(self) -> None:
        if self._scheduled == self._loop.now_ms:
            self._scheduled = -1
            self._run()

    def _run(self, force: bool = False) -> None:
        virtual = self.virtual
        if self.hung or virtual.app is None:
            self._advance()
        else:
            try:
                virtual.run(self._loop.now_ms, force)
            except PowerLost:
                self._lose_power()
        if virtual.restart_wanted is not None:
            self.count_effect("reset")
            self._restart()
        self.observer.stepped(self)
        if self.powered:
            self._schedule()

    def _schedule(self) -> None:
        virtual = self.virtual
        due_ms = virtual.next_ms() if virtual.app is not None and not self.hung else self.hardware.next_change_ms()
        if due_ms != self._scheduled and due_ms < 2**61:
            if due_ms < self._loop.now_ms:
                due_ms = self._loop.now_ms
            self._scheduled = due_ms
            self._loop.at(due_ms, self._wake)

    def _guarded(self, action: Callable[[], object]) -> None:
        """Run the app; a power loss inside one of its writes ends it there."""
        try:
            action()
        except PowerLost:
            self._lose_power()

    def _lose_power(self) -> None:
        self.power_off(self.random.randrange(500, 30_000))

    def _appended(self, name: str, data: bytes) -> None:
        if name.startswith("journal"):
            self.observer.journalled(self, data)

    def _fate(self, name: str, size: int) -> int | None:
        return None if self.tear is None else self.tear(name, size)

    # --- the link ---

    def _will(self) -> Packet:
        topic, text, qos, retain = self._app.will()
        return Packet(topic, text.encode(), qos, retain)

    def _told(self, method: str) -> None:
        app: Any = self.virtual.app
        if app is None or self.hung:
            return
        self._advance()
        self._guarded(getattr(app, method))
        self._run(force=True)

    def _received(self, packet: Packet, acknowledge: Callable[[], None]) -> None:
        app = self.virtual.app
        if app is None or self.hung:
            return
        self._advance()
        address = self._addresses.get(packet.topic)
        if address is None:
            address = self._addresses[packet.topic] = parse_topic(packet.topic)
        self.observer.received(self, address, packet.payload, packet.retained)
        acknowledge()
        self._guarded(lambda: app.on_message(packet.topic, packet.payload, packet.retained))
        if self.virtual.app is app:
            self._run(force=True)

    def _unlocked(self) -> bool:
        self.count_effect("unlock")
        return self._unlock()

    def _indicated(self, word: str, detail: str) -> None:
        if word == "identify":
            self.count_effect("identify")
