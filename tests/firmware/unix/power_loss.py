"""One life of a charger that ends with a power loss: ``power_loss.py FOLDER HOST PORT SEED WRITES THERE UTC``.

The charger of :mod:`firmware.boards.unix_station` on a real broker, about a hundred times as fast as real time. At
write number ``WRITES`` (0: never) the process kills itself as ``kill -9`` does: before the write, with any part of it
on disk, after it, or between a file's writing and its renaming. Every event that is safely in the journal is printed
before anything else happens. With ``THERE`` a car is plugged in from the beginning; ``UTC`` is what its clock says
then, 0 for nothing. Without a kill it ends with exit code 0 once nothing waits for the ledger any more.
"""

import asyncio
import os
import sys

import cp_pwm

from firmware.app.charger import Charger
from firmware.app.main import Runner
from firmware.app.mqtt import MqttClient
from firmware.app.storage import FileStorage
from firmware.boards.unix_station import CircuitClock, UnixHardware

STEP_MS = 200


class Random:
    """A seeded generator: MicroPython's own is seeded differently on every host."""

    def __init__(self, seed):
        self._state = seed * 2654435761 + 1

    def below(self, limit):
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return (self._state >> 33) % limit


class FailingStorage(FileStorage):
    """Loses power at one of its writes."""

    def __init__(self, folder, random, writes):
        super().__init__(folder)
        self._directory = folder
        self._random = random
        self._left = writes

    def _fails_now(self):
        self._left -= 1
        return self._left == 0

    def write(self, name, data):
        if not self._fails_now():
            super().write(name, data)
            return
        path = self._directory + "/" + name
        way = self._random.below(4)
        if way:
            part = len(data) if way > 1 else self._random.below(len(data))
            with open(path + ".new", "wb") as file:
                file.write(data[:part])
        if way == 3:
            os.rename(path + ".new", path)
        cp_pwm.circuit_power_loss()

    def append(self, name, data):
        if self._fails_now():
            with open(self._directory + "/" + name, "ab") as file:
                file.write(data[: self._random.below(len(data) + 1)])
            cp_pwm.circuit_power_loss()
        super().append(name, data)
        if name.startswith("journal"):
            print("J" + str(data[10:], "utf-8"))

    def remove(self, name):
        if self._fails_now():
            if self._random.below(2):
                super().remove(name)
            cp_pwm.circuit_power_loss()
        super().remove(name)


class Driver:
    """Comes, charges for a while and goes, again and again; not any more once nobody shall come."""

    def __init__(self, random, comes, there):
        self._random = random
        self._comes = comes
        self._there = False
        self._at = 0 if there else 500 + random.below(3000)

    def step(self, now):
        if now < self._at:
            return
        if self._there:
            cp_pwm.circuit_set(car_ohm=0, s2=0, cable_ohm=1000000)
            self._at = now + 500 + self._random.below(3000)
        elif self._comes:
            cp_pwm.circuit_set(car_ohm=2740, s2=2, cable_ohm=220, load_ma=6000 + self._random.below(26000))
            self._at = now + 4000 + self._random.below(12000)
        else:
            return
        self._there = not self._there


async def run(folder, host, port, seed, writes, there, utc):
    random = Random(seed)
    hardware = UnixHardware()
    cp_pwm.circuit_energy_in(folder + "/register.true")
    clock = CircuitClock()
    if utc:
        clock.set_utc_ms(utc)
    storage = FailingStorage(folder, random, writes)
    client = MqttClient(host, port, "garage-c1", os.urandom, user="c1", password="c1")
    client.backoff_ms = (20, 200)
    charger = Charger(Identity(), hardware, storage, clock, client, os.urandom)
    charger.boot()
    Runner(charger, client)
    network = asyncio.create_task(client.run())
    driver = Driver(random, writes > 0, there)
    driver.step(0)
    while writes or charger.journal.pending or charger.sessions.session is not None or clock.ticks_ms() < 20000:
        wait = charger.tick()
        cp_pwm.circuit_advance(max(1, min(wait, STEP_MS)))
        driver.step(clock.ticks_ms())
        await asyncio.sleep_ms(1)
    client.stop()
    await network


class Identity:
    site = "garage"
    charger = "c1"


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[3:]]
    asyncio.run(run(sys.argv[1], sys.argv[2], *numbers))
