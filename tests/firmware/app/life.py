"""The life of some sessions, in what MicroPython and CPython both run: ``life.py FOLDER [HOST PORT]``.

Without a broker it prints every publication, ``[topic, qos, retain, payload]`` as JSON, in virtual time. With one it
runs the real loop and MQTT client for a car that comes, is authorised over the bus and leaves; then it prints how much
memory is in use.
"""

import asyncio
import gc
import json
import sys

from firmware.app.charger import Charger
from firmware.app.host_clock import HostClock
from firmware.app.main import Runner
from firmware.app.mqtt import MqttClient
from firmware.app.storage import FileStorage

T0 = 1800000000000
START_WH = 5000
MW_MS_PER_WH = 3600000000


class Identity:
    site = "garage"
    charger = "c1"


class Clock:
    def __init__(self):
        self.now = 0
        self.offset = None

    def ticks_ms(self):
        return self.now

    def utc_ms(self):
        return None if self.offset is None else self.now + self.offset

    def set_utc_ms(self, value):
        self.offset = value - self.now


class Hardware:
    """Pilot, meter, reader and itself, all in one."""

    hardware = "life"
    phases = 3
    phase_rotation = ("L1", "L2", "L3")
    rated_current_a = 32.0
    capabilities = ("rfid",)
    dc_range_v = None
    has_lock = False
    cable_a = 32.0
    duty_percent = 50.0
    cp_high_v = 9.0
    cp_low_v = -12.0
    faults = ()
    locked = ()
    derated_a = 32.0
    voltage_v = (230.0, 230.0, 230.0)

    def __init__(self, clock):
        self.pilot = self.meter = self.reader = self.ratings = self
        self.clock = clock
        self.cp_state = "A"
        self.offered_current_a = 0.0
        self.permitted = False
        self.contactor_closed = False
        self.change_count = 0
        self.mw_ms = 0
        self.at = 0
        self.cards = []
        self.restarted = None

    def settle(self):
        now = self.clock.ticks_ms()
        # Whole numbers, as a meter's register has them: floats of single precision would be 1 Wh off.
        self.mw_ms += int(self.power_w * 1000) * (now - self.at)
        self.at = now

    @property
    def power_w(self):
        return 690.0 * min(16.0, self.offered_current_a) if self.contactor_closed else 0.0

    @property
    def current_a(self):
        return (self.power_w / 690.0,) * 3

    @property
    def energy_wh(self):
        return START_WH + self.mw_ms // MW_MS_PER_WH

    def changed(self):
        self.settle()
        self.contactor_closed = self.cp_state == "C" and self.permitted and self.offered_current_a >= 6
        self.change_count += 1

    def cp(self, state):
        self.cp_state = state
        self.changed()

    def snapshot(self):
        return self

    def offer(self, current_a):
        self.settle()
        self.offered_current_a = current_a
        self.changed()

    def permit(self, allowed):
        self.permitted = allowed
        self.changed()

    def heartbeat(self):
        pass

    def set_available(self, available):
        pass

    def read(self):
        self.settle()
        return self

    def poll(self):
        return self.cards.pop(0) if self.cards else None

    def temperature_c(self):
        return 25.0

    def temperature(self, celsius):
        pass

    def disconnect(self, off):
        pass

    def unlock(self):
        return False

    def indicate(self, word, detail=""):
        pass

    def restart(self, kind):
        self.restarted = kind


class Random:
    """The same numbers everywhere."""

    def __init__(self):
        self.state = 12345

    def __call__(self, count):
        data = bytearray()
        for _ in range(count):
            self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
            data.append(self.state >> 16 & 0xFF)
        return bytes(data)


class Link:
    connected = True

    def __init__(self):
        self.events = []

    def publish(self, topic, payload, qos, retain):
        print(json.dumps([topic, qos, retain, payload]))
        if topic.endswith("/event"):
            self.events.append(json.loads(payload))
        return True


