"""Frames of the card reader PN532 (NXP UM0701-02, 6.2.1) and the few commands that reading a card's UID takes."""

ACK = b"\x00\x00\xff\x00\xff\x00"
SAM_CONFIGURATION = b"\x14\x01\x14\x01"
"""Normal mode without a security module."""
RETRIES = b"\x32\x05\xff\x01\x00"
"""RFConfiguration: look for a card once, then answer; without it the reader would look for ever."""
LIST_PASSIVE_TARGET = b"\x4a\x01\x00"
"""One card, ISO 14443 type A at 106 kbit/s."""

UID_LENGTHS = (4, 7, 10)
MAX_ANSWER = 64
"""Longest answer that is read: one card with the answer to select of any type."""

_TO_READER, _TO_HOST = 0xD4, 0xD5


def frame(command: bytes) -> bytes:
    """Return the frame of a command and its parameters."""
    data = bytes((_TO_READER,)) + command
    return bytes((0, 0, 0xFF, len(data), -len(data) & 0xFF)) + data + bytes((-sum(data) & 0xFF, 0))


def answer(received: bytes, command: int) -> bytes | None:
    """Return what an answer to ``command`` carries, or None if the frame is none, broken or of another command."""
    start = received.find(b"\x00\xff")
    if start < 0 or start + 4 > len(received):
        return None
    length = received[start + 2]
    end = start + 4 + length
    if (length + received[start + 3]) & 0xFF or length < 2 or end >= len(received):
        return None
    data = received[start + 4 : end]
    if (sum(data) + received[end]) & 0xFF or data[0] != _TO_HOST or data[1] != command + 1:
        return None
    return data[2:]


def uid_of(targets: bytes) -> "tuple[bool, str | None]":
    """Return whether an answer to LIST_PASSIVE_TARGET can be read, and the card's UID, None without a card."""
    if not targets:
        return (False, None)
    if targets[0] == 0:
        return (True, None)
    # Number of cards, number of this one, SENS_RES (2), SEL_RES, length of the UID, UID.
    if len(targets) < 6 or targets[5] not in UID_LENGTHS or len(targets) < 6 + targets[5]:
        return (False, None)
    return (True, "".join(["%02X" % byte for byte in targets[6 : 6 + targets[5]]]))
