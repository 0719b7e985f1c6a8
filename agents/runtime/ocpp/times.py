"""Times as OCPP writes them: ISO 8601, UTC out, whatever peers send in."""

import re
from datetime import UTC, datetime, timedelta, timezone

_TIME = re.compile(
    r"\s*(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,12}))?)?\s*(Z|z|[+-]\d{2}(?::?\d{2})?)?\s*",
    re.ASCII,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""


class InvalidTime(ValueError):
    """A text that is no time."""


def parse_time(text: str) -> int:
    """Return milliseconds since 1970 in UTC.

    Accepts any number of fractional digits, any offset, and none at all, which means UTC. Raises :class:`InvalidTime`.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise InvalidTime("not a date-time; expected for example 2026-01-31T12:00:00Z")
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    # A leap second is the second before it, and 24:00 the next day's 00:00.
    seconds = min(int(second or 0), 59)
    try:
        moment = datetime(int(year), int(month), int(day), int(hour) % 24, int(minute), seconds, tzinfo=_zone(offset))
        if int(hour) == 24:
            moment += timedelta(days=1)
        whole = (moment - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise InvalidTime("no such date or time") from None
    if int(hour) > 24 or int(second or 0) > 60 or not 0 <= whole <= _MAX_MS:
        raise InvalidTime("no such date or time")
    return whole + int((fraction or "").ljust(3, "0")[:3])


def _zone(offset: str | None) -> timezone:
    if offset is None or offset in "Zz":
        return UTC
    digits = offset[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))


def format_time(ms: int) -> str:
    """Return milliseconds since 1970 as ``2026-01-31T12:00:00.000Z``."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"
