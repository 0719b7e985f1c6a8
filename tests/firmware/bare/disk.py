"""Under MicroPython without an operating system: littlefs on a RAM disk, outside of the interpreter's heap."""

import os
import sys

import uctypes

BLOCK_BYTES = 4096
BLOCKS = 256
MEMORY = 0x21000000
"""The board's external RAM."""


class Disk:
    """A block device as a flash has it: erased by the block."""

    def __init__(self):
        self.data = memoryview(uctypes.bytearray_at(MEMORY, BLOCKS * BLOCK_BYTES))

    def readblocks(self, block, buffer, offset=0):
        begin = block * BLOCK_BYTES + offset
        buffer[:] = self.data[begin : begin + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        begin = block * BLOCK_BYTES + offset
        self.data[begin : begin + len(buffer)] = buffer

    def ioctl(self, operation, argument):
        if operation == 4:
            return BLOCKS
        if operation == 5:
            return BLOCK_BYTES
        return 0


def mount():
    disk = Disk()
    os.VfsLfs2.mkfs(disk)
    os.mount(os.VfsLfs2(disk), "/flash")
    sys.path.append("/flash")


def put(name, text):
    with open("/flash/" + name, "w") as file:
        file.write(text)
