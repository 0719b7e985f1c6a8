"""Drivers and the whole start, in what MicroPython and CPython both run.

``life.py drivers`` prints, line by line and in virtual time, what every driver tells of virtual devices, right and
wrong ones. ``life.py HOST PORT FILE`` starts a device by :mod:`firmware.boards.main` on virtual parts, lets a driver
come with a card, and ends when the file is there: whoever listens has heard enough then.
"""

import asyncio
import gc
import os
import sys

from firmware.app.host_clock import HostClock
from firmware.boards import chip
from firmware.boards.drivers.buzzer import Buzzer
from firmware.boards.drivers.dc_charger import DcCharger, StateOfCharge
from firmware.boards.drivers.ds18b20 import Ds18b20
from firmware.boards.drivers.light import Light, ThreeLamps
from firmware.boards.drivers.lm75 import Lm75
from firmware.boards.drivers.lock import Lock
from firmware.boards.drivers.modbus import ModbusMaster
from firmware.boards.drivers.pn532 import Pn532
from firmware.boards.drivers.pulse import PulseMeter
from firmware.boards.drivers.pzem import pzem004t
from firmware.boards.drivers.sdm import sdm120, sdm630
from firmware.boards.identity import BadIdentity, Identity
from firmware.boards.main import Device, NotACharger, run
from firmware.boards.profiles import PROFILES
from tests.firmware.boards.virtual_devices import (
    Kept,
    LockMotor,
    Pulses,
    Switch,
    Time,
    VirtualCan,
    VirtualDs18b20,
    VirtualI2c,
    VirtualLine,
    VirtualLm75,
    VirtualPn532,
    pass_time,
    virtual_pzem,
    virtual_sdm120,
    virtual_sdm630,
)
from tests.firmware.boards.virtual_host import IDENTITY, VirtualHost

FAULTS = (
    "silent",
    "late",
    "wrong_crc",
    "wrong_slave",
    "wrong_length",
    "partial",
    "exception",
    "noise",
    "foreign_first",
)
UIDS = ("04A2B3C4", "04112233445566", "10111213141516171819")


def show(name, reading):
    if reading is None:
        print(name, "unknown")
        return
    volts = " ".join([f"{value:.1f}" for value in reading.voltage_v])
    amperes = " ".join([f"{value:.2f}" for value in reading.current_a])
    print(name, volts, amperes, f"{reading.power_w:.1f}", reading.energy_wh)


def meters():
    for name in ("sdm630", "sdm120", "pzem"):
        time = Time()
        line = VirtualLine(time)
        master = ModbusMaster(line)
        if name == "sdm630":
            slave, meter = virtual_sdm630(), sdm630(master, 1, 3, False, 0)
        elif name == "sdm120":
            slave, meter = virtual_sdm120(), sdm120(master, 1, False, 0)
        else:
            slave, meter = virtual_pzem(), pzem004t(master, 1, 0)
        line.slaves.append(slave)
        pass_time(time, meter, 1500)
        show(name, meter.reading(time.now))
        for fault in FAULTS:
            slave.fault = fault
            pass_time(time, meter, 8000)
            show(name + " " + fault, meter.reading(time.now))
            slave.fault = None
            pass_time(time, meter, 4000)
            show(name, meter.reading(time.now))
        slave.set_float(0, float("nan"))
        slave.registers[0] = 0xFFFF
        pass_time(time, meter, 8000)
        show(name + " NaN", meter.reading(time.now))
        print(master.answered, master.timeouts, master.refused, master.discarded, meter.invalid)


def counters():
    time, pulses, kept = Time(), Pulses(), Kept(1000)
    meter = PulseMeter(pulses, kept, 1000, 3, 230.0, 0)
    for _ in range(120):
        pulses.count += 1
        pass_time(time, meter, 500)
    show("pulse", meter.reading(time.now))
    pass_time(time, meter, 20000)
    show("pulse", meter.reading(time.now))
    print(kept.number, kept.writes)
    time, can = Time(), VirtualCan()
    dc = DcCharger(can, Kept(), StateOfCharge(0x123, 0), 0)
    for index in range(600):
        can.terminal(72.5, 100.0)
        can.frames.append((0x123, bytes((index % 110,))))
        can.terminal(float("nan"), 1.0)
        can.terminal(72.0, 400.0)
        can.terminal(72.0, 1.0, index % 8)
        pass_time(time, dc, 500)
    show("dc", dc.reading(time.now))
    print(dc.received, dc.discarded, dc.foreign, dc.soc_percent(time.now))


