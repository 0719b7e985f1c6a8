r"""Strict JSON in strict UTF-8 for everything that comes from outside, on MicroPython and CPython alike.

MicroPython's parser takes a missing colon, a trailing comma, ``008``, ``\x41`` and raw line breaks, and it needs memory
for every level of nesting. So the bytes are scanned once before they are parsed, by the grammar of RFC 8259: what
passes, the contract's own reader (``bus_schema``) passes too, and the reverse. Of a name that comes twice the last one
counts, as it does there. The scan keeps a few small integers and nothing else.
"""

import json

from .contract import MAX_MESSAGE_BYTES, MAX_NESTING
from .utf8 import after

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ESCAPES = b'"\\/bfnrt'
_WORDS = (b"true", b"false", b"null")


class NotJson(ValueError):
    """Bytes that are not JSON in UTF-8, too long, nested too deeply, or too much for the memory that is left."""


def read(data: bytes, most: int = MAX_MESSAGE_BYTES) -> "Any":
    """Return the value that ``data``, of at most ``most`` bytes, holds. Raises :class:`NotJson`."""
    if len(data) > most:
        raise NotJson("longer than %d bytes" % most)
    try:
        return json.loads(_joined(data) if scan(data) else data)
    except MemoryError:
        # What was begun is given back with the next collection; nothing of it is referred to any more.
        raise NotJson("too much for the memory that is left") from None


def scan(data: bytes) -> bool:
    r"""Return whether ``data`` has escaped surrogate pairs, such as ``\ud83d\ude00``. Raises :class:`NotJson`."""
    try:
        return _scan(data)
    except IndexError:
        raise NotJson("not JSON: it breaks off") from None
    except NotJson:
        raise
    except ValueError as error:
        raise NotJson(str(error)) from None


def _scan(data: bytes) -> bool:
    # What must come: 0 a value, 1 a value or "]", 2 a name or "}", 3 a name, 4 a colon, 5 a comma or the end of what is
    # open. Numbers without names, and the frequent cases first: every byte of every message passes here.
    wanted = at = depth = objects = 0
    # Bit 0 of ``objects`` says whether the innermost of what is open is an object, bit 1 the one around it, and so on.
    pairs = False
    size = len(data)
    while True:
        byte = data[at]
        at += 1
        if byte == 0x22:
            if wanted > 3:
                raise NotJson("not JSON: a colon, a comma or an end is missing")
            at = _string(data, at)
            if at < 0:
                at, pairs = -at, True
            if wanted > 1:
                wanted = 4
                continue
        elif byte == 0x2C:
            if wanted != 5:
                raise NotJson("not JSON: a comma too many")
            wanted = 3 if objects & 1 else 0
            continue
        elif byte <= 0x20:
            if byte != 0x20 and byte != 0x0A and byte != 0x0D and byte != 0x09:
                raise NotJson("not JSON: a control character")
            continue
        elif byte < 0x3A:
            if wanted > 1:
                raise NotJson("not JSON: a name, a colon, a comma or an end is missing")
            at = _number(data, at - 1, size)
        elif byte == 0x3A:
            if wanted != 4:
                raise NotJson("not JSON: a colon too many")
            wanted = 0
            continue
        elif byte == 0x5B or byte == 0x7B:
            if wanted > 1:
                raise NotJson("not JSON: a name, a colon, a comma or an end is missing")
            depth += 1
            if depth > MAX_NESTING:
                raise NotJson("nested deeper than %d levels" % MAX_NESTING)
            objects = objects << 1 | (byte == 0x7B)
            wanted = 2 if byte == 0x7B else 1
            continue
        elif byte == 0x5D or byte == 0x7D:
            if wanted != (2 if byte == 0x7D else 1) and (wanted != 5 or byte != (0x7D if objects & 1 else 0x5D)):
                raise NotJson("not JSON: an end in the wrong place")
            depth -= 1
            objects >>= 1
        elif wanted > 1:
            raise NotJson("not JSON: a name, a colon, a comma or an end is missing")
        else:
            at = _word(data, at - 1)
        wanted = 5
        if not depth:
            break
    while at < size:
        byte = data[at]
        if byte != 0x20 and byte != 0x0A and byte != 0x0D and byte != 0x09:
            raise NotJson("not JSON: something follows the value")
        at += 1
    return pairs


