"""What MicroPython makes of bytes at the other doors: ``doors.py FILE``, in hexadecimal digits on each line.

Prints for each, in hexadecimal digits of UTF-8, the words of an HTTP answer with them in its first line (``-`` where
it is refused) and the version of an image that has them there.
"""

import binascii
import struct
import sys

from firmware.app.contract import IMAGE_FORMAT, IMAGE_LAYOUT, IMAGE_MAGIC
from firmware.app.http import _Answer
from firmware.app.image import Image


def reason(data):
    try:
        return binascii.hexlify(_Answer(b"HTTP/1.0 404 " + data + b"\r\nA: b").reason.encode()).decode()
    except ValueError:
        return "-"


def version(data):
    header = struct.pack(IMAGE_LAYOUT, IMAGE_MAGIC, IMAGE_FORMAT, 0, 0, 1, b"board", data, b"", b"", b"")
    return binascii.hexlify(Image(header + bytes(512 - len(header))).version.encode()).decode()


with open(sys.argv[1]) as file:
    for line in file:
        data = binascii.unhexlify(line.strip())
        print(reason(data), version(data))