def readers():
    for uid in UIDS:
        time, bus = Time(), VirtualI2c()
        chip_ = VirtualPn532(time)
        bus.devices[0x24] = chip_
        reader = Pn532(bus, 0)
        pass_time(time, reader, 500)
        uid_bytes = bytes([int(uid[at : at + 2], 16) for at in range(0, len(uid), 2)])
        chip_.cards = [uid_bytes]
        pass_time(time, reader, 3000)
        print(reader.take(), reader.take(), reader.silent(time.now))
        bus.broken = True
        pass_time(time, reader, 4000)
        print(reader.silent(time.now), reader.errors)


def others():
    time, bus = Time(), VirtualI2c()
    bus.devices[0x48] = VirtualLm75(-10.25)
    line = VirtualDs18b20(time)
    line.celsius = 71.5
    first, second = Lm75(bus, 0), Ds18b20(line, 0)
    motor, lamps, sound = LockMotor(time), [Switch(), Switch(), Switch()], Switch()
    lock, light, buzzer = Lock(motor.lock, motor.unlock, motor, 0), Light(ThreeLamps(*lamps), 0), Buzzer(sound)
    lock.want(True, 0)
    light.state("SuspendedEV")
    buzzer.indicate("refused", 0)
    for step in range(100):
        time.now += 20
        for driver in (first, second, lock, light, buzzer):
            driver.poll(time.now)
        if step % 20 == 0:
            print(first.temperature_c(time.now), second.temperature_c(time.now), lock.locked(), lock.failed)
    print([lamp.changes for lamp in lamps], sound.changes)
    for name in sorted(PROFILES):
        print(name, chip.problems(PROFILES[name]))
    for patch in ({"phases": 4}, {"site": "A"}, {"board": "x"}, {"drivers": 1}):
        values = dict(IDENTITY)
        values.update(patch)
        try:
            Identity(values)
        except BadIdentity as error:
            print(error)


def device():
    time = Time()
    host = VirtualHost(time)
    try:
        Device(host)
    except NotACharger as reason:
        print(reason)
    identity = dict(IDENTITY)
    identity["drivers"] = {"lock": "motor", "buzzer": "expander"}
    host.provision("identity", identity)
    made = Device(host)
    print(made.notes)
    made.charger.boot()
    for step in range(2000):
        time.now += 20
        made.poll()
        if step % 5 == 0:
            made.charger.tick()
        if step == 200:
            host.the_pilot.cp("B")
            host.typed = "s"
        elif step == 300:
            host.expander.pulled_low = 4
            host.the_pilot.cp("C")
        elif step == 1500:
            host.typed = "t"
        elif step == 1520:
            host.expander.pulled_low = 0
    for line in host.lines:
        print(line)
    print(made.hardware.unlock(), [row[0] for row in made.charger.faults.rows()], len(host.pixels))


class RealTime(HostClock):
    """The clock that virtual devices look at."""

    @property
    def now(self):
        return self.ticks_ms()


def exists(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


async def on_broker(address, port, enough):
    clock = RealTime()
    host = VirtualHost(clock)
    host.provision("identity", IDENTITY)
    host.provision("broker", {"address": address, "port": port, "user": "c1", "password": "c1"})
    host.write = print
    task = asyncio.create_task(run(host))
    await asyncio.sleep(1.5)
    host.card_reader.cards = [b"\x04\xa2\xb3\xc4"]
    for _ in range(500):
        if task.done() or exists(enough):
            break
        await asyncio.sleep(0.1)
    if task.done():
        await task
    if hasattr(gc, "mem_alloc"):
        gc.collect()
        print("heap", gc.mem_alloc())
    task.cancel()


if __name__ == "__main__":
    if sys.argv[1] == "drivers":
        for part in (meters, counters, readers, others, device):
            part()
    else:
        asyncio.run(on_broker(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