def _string(data: bytes, at: int) -> int:
    """Return where the string ends that begins behind a quote; the negative of it if it has a surrogate pair."""
    sign = 1
    while True:
        byte = data[at]
        at += 1
        if byte == 0x22:
            return sign * at
        if byte == 0x5C:
            byte = data[at]
            at += 1
            if byte == 0x75:
                code = _code(data, at)
                at += 4
                if 0xD800 <= code <= 0xDFFF:
                    if code > 0xDBFF or data[at] != 0x5C or data[at + 1] != 0x75:
                        raise NotJson("not JSON: half a character")
                    if not 0xDC00 <= _code(data, at + 2) <= 0xDFFF:
                        raise NotJson("not JSON: half a character")
                    at += 6
                    sign = -1
            elif byte not in _ESCAPES:
                raise NotJson("not JSON: an unknown escape")
        elif byte >= 0x80:
            at = after(data, at - 1)
        elif byte < 0x20:
            raise NotJson("not JSON: a control character in a string")


def _code(data: bytes, at: int) -> int:
    """Return the number that four hexadecimal digits mean."""
    code = 0
    for byte in (data[at], data[at + 1], data[at + 2], data[at + 3]):
        if 0x30 <= byte <= 0x39:
            code = code << 4 | byte - 0x30
        elif 0x41 <= byte <= 0x46 or 0x61 <= byte <= 0x66:
            code = code << 4 | (byte & 0x0F) + 9
        else:
            raise NotJson("not JSON: four hexadecimal digits are missing")
    return code


def _word(data: bytes, at: int) -> int:
    """Return where the word ends that begins at ``at``."""
    for word in _WORDS:
        if data.startswith(word, at):
            return at + len(word)
    raise NotJson("not JSON: a value is missing")


def _number(data: bytes, at: int, size: int) -> int:
    """Return where the number ends that begins at ``at``."""
    byte = data[at]
    if byte == 0x2D:
        at += 1
        byte = data[at]
    at += 1
    if not 0x30 <= byte <= 0x39:
        raise NotJson("not JSON: a value is missing")
    if byte != 0x30:
        while at < size and 0x30 <= data[at] <= 0x39:
            at += 1
    if at == size or data[at] == 0x2C:
        return at
    byte = data[at]
    if 0x30 <= byte <= 0x39:
        raise NotJson("not JSON: a number begins with 0")
    if byte == 0x2E:
        at = _digits(data, at + 1, size)
    if at < size and (data[at] == 0x65 or data[at] == 0x45):
        at += 1
        if data[at] == 0x2B or data[at] == 0x2D:
            at += 1
        at = _digits(data, at, size)
    return at


def _digits(data: bytes, at: int, size: int) -> int:
    """Return where at least one digit ends."""
    begin = at
    while at < size and 0x30 <= data[at] <= 0x39:
        at += 1
    if at == begin:
        raise NotJson("not JSON: a digit is missing")
    return at


def _joined(data: bytes) -> str:
    r"""Return the text with ``\ud83d\ude00`` replaced by the one character that it means.

    MicroPython's parser makes two halves of it, which could never be published. ``data`` has been scanned.
    """
    text = str(data, "utf-8")
    parts = []
    begin = at = text.find("\\")
    parts.append(text[:begin])
    while at >= 0:
        if text[at + 1] == "u" and text[at + 2] in "dD" and text[at + 3] in "89abAB":
            high, low = int(text[at + 2 : at + 6], 16), int(text[at + 8 : at + 12], 16)
            parts.append(text[begin:at])
            parts.append(chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)))
            begin = at + 12
            at = text.find("\\", begin)
        else:
            at = text.find("\\", at + 2)
    parts.append(text[begin:])
    return "".join(parts)
