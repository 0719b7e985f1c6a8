"""Trip paths that lead through the application, in virtual time, on MicroPython's unix port: ``app_trips.py FOLDER``.

The whole app on the native module, without a broker: commands are handed to it as the MQTT client would. The car is a
bad one and stays in state C. Prints what ``trips.py`` prints.
"""

import json
import os
import sys
from array import array

import cp_pwm
from rig import CIRCUIT

from firmware.app.charger import Charger
from firmware.app.storage import FileStorage
from firmware.boards.unix_station import CircuitClock, UnixHardware

T0 = 1800000000000
STEP_MS = 20
OPENS_MS = 6000
"""A car that stays in C after its offer has ended is cut off then (EVerest, SmartEVSE)."""
ROUND_MS = 1000
"""The meter is looked at so often."""


class Identity:
    site = "garage"
    charger = "c1"


class Link:
    """A ledger that acknowledges, at the end of a line that is never busy."""

    connected = True

    def __init__(self):
        self.events = []

    def publish(self, topic, payload, qos, retain):
        if topic.endswith("/event"):
            self.events.append(json.loads(payload))
        return True


class Station:
    def __init__(self, hardware, folder):
        cp_pwm.circuit_set(**CIRCUIT)
        cp_pwm.circuit_power_cycle()
        self.hardware = hardware
        self.clock = CircuitClock()
        self.clock.set_utc_ms(T0 + self.clock.ticks_ms())
        self.link = Link()
        self.ended = []
        self._number = 0
        self.charger = Charger(Identity(), hardware, FileStorage(folder), self.clock, self.link, os.urandom)
        self.charger.boot()
        self.charger.on_connected()

    def step(self):
        self.charger.tick()
        while self.link.events:
            event = self.link.events.pop(0)
            if event["type"] == "session_ended":
                self.ended.append(event["reason"])
            ack = {"ts": self.clock.utc_ms(), "boot_id": event["boot_id"], "seq": event["seq"]}
            self.charger.on_message("ev/v1/garage/charger/c1/event/ack", json.dumps(ack).encode(), False)
        cp_pwm.circuit_advance(STEP_MS)

    def run(self, ms):
        end_ms = self.clock.ticks_ms() + ms
        while self.clock.ticks_ms() < end_ms:
            self.step()

    def send(self, **command):
        self._number += 1
        command["id"] = "id-" + str(self._number)
        command["source"] = "console"
        command["ts"] = self.clock.utc_ms()
        command["deadline_ts"] = command["ts"] + 5000
        self.charger.on_message("ev/v1/garage/charger/c1/command/from/console", json.dumps(command).encode(), False)

    def charge(self, caps):
        self.run(4000)
        self.send(op="authorize", id_token={"type": "rfid", "value": "04A1"}, **caps)
        cp_pwm.circuit_set(car_ohm=2740, cable_ohm=220, s2=2)
        self.run(12000)
        cp_pwm.circuit_set(s2=1)
        self.run(8000)
        assert cp_pwm.circuit_get("closed"), "does not charge"

    def faults(self):
        return list(self.hardware.pilot.snapshot().faults) + [
            fault for fault in ("over_current", "over_voltage", "under_voltage") if self.charger.faults.stands(fault)
        ]


def sent(**command):
    return lambda station: station.send(**command)


def circuit(**changes):
    return lambda station: cp_pwm.circuit_set(**changes)


PATHS = (
    ("car draws 40 A of 32 A", 7000 + ROUND_MS, "EVerest: 110 % + 0.5 A, 7 s", circuit(load_ma=40000), "over_current"),
    ("260 V", 5000 + ROUND_MS, "ours: 5 s", circuit(voltage_v=260), "over_voltage"),
    ("200 V", 5000 + ROUND_MS, "ours: 5 s", circuit(voltage_v=200), "under_voltage"),
    ("command: stop", 0, "the next round", sent(op="stop", reason="test"), None),
    ("command: pause", 0, "the next round", sent(op="pause", reason="test"), None),
    ("command: 0 A for a minute", 0, "the next round", sent(op="set_limit", current_a=0, valid_for_s=60), None),
    ("command: 5.9 A", 0, "the next round", sent(op="set_limit", current_a=5.9, valid_for_s=60), None),
)


def measure(hardware, folder, number, path):
    name, limit_ms, source, cause, fault = path
    home = folder + "/" + str(number)
    os.mkdir(home)
    station = Station(hardware, home)
    station.charge({})
    event = events()
    begin_ms = station.clock.ticks_ms()
    cause(station)
    end_ms = begin_ms + limit_ms + OPENS_MS + 10000
    off = {}
    faults = []
    while cp_pwm.EVENT_MIRROR not in off and station.clock.ticks_ms() < end_ms:
        station.step()
        for uptime_ms, kind, value in event():
            if value == 0:
                off[kind] = uptime_ms - begin_ms
                faults = station.faults()
    tell(name, limit_ms + OPENS_MS + STEP_MS, source, off, fault, faults)


def cap(hardware, folder):
    """An energy cap: not a watt-hour more than what flows until the car is cut off."""
    home = folder + "/cap"
    os.mkdir(home)
    station = Station(hardware, home)
    before = cp_pwm.circuit_energy_wh()
    station.charge({"caps": {"energy_wh": 200}})
    for _ in range(6000):
        station.step()
        if station.ended:
            break
    cp_pwm.circuit_set(s2=0)
    station.run(10000)
    taken = cp_pwm.circuit_energy_wh() - before
    assert station.ended == ["energy_cap"], station.ended
    assert 200 <= taken <= 225, taken
    assert not cp_pwm.circuit_get("closed")


def events():
    """Return a function that takes what is in the ring, emptied now."""
    event = array("i", bytes(12))

    def take():
        found = []
        while cp_pwm.event(event):
            found.append(tuple(event))
        return found

    take()
    return take


def tell(name, limit_ms, source, off, fault, faults):
    trip = {"path": name, "limit_ms": limit_ms, "source": source, "fault": fault, "faults": faults}
    trip["coil_ms"] = off.get(cp_pwm.EVENT_COIL)
    trip["open_ms"] = off.get(cp_pwm.EVENT_MIRROR)
    print(json.dumps(trip))


def main(folder):
    hardware = UnixHardware()
    for number, path in enumerate(PATHS):
        measure(hardware, folder, number, path)
    cap(hardware, folder)


main(sys.argv[1])
