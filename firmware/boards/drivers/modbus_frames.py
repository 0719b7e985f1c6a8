"""Modbus RTU frames: requests to read registers, and the answers to them (Modbus over Serial Line V1.02, 2.5.1)."""

import struct

READ_INPUT_REGISTERS = 4
_EXCEPTION = 0x80


def crc16(data: bytes) -> int:
    """Return the checksum: polynomial 0xA001, begun with 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def with_crc(body: bytes) -> bytes:
    """Return ``body`` with its checksum, low byte first."""
    return body + struct.pack("<H", crc16(body))


def read_request(slave: int, address: int, count: int) -> bytes:
    """Return the request for ``count`` input registers from ``address`` on."""
    return with_crc(struct.pack(">BBHH", slave, READ_INPUT_REGISTERS, address, count))


def answer_size(count: int) -> int:
    """Return how long the answer with ``count`` registers is. Bytes."""
    return 5 + 2 * count


def find_answer(received: bytes, slave: int, count: int) -> "tuple[bytes | None, int | None]":
    """Look for the answer anywhere in what was received: ``(registers, None)``, ``(None, exception code)`` or neither.

    Only a frame of this slave, function and length with a good checksum is one. What stands before it, such as the
    echo of the request, the answer of another slave or noise, is passed over.
    """
    size = answer_size(count)
    good = bytes((slave, READ_INPUT_REGISTERS, 2 * count))
    bad = bytes((slave, READ_INPUT_REGISTERS | _EXCEPTION))
    for start in range(len(received) - 4):
        frame = b""
        if received[start : start + 3] == good:
            frame = received[start : start + size]
            if len(frame) == size and _checked(frame):
                return (frame[3:-2], None)
        elif received[start : start + 2] == bad:
            frame = received[start : start + 5]
            if _checked(frame):
                return (None, frame[2])
    return (None, None)


def _checked(frame: bytes) -> bool:
    return crc16(frame[:-2]) == frame[-2] | frame[-1] << 8
