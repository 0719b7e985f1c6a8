"""Reads payloads as a charger on MicroPython does: ``reading.py FILE``, a payload in hexadecimal digits on each line.

Prints for each what ``read_command`` makes of it, in JSON, ``null`` where it refuses.
"""

import binascii
import json
import sys

from firmware.app.acks import read_ack
from firmware.app.validation import Refused, read_command

with open(sys.argv[1]) as file:
    for line in file:
        payload = binascii.unhexlify(line.strip())
        read_ack(payload)
        try:
            print(json.dumps(read_command(payload)))
        except Refused:
            print("null")
