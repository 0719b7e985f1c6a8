"""Strict JSON (RFC 8259) in UTF-8: what everything from outside is read with, so that all readers take the same.

Python's ``json`` and pydantic's ``validate_json`` take ``NaN``, ``Infinity`` and ``-Infinity``, which are not JSON and
which readers of other makes refuse. Pydantic's parser refuses whatever else is not JSON in UTF-8, halves of surrogate
pairs included; of a name that comes twice the last one counts. ``firmware/app/json_text.py`` is the charger's.
"""

import re
from typing import Any

from pydantic_core import from_json

from bus_schema.message import MAX_NESTING

_BRACES = bytes.maketrans(b"[]", b"{}")
_REST = bytes(byte for byte in range(256) if byte not in b'{}[]"')
_ESCAPED = re.compile(rb"\\.", re.DOTALL)


class NotJson(ValueError):
    """A text that is not JSON; the words never repeat what stands in it."""


def read_json(data: str | bytes | bytearray) -> Any:
    """Return the value that ``data`` holds. Raises :class:`NotJson`, also for nesting of more than 200 levels."""
    try:
        return from_json(data.encode() if isinstance(data, str) else data, allow_inf_nan=False)
    except ValueError as error:
        raise NotJson(f"not JSON: {error}") from None


def beyond_pydantic(data: bytes | bytearray) -> str | None:
    """Return why a message must be refused that ``validate_json`` might take, or None.

    Cheap for what is right: outside a string the two words can stand only as such, so that a text without them has no
    such number; and what has no more brackets than levels are allowed is not nested deeper.
    """
    if (b"N" in data and b"NaN" in data) or (b"I" in data and b"Infinity" in data):
        try:
            read_json(data)
        except NotJson as error:
            return str(error)
    if data.count(b"{") + data.count(b"[") > MAX_NESTING and _is_deep(data):
        return f"nested deeper than {MAX_NESTING} levels"
    return None


def _is_deep(data: bytes | bytearray) -> bool:
    """Return whether objects and lists stand too deep within each other, if ``data`` is JSON; else either."""
    if b"\\" in data:
        data = _ESCAPED.sub(b"", data)
    # Quotes and brackets are left; then quotes with nothing between them go, and the strings that held brackets.
    braces = data.translate(_BRACES, _REST).replace(b'""', b"")
    if b'"' in braces:
        braces = b"".join(braces.split(b'"')[::2])
    for _ in range(MAX_NESTING):
        # What has nothing in it goes: one level, everywhere.
        braces = braces.replace(b"{}", b"")
    return bool(braces)
