"""A charger's door when hardly any memory is left: ``tight.py FREE`` leaves so many bytes of the heap.

Prints for each of some messages what becomes of it: ``taken``, or the code and the reason of the refusal.
"""

import gc
import sys

from firmware.app.acks import read_ack
from firmware.app.validation import Refused, read_command

GOOD = b'{"op":"pause","ts":1,"id":"a","source":"technician","deadline_ts":2,"ignored":%s}'
MESSAGES = (
    GOOD % (b"[" + b"1.5," * 950 + b"1]"),
    GOOD % (b"[" + b"{}," * 1200 + b"{}]"),
    GOOD % (b'"' + b"\\ud83d\\ude00" * 300 + b'"'),
    b"[" * 4096,
    b'{"a":' * 800,
    GOOD % b"1",
)

blocks = []
gc.collect()
while gc.mem_free() > int(sys.argv[1]) + 64:
    blocks.append(bytearray(min(1024, gc.mem_free() - int(sys.argv[1]))))
for message in MESSAGES:
    gc.collect()
    try:
        read_command(message)
        result = "taken"
    except Refused as refused:
        result = f"{refused.code}: {refused.reason}"
    read_ack(message)
    print(result)
