"""MicroPython's raw REPL, run by MicroPython's unix port, whose own prompt has none: ``raw_repl.py MARKER``.

The protocol is that of docs/reference/repl, with raw paste. ``machine.reset()`` adds a line to MARKER.
"""

import io
import sys

MARKER = sys.argv[1]
WINDOW = 256
BANNER = "raw REPL; CTRL-B to exit\r\n>"


class Machine:
    def reset(self):
        with open(MARKER, "a") as file:
            file.write("reset\n")
        raise SystemExit


sys.modules["machine"] = Machine()


def say(text):
    sys.stdout.write(text)
    flush = getattr(sys.stdout, "flush", None)
    if flush:
        flush()


def pasted(read):
    """Take code in windows, as a device does that has to make room in between."""
    sys.stdout.buffer.write(b"R\x01" + bytes([WINDOW & 0xFF, WINDOW >> 8]))
    code, room = bytearray(), WINDOW
    while True:
        byte = read(1)
        if byte == b"\x04":
            say("\x04")
            return code
        code.extend(byte)
        room -= 1
        if not room:
            room = WINDOW
            sys.stdout.buffer.write(b"\x01")


def execute(code, names):
    failed = ""
    try:
        exec(code, names)
    except BaseException as error:  # noqa: BLE001 - a prompt reports whatever it was
        text = io.StringIO()
        sys.print_exception(error, text)
        failed = text.getvalue()
    say("\x04" + failed + "\x04>")


def main():
    read = sys.stdin.buffer.read
    names, code, raw = {"__name__": "__main__"}, bytearray(), False
    while True:
        byte = read(1)
        if not byte:
            return
        if byte == b"\x01":
            raw, code = True, bytearray()
            say(BANNER)
        elif byte == b"\x02":
            raw = False
            say("\r\n>>> ")
        elif byte == b"\x03":
            code = bytearray()
        elif byte == b"\x05":
            read(2)
            execute(str(bytes(pasted(read)), "utf-8"), names)
        elif byte == b"\x04" and raw:
            text, code = bytes(code), bytearray()
            say("OK")
            execute(str(text, "utf-8"), names)
        elif raw:
            code.extend(byte)


main()
