"""Strings on their way into messages: JSON, limits of length, amperes for people."""

import json

from .contract import MAX_TEXT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .seam import RandomBytes


def quote(text: str) -> str:
    """Return ``text`` as a JSON string."""
    return json.dumps(text)


def clip(text: str, characters: int = MAX_TEXT) -> str:
    """Return as much of ``text`` as fits: so many characters and twice as many bytes once written in JSON.

    The second limit keeps a message below its 4 KiB whatever script, or control characters, somebody sends.
    """
    if len(text) > characters:
        text = text[: characters - 3] + "..."
    while len(json.dumps(text)) > 2 * characters + 2:
        text = text[: len(text) * 3 // 4]
    return text


def amperes(value: float) -> str:
    """Return a current for people: ``9 A``, ``9.5 A``."""
    text = "%.1f" % value
    if text.endswith(".0"):
        text = text[:-2]
    return text + " A"


def nullable(value: object) -> str:
    """Return an integer, or null, in JSON."""
    return "null" if value is None else str(value)


def decimal(value: float | None, digits: int = 1) -> str:
    """Return a number with so many digits, or null, in JSON. NaN and infinities, from a broken sensor, are null."""
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return "null"
    return "%.*f" % (digits, value)


def random_below(random: "RandomBytes", limit: int) -> int:
    """Return a random whole number from 0 to ``limit`` - 1, drawn with the injected source of random bytes."""
    if limit <= 1:
        return 0
    return int.from_bytes(random(4), "big") % limit
