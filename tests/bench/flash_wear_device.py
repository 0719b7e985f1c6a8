"""For MicroPython's unix port: replay what the app asks of its flash on the littlefs that an ESP32 has, and count.

``micropython flash_wear_device.py TRACE DAYS``: TRACE has a JSON list ``[operation, file, bytes]`` a line, the writes
of one day. Prints a JSON object. The file system is MicroPython's own VfsLfs2 as its ESP32 port makes it; only the
flash under it is of RAM, and counts.
"""

import json
import sys

import vfs

from firmware.app.storage import FileStorage

BLOCK_BYTES = 4096
BLOCKS = 0xF0000 // BLOCK_BYTES
"""The partition ``vfs`` of partitions-4MiB-ota.csv."""
FLASH = "/flash"


class CountingFlash:
    """A block device; what is erased reads 0xFF, and bits can only be cleared."""

    def __init__(self):
        self._data = bytearray(b"\xff" * (BLOCKS * BLOCK_BYTES))
        self.erased = [0] * BLOCKS
        self.programmed_bytes = 0

    def readblocks(self, block, buffer, offset=0):
        at = block * BLOCK_BYTES + offset
        buffer[:] = self._data[at : at + len(buffer)]

    def writeblocks(self, block, data, offset=0):
        at = block * BLOCK_BYTES + offset
        assert self._data[at : at + len(data)] == b"\xff" * len(data), "programmed twice without an erase"
        self._data[at : at + len(data)] = data
        self.programmed_bytes += len(data)

    def ioctl(self, operation, block):
        if operation == 4:
            return BLOCKS
        if operation == 5:
            return BLOCK_BYTES
        if operation == 6:
            at = block * BLOCK_BYTES
            self._data[at : at + BLOCK_BYTES] = b"\xff" * BLOCK_BYTES
            self.erased[block] += 1
        return 0


def main(trace, days):
    flash = CountingFlash()
    vfs.VfsLfs2.mkfs(flash)
    vfs.mount(vfs.VfsLfs2(flash), FLASH)
    storage = FileStorage(FLASH)
    with open(trace) as file:
        steps = [json.loads(line) for line in file]
    flash.erased = [0] * BLOCKS
    flash.programmed_bytes = 0
    for _ in range(days):
        for operation, name, size in steps:
            if operation == "remove":
                storage.remove(name)
            else:
                getattr(storage, operation)(name, b"x" * size)
    print(json.dumps({"programmed_bytes": flash.programmed_bytes, "erases": flash.erased}))


main(sys.argv[1], int(sys.argv[2]))
