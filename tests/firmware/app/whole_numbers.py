"""Registers and times beyond the 24 bits of a float, as MicroPython and CPython have them: prints what comes out."""

import json
import struct
import time

from firmware.app.host_clock import HostClock
from firmware.app.log import iso
from firmware.app.messages import Messages
from firmware.app.register import Register
from firmware.app.session import Awaited, Session
from firmware.app.sessions import Sessions
from firmware.boards.drivers.sdm import watt_hours
from tests.firmware.app.life import Clock, Hardware, Identity

T0 = 1800000000000
REGISTERS_KWH = (0.0, -0.0, 1e-40, 0.0004, 1.001, 1234.567, 8388.609, 9999.999, 16777.215, 50000.003, 10000000.0)


class Nowhere:
    def read(self, name):
        return None

    def write(self, name, data):
        pass


class Charging:
    """A session with an energy cap, as far as the time until it is reached is concerned."""

    def __init__(self, energy_wh, cap_wh):
        awaited = Awaited({"type": "rfid", "value": "04A1"}, "console", {"energy_wh": cap_wh}, 0)
        self.session = Session("b-1", awaited, energy_wh, T0, 0)
        self._measuring = self.register = self
        self.energy_wh = energy_wh


def meter():
    print([watt_hours(struct.pack(">f", energy_kwh)) for energy_kwh in REGISTERS_KWH])


def register():
    """100 Wh more than could have flowed is too much, however high the register stands."""
    for start_wh in (1000, 20000000, 2000000000):
        lifetime = Register(Nowhere(), 22000)
        lifetime.load(0)
        found = []
        for at, more_wh in enumerate((0, 1, 101, 202, 201)):
            lifetime.take(start_wh + more_wh, at)
            found.append(lifetime.energy_wh - start_wh)
        print(start_wh, found)


def time_to_cap():
    charging = Charging(20000000, 1000000000)
    print([Sessions.cap_in_ms(charging, power_w) for power_w in (0.0, 1e-38, 0.9, float("nan"))])
    assert Sessions.cap_in_ms(charging, 1.0) > 1 << 50


def times():
    clock = Clock()
    clock.set_utc_ms(T0)
    messages = Messages(Identity(), clock, "b", 0, Hardware(clock))
    for now in ((1 << 24) + 1, (1 << 30) - 1, (1 << 31) + 1, (1 << 32) + 1):
        clock.now = now
        online = json.loads(messages.online(now, True))
        print(online["ts"] - T0, online["uptime_ms"], iso(clock.utc_ms()))


def date():
    """The host's own date is not one of steps of a float, which are minutes."""
    now_ms, deviation_ms = HostClock(trust_date=True).utc_ms(), 5000
    print(abs(now_ms - time.time_ns() // 1000000) < deviation_ms)


for part in (meter, register, time_to_cap, times, date):
    part()
