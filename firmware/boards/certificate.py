"""What a certificate says: its subject, its key, its end. As much of X.509 as that needs (RFC 5280, 4.1).

Nothing is verified here: the broker does that, and only what it lets in is kept.
"""

import binascii

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0
_BROKEN = "the certificate is damaged"


class Certificate:
    """One certificate."""

    def __init__(self, pem: str) -> None:
        """Read it. Raises ValueError, in words."""
        fields = _fields(_content(_der(pem), 0, _SEQUENCE)[0])
        tbs = _fields(fields[0][1])
        if tbs and tbs[0][0] == _VERSION:
            tbs.pop(0)
        # serial number, signature, issuer, validity, subject, subject's public key
        if len(tbs) < 6:
            raise ValueError(_BROKEN)
        validity = _fields(tbs[3][1])
        if len(validity) != 2:
            raise ValueError(_BROKEN)
        self.subject = tbs[4][1]
        self.public_key = tbs[5][1]
        self.ends_ts = _time(validity[1])
        """UTC milliseconds."""


def _der(pem: str) -> bytes:
    begin, end = pem.find(_BEGIN), pem.find(_END)
    if pem.count("-----BEGIN ") != 1 or begin < 0 or end < begin:
        raise ValueError("it is not one certificate as PEM")
    return binascii.a2b_base64("".join(pem[begin + len(_BEGIN) : end].split()))


def _content(data: bytes, at: int, tag: "int | None" = None) -> "tuple[bytes, int, int]":
    """Return content, end and tag of the element at ``at``. Raises ValueError."""
    if at + 2 > len(data) or (tag is not None and data[at] != tag):
        raise ValueError(_BROKEN)
    found, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + length > len(data):
        raise ValueError(_BROKEN)
    return data[start : start + length], start + length, found


def _fields(data: bytes) -> "list[tuple[int, bytes]]":
    """Return tag and content of every element of a sequence's content. Raises ValueError."""
    found, at = [], 0
    while at < len(data):
        content, at, tag = _content(data, at)
        found.append((tag, content))
    if not found:
        raise ValueError(_BROKEN)
    return found


def _time(element: "tuple[int, bytes]") -> int:
    tag, content = element
    text = str(content, "ascii")
    if tag == _UTC_TIME:
        # Two digits of the year: 50 to 99 are of the last century.
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError(_BROKEN)
    if len(text) != 15 or text[14] != "Z" or not text[:14].isdigit():
        raise ValueError(_BROKEN)
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
    seconds = (int(text[8:10]) * 60 + int(text[10:12])) * 60 + int(text[12:14])
    return (_days(year, month, day) * 86_400 + seconds) * 1000


def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the Gregorian calendar; years begin in March, so that a leap day is the last one."""
    if month < 3:
        year -= 1
        month += 12
    leap_days = year // 4 - year // 100 + year // 400
    return 365 * year + leap_days + (153 * (month - 3) + 2) // 5 + day - 719_469
