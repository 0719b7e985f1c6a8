"""An update, a log and a serial console, in what MicroPython and CPython both run.

``upkeep_life.py FOLDER IMAGE_URL LOG_URL`` prints one JSON object: what the charger published
and printed. FOLDER holds a file ``modulus``.
"""

import asyncio
import gc
import json
import sys

from firmware.app.charger import Charger
from firmware.app.console import Console
from firmware.app.host_clock import HostClock
from firmware.app.http import HttpFetch, HttpPut
from firmware.app.log import RingLog
from firmware.app.ota import Ota
from firmware.app.storage import FileStorage
from tests.firmware.app.life import Hardware, Identity, Random


class Slots:
    """The spare slot, in memory; ``tried`` tells whether it runs."""

    block_bytes = 4096
    size = 65536

    def __init__(self):
        self.blocks = {}
        self.tries = self.tried = self.confirmed = False

    def running(self):
        return "ota_1" if self.tried else "ota_0"

    def spare(self):
        return "ota_0" if self.tried else "ota_1"

    def write(self, block, data):
        self.blocks[block] = bytes(data)

    def read(self, block, data):
        data[:] = self.blocks[block]

    def boot_spare(self):
        self.tries = True

    def confirm(self):
        self.confirmed = True


class Link:
    connected = True

    def __init__(self):
        self.statuses = []
        self.replies = []
        self.firmware = ""

    def publish(self, topic, payload, qos, retain):
        message = json.loads(payload)
        if topic.endswith("/reply"):
            self.replies.append([message["op"], message["stage"], message["reason"]])
        elif topic.endswith("/meta"):
            self.firmware = message["firmware"]
        elif message.get("firmware_update"):
            status = message["firmware_update"]["status"]
            if self.statuses[-1:] != [status]:
                self.statuses.append(status)
        return True


async def main(folder, image_url, log_url):
    # An argument of 768 characters is more than MicroPython takes.
    with open(folder + "/modulus") as file:
        modulus = file.read()
    clock, slots, link, storage = HostClock(), Slots(), Link(), FileStorage(folder)
    clock.set_utc_ms(1800000000000)
    charger = hardware = None

    def boot(version):
        nonlocal charger, hardware
        hardware = Hardware(clock)
        hardware.ota = Ota(slots, HttpFetch, storage, "life", version, (int(modulus, 16),))
        hardware.log = RingLog(storage, "c1", HttpPut, ("topsecret",))
        charger = Charger(Identity(), hardware, storage, clock, link, Random())
        charger.boot()
        charger.on_connected()

    async def until(condition):
        longest = 0
        for _ in range(2000):
            before = clock.ticks_ms()
            charger.tick()
            longest = max(longest, clock.ticks_ms() - before)
            if condition():
                return longest
            await asyncio.sleep(0.01)
        raise AssertionError(f"not in time: {link.replies}")

    def send(op, **fields):
        fields.update({"op": op, "id": op, "source": "console"})
        fields["ts"] = clock.utc_ms()
        fields["deadline_ts"] = fields["ts"] + 5000
        charger.on_message("ev/v1/garage/charger/c1/command/from/console", json.dumps(fields).encode(), False)

    boot("0.1.0")
    send("update_firmware", url=image_url)
    longest = await until(lambda: hardware.restarted)
    slots.tried = slots.tries
    boot("0.2.0")
    await until(lambda: slots.confirmed)
    send("get_log", url=log_url)
    await until(lambda: link.replies[-1][:2] == ["get_log", "done"])
    lines, typed = [], ["si5", "t"]
    console = Console(charger, Identity(), lambda: typed.pop(0) if typed else "", lines.append)
    for _ in range(3):
        console.poll()
    gc.collect()
    heap = gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0
    result = {"statuses": link.statuses, "replies": link.replies, "firmware": link.firmware, "lines": lines}
    result["payload"] = len(b"".join([slots.blocks[block] for block in sorted(slots.blocks)]))
    print(json.dumps({"result": result, "longest_tick_ms": longest, "heap": heap}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
