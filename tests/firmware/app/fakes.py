"""A charger on simple hardware, with a clock that stands until it is told to go on.

Every message that the charger publishes is read with ``bus_schema`` at once: a test that uses these fakes also tests
that nothing leaves the charger that breaks the contract.
"""

import json
import random as python_random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bus_schema.topics import parse_topic
from firmware.app.charger import Charger
from firmware.app.drive import CYCLE_MS

T0 = 1_800_000_000_000
"""UTC at ticks 0."""
ACKED = "event/ack"


class Identity:
    site = "garage"
    charger = "c1"


class FakeClock:
    def __init__(self, utc_set: bool = True) -> None:
        self.now = 0
        self.offset: int | None = T0 if utc_set else None

    def ticks_ms(self) -> int:
        return self.now

    def utc_ms(self) -> int | None:
        return None if self.offset is None else self.now + self.offset

    def set_utc_ms(self, value: int) -> None:
        self.offset = value - self.now


class PowerLost(BaseException):
    """The flash model has cut the power in the middle of a write."""


class MemoryStorage:
    """Flash in memory. ``cut(n)`` loses power at the n-th byte that is written from then on."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.left: int | None = None
        self.full = False
        self.refuse_after: int | None = None
        """The next append writes so many bytes and then raises."""
        self.unreadable = False
        self.writes = 0
        self._no_power_for: int | None = None

    def cut(self, after_bytes: int) -> None:
        self.left = after_bytes

    @contextmanager
    def power_lost_at_write(self, number: int) -> Iterator[None]:
        """Lose power instead of the write of this number, from 0, and end the block with it."""
        self._no_power_for = self.writes + number
        try:
            yield
        except PowerLost:
            pass
        finally:
            self._no_power_for = None

    def read(self, name: str) -> bytes | None:
        if self.unreadable:
            raise OSError(5, "input/output error")
        return self.files.get(name)

    def write(self, name: str, data: bytes) -> None:
        self._spend(len(data), name, None)
        self.files[name] = bytes(data)

    def append(self, name: str, data: bytes) -> None:
        self._spend(len(data), name, data)
        if self.refuse_after is not None:
            data, self.refuse_after = data[: self.refuse_after], None
            self.files[name] = self.files.get(name, b"") + data
            raise OSError(5, "input/output error")
        self.files[name] = self.files.get(name, b"") + data

    def remove(self, name: str) -> None:
        self._spend(1, name, None)
        self.files.pop(name, None)

    def size(self, name: str) -> int:
        return len(self.files.get(name, b""))

    def _spend(self, count: int, name: str, appended: bytes | None) -> None:
        if self.writes == self._no_power_for:
            raise PowerLost
        self.writes += 1
        if self.full:
            raise OSError(28, "no space")
        if self.left is None:
            return
        if self.left < count:
            if appended is not None:
                self.files[name] = self.files.get(name, b"") + appended[: self.left]
            raise PowerLost
        self.left -= count


class FakeSnapshot:
    def __init__(self, pilot: "FakePilot") -> None:
        self.cp_state = pilot.cp_state
        self.contactor_closed = pilot.closed
        self.cable_a = pilot.cable_a
        self.offered_current_a = pilot.offered if pilot.pwm else 0.0
        self.duty_percent = pilot.offered / 0.6 if pilot.pwm else 100.0
        self.cp_high_v = {"A": 12.0, "B": 9.0, "C": 6.0, "D": 3.0, "E": 0.0}.get(pilot.cp_state)
        self.cp_low_v = -12.0 if pilot.pwm else None
        self.derated_a = pilot.derated_a
        self.faults = tuple(pilot.faults) + (() if pilot.derated_a else ("over_temperature",))
        self.locked = tuple(pilot.locked)
        self.change_count = pilot.change_count


class FakePilot:
    """Closes at once when the car asks, PWM runs and it is permitted; opens at once otherwise."""

    def __init__(self) -> None:
        self.cp_state = "A"
        self.closed = False
        self.cable_a = 32.0
        self.offered = 0.0
        self.pwm = False
        self.permitted = False
        self.available = True
        self.faults: list[str] = []
        self.locked: list[str] = []
        self.derated_a = 32.0
        self.celsius: float | None = None
        self.disconnected = False
        self.change_count = 0
        self.heartbeats = 0
        self.lazy_opening = False
        self.may_close = True
        self._snapshot = FakeSnapshot(self)

    def changed(self) -> None:
        wanted = self.cp_state == "C" and self.pwm and self.permitted and not self.faults and self.may_close
        if wanted or not (self.lazy_opening and self.closed and self.cp_state == "C"):
            self.closed = wanted
        self.change_count += 1
        self._snapshot = FakeSnapshot(self)

    def snapshot(self) -> FakeSnapshot:
        return self._snapshot

    def offer(self, current_a: float) -> None:
        assert current_a == 0 or current_a >= 6, "an impossible request must never reach the pilot"
        self.offered, self.pwm = float(current_a), current_a >= 6
        self.changed()

    def permit(self, allowed: bool) -> None:
        self.permitted = allowed
        self.changed()

    def heartbeat(self) -> None:
        self.heartbeats += 1

    def set_available(self, available: bool) -> None:
        if available != self.available:
            self.available = available
            if not available and self.cp_state == "A":
                self.cp_state = "F"
            elif available and self.cp_state == "F":
                self.cp_state = "A"
            self.changed()

    def temperature(self, celsius: float | None) -> None:
        """Derate like the native module; None changes nothing here."""
        self.celsius = celsius
        if celsius is None:
            return
        step = 3 if celsius >= 71 else 2 if celsius >= 68 else 1 if celsius >= 65 else 0
        derated_a = (32.0, 16.0, 8.0, 0.0)[step]
        if derated_a < self.derated_a or (celsius <= 62 and self.derated_a < 32):
            self.derated_a = derated_a
            self.changed()

    def disconnect(self, off: bool) -> None:
        assert not off or not (self.closed or self.permitted), "it would be refused"
        self.disconnected = off

    def clear_faults(self) -> None:
        self.faults = list(self.locked)
        self.changed()


class FakeReading:
    def __init__(self, voltage: tuple[float, ...], current: tuple[float, ...], power: float, energy: int) -> None:
        self.voltage_v = voltage
        self.current_a = current
        self.power_w = power
        self.energy_wh = energy


class FakeMeter:
    """Integrates what the car draws between readings."""

    def __init__(self, clock: FakeClock, pilot: FakePilot) -> None:
        self._clock = clock
        self._pilot = pilot
        self._at = 0
        self.wh = 1000.0
        self.silent = False
        self.replaced_by: int | None = None
        self.car_a = 16.0

    def drawn_a(self) -> float:
        return min(self.car_a, self._pilot.offered) if self._pilot.closed else 0.0

    def settle(self) -> None:
        now = self._clock.now
        self.wh += 3 * 230.0 * self.drawn_a() * (now - self._at) / 3_600_000
        self._at = now

    def read(self) -> FakeReading | None:
        self.settle()
        if self.silent:
            return None
        current = self.drawn_a()
        energy = int(self.wh) if self.replaced_by is None else self.replaced_by
        return FakeReading((230.0,) * 3, (current,) * 3, 690.0 * current, energy)


class FakeReader:
    def __init__(self) -> None:
        self.cards: list[str] = []

    def poll(self) -> str | None:
        return self.cards.pop(0) if self.cards else None


class Ratings:
    hardware = "fake"
    phases = 3
    phase_rotation = ("L1", "L2", "L3")
    rated_current_a = 32.0
    tethered = False
    capabilities = ("lock", "rfid")
    dc_range_v: tuple[float, float] | None = None


class FakeHardware:
    def __init__(self, clock: FakeClock) -> None:
        self.pilot = FakePilot()
        self.meter = FakeMeter(clock, self.pilot)
        self.reader = FakeReader()
        self.ratings = Ratings()
        self.has_lock = True
        self.lock_works = True
        self.temperature: float | None = 25.0
        self.shown: list[tuple[str, str]] = []
        self.restarted: list[str] = []

    def temperature_c(self) -> float | None:
        return self.temperature

    def unlock(self) -> bool:
        return self.lock_works

    def indicate(self, word: str, detail: str = "") -> None:
        self.shown.append((word, detail))

    def restart(self, kind: str) -> None:
        self.restarted.append(kind)


class FakeLink:
    """Records what is published, and reads it by the contract."""

    def __init__(self) -> None:
        self.connected = False
        self.accepts = True
        self.sent: list[tuple[str, Any]] = []
        """Name of the topic without ``charger_``, and the message as a dict."""

    def publish(self, topic: str, payload: str | bytes, qos: int, retain: bool) -> bool:
        if not self.connected or not self.accepts:
            return False
        address = parse_topic(topic)
        assert (qos, retain) == (address.topic.qos, address.topic.retained)
        assert (address.site, address.ids) == ("garage", {"charger": "c1"})
        address.topic.decode(payload)
        self.sent.append((address.topic.name.removeprefix("charger_"), json.loads(payload)))
        return True


class Bench:
    """One charger and everything around it."""

    def __init__(self, utc_set: bool = True, seed: int = 1, connect: bool = True) -> None:
        self.clock = FakeClock(utc_set)
        self.hardware = FakeHardware(self.clock)
        self.pilot = self.hardware.pilot
        self.meter = self.hardware.meter
        self.storage = MemoryStorage()
        self.link = FakeLink()
        self.random = python_random.Random(seed)
        self.acks = True
        self._acked = 0
        self._ids = 0
        self.charger: Charger
        self.boot(connect)

    # --- life -----------------------------------------------------------------------------------------------------

    def boot(self, connect: bool = True) -> None:
        """Power on: a new charger on the same flash, meter and clock."""
        self.link.connected = False
        self.pilot.offered, self.pilot.pwm, self.pilot.permitted = 0.0, False, False
        self.pilot.changed()
        self.hardware.restarted = []
        self.charger = Charger(Identity(), self.hardware, self.storage, self.clock, self.link, self.random.randbytes)
        self.charger.boot()
        self.tick_until_open()
        if connect:
            self.connect()

    def connect(self) -> None:
        self.link.connected = True
        self.charger.on_connected()
        self.tick()

    def disconnect(self) -> None:
        self.link.connected = False
        self.charger.on_disconnected()
        self.tick()

    def tick(self) -> int:
        """Tick, and let the ledger acknowledge what it has got."""
        wait = self.charger.tick()
        assert 1 <= wait <= 10_000, wait
        if self.acks:
            self.ledger()
        return wait

    def tick_until_open(self) -> None:
        """Tick; a session whose contactor is open ends only once the native module has seen that it may not close."""
        self.tick()
        session = self.charger.sessions.session
        if session is not None and session.ending is not None:
            self.clock.now += CYCLE_MS
            self.tick()

    def ledger(self) -> None:
        """Acknowledge every event that has been published since the last time, in its order."""
        events = [message for topic, message in self.link.sent[self._acked :] if topic == "event"]
        self._acked = len(self.link.sent)
        for event in events:
            self.acknowledge(event["boot_id"], event["seq"])

    def acknowledge(self, boot_id: str, seq: int) -> None:
        ack = {"ts": self.clock.now + T0, "boot_id": boot_id, "seq": seq}
        self.charger.on_message("ev/v1/garage/charger/c1/event/ack", json.dumps(ack).encode(), False)
        self.charger.tick()

    def run(self, seconds: float) -> None:
        """Let time pass, ticking whenever the charger wants to."""
        end = self.clock.now + int(seconds * 1000)
        wait = self.tick()
        while self.clock.now + wait <= end:
            self.clock.now += wait
            wait = self.tick()
        self.clock.now = end
        self.tick_until_open()

    # --- what people do -------------------------------------------------------------------------------------------

    def cp(self, state: str) -> None:
        """The car, or its absence, shows on the pilot."""
        self.meter.settle()
        self.pilot.cp_state = state
        self.pilot.changed()
        self.tick_until_open()

    def card(self, uid: str) -> None:
        self.hardware.reader.cards.append(uid)
        self.tick_until_open()

    def send(self, op: str, **fields: Any) -> dict[str, Any]:
        """Send a command and return the last answer to it."""
        command = self.command(op, **fields)
        self.deliver(json.dumps(command, ensure_ascii=False).encode(), sender=command["source"])
        return self.replies(command["id"])[-1]

    def command(self, op: str, **fields: Any) -> dict[str, Any]:
        self._ids += 1
        now = self.clock.now + T0
        command = {"ts": now, "id": f"id-{self._ids}", "source": "console", "deadline_ts": now + 5000, "op": op}
        return command | fields

    def deliver(self, payload: bytes, retained: bool = False, sender: str = "console") -> None:
        self.charger.on_message(f"ev/v1/garage/charger/c1/command/from/{sender}", payload, retained)
        self.tick_until_open()

    def authorize(self, value: str = "04A1", kind: str = "rfid", **fields: Any) -> dict[str, Any]:
        return self.send("authorize", id_token={"type": kind, "value": value}, **fields)

    def charge(self, **fields: Any) -> None:
        """Plug in, authorise, let the car ask."""
        self.cp("B")
        assert self.authorize(**fields)["stage"] == "done"
        self.cp("C")
        assert self.state()["status"] == "Charging", self.state()

    # --- what was published ---------------------------------------------------------------------------------------

    def of(self, topic: str) -> list[dict[str, Any]]:
        return [message for name, message in self.link.sent if name == topic]

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Events in order of their first publication, each once."""
        seen: dict[tuple[str, int], dict[str, Any]] = {}
        for event in self.of("event"):
            seen.setdefault((event["boot_id"], event["seq"]), event)
        return [event for event in seen.values() if kind is None or event["type"] == kind]

    def replies(self, command_id: str | None) -> list[dict[str, Any]]:
        return [reply for reply in self.of("command_reply") if reply["id"] == command_id]

    def state(self) -> dict[str, Any]:
        return self.of("state")[-1]

    def status(self) -> str:
        return str(self.state()["status"])