class Life:
    """One charger in virtual time, with a ledger that acknowledges."""

    def __init__(self, folder):
        self.clock = Clock()
        self.hardware = Hardware(self.clock)
        self.storage = FileStorage(folder)
        self.random = Random()
        self.link = Link()
        self.boot()

    def boot(self):
        self.charger = Charger(Identity(), self.hardware, self.storage, self.clock, self.link, self.random)
        self.charger.boot()
        self.charger.on_connected()
        self.run(0)

    def run(self, seconds):
        end = self.clock.now + seconds * 1000
        while True:
            wait = self.charger.tick()
            while self.link.events:
                event = self.link.events.pop(0)
                ack = {"ts": T0 + self.clock.now, "boot_id": event["boot_id"], "seq": event["seq"]}
                self.charger.on_message("ev/v1/garage/charger/c1/event/ack", json.dumps(ack).encode(), False)
                wait = 1
            if self.clock.now + wait > end:
                break
            self.clock.now += wait
        self.clock.now = end

    def send(self, number, op, **fields):
        fields["op"] = op
        fields["id"] = f"id-{number}"
        fields["source"] = "console"
        fields["ts"] = T0 + self.clock.now
        fields["deadline_ts"] = fields["ts"] + 5000
        self.charger.on_message("ev/v1/garage/charger/c1/command/from/console", json.dumps(fields).encode(), False)
        self.run(0)


def virtual(folder):
    life = Life(folder)
    token = {"type": "rfid", "value": "04A1"}
    life.hardware.cards.append("04A1")
    life.run(5)
    life.hardware.cp("B")
    life.run(5)
    life.send(1, "authorize", id_token=token, caps={"energy_wh": 3000})
    life.hardware.cp("C")
    life.run(60)
    life.send(2, "set_limit", current_a=9.5, valid_for_s=60, reason="9.5 A: \u20ac \U0001f600 % full")
    life.run(120)
    life.send(3, "pause", reason="lunch")
    life.send(4, "configure", settings={"required_sources": ["load_balancer"], "fallback_current_a": 8})
    life.send(5, "resume")
    life.send(6, "explode")
    life.charger.on_message("ev/v1/garage/charger/c1/command/from/console", b"[" * 4096, False)
    life.charger.on_message("ev/v1/garage/charger/c1/command/from/console", b"\xff", False)
    life.charger.on_message("ev/v1/garage/charger/c1/command/from/console", b" " * 4097, False)
    life.run(60)
    life.boot()  # the power fails
    life.run(5)
    life.send(7, "authorize", id_token=token, caps={"energy_wh": 500})
    life.run(700)
    life.hardware.cp("A")
    life.run(5)
    by_itself(life)
    life.hardware.cp("A")
    life.send(8, "reset", kind="soft")
    life.run(1)
    assert life.hardware.restarted == "soft"


def by_itself(life):
    """What a charger decides alone: its list, a car that sleeps, a power loss, a card of the same group."""
    staff = {"type": "rfid", "value": "staff"}
    entries = [{"id_token": {"type": "rfid", "value": value}, "parent_id_token": staff} for value in ("04A1", "04B2")]
    life.send(9, "update_local_list", version=5, entries=entries, removals=[staff])
    life.send(10, "configure", settings={"resume_after_power_loss": True, "local_pre_authorize": True})
    life.hardware.cp("B")
    life.hardware.cards.append("04B2")
    life.run(200)
    life.hardware.cp("C")
    life.run(60)
    session_id = life.charger.sessions.session.session_id
    life.hardware.permitted = False
    life.hardware.changed()
    life.boot()
    life.run(60)
    assert life.charger.sessions.session.session_id == session_id
    life.hardware.cards.append("04A1")
    life.run(5)
    assert life.charger.sessions.session is None


async def on_broker(folder, host, port):
    clock = HostClock()
    hardware = Hardware(clock)
    client = MqttClient(host, port, "garage-c1", Random(), user="c1", password="c1")
    charger = Charger(Identity(), hardware, FileStorage(folder), clock, client, Random())
    charger.boot()
    runner = Runner(charger, client)
    task = asyncio.create_task(runner.run())

    async def until(condition):
        for _ in range(1000):
            if condition():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("not in time: " + client.last_error)

    await until(lambda: client.connected)
    hardware.cp("B")
    await until(lambda: charger.sessions.session is not None)
    hardware.cp("C")
    await until(lambda: charger.sessions.session is None)
    hardware.cp("A")
    await until(lambda: charger.journal.pending == 0)
    if hasattr(gc, "mem_alloc"):
        gc.collect()
        print("heap", gc.mem_alloc())
    runner.stop()
    await task


if __name__ == "__main__":
    if len(sys.argv) == 2:
        virtual(sys.argv[1])
    else:
        asyncio.run(on_broker(sys.argv[1], sys.argv[2], int(sys.argv[3])))
