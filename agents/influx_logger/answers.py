"""What a database's answer to a write means, whatever its kind. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum


class Fate(Enum):
    """What has become of the lines of a request."""

    TAKEN = "taken"
    """They are in the database."""
    EXPIRED = "expired"
    """They are, but for those older than the database keeps."""
    REFUSED = "refused"
    """At least one of them is at fault; sent again as they are, they will be refused again."""
    TOO_LARGE = "too_large"
    """Too many at once."""
    LATER = "later"
    """The database cannot be reached or cannot work now; nothing is wrong with the lines."""
    NEVER = "never"
    """The database refuses this client: the settings are wrong, not the lines."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a write."""

    fate: Fate
    reason: str = ""
    """What the database says, for people."""
    retry_after_s: float | None = None
    """How long it asks to be left alone."""


BlockingWrite = Callable[[str], Answer]
"""Writes lines, joined by line breaks; never raises for what the database or the network does."""

LONGEST_REASON = 300


def understand(status: int, body: str, headers: Mapping[str, str]) -> Answer:
    """Return what an HTTP answer means."""
    reason = f"{status}: {' '.join(body.split())[:LONGEST_REASON]}"
    if 200 <= status < 300:
        return Answer(Fate.TAKEN)
    if status in (400, 422):
        # InfluxDB has written the rest then: 2.x says 422, 1.x says 400, both with these words.
        if "beyond retention policy" in body:
            return Answer(Fate.EXPIRED, reason)
        return Answer(Fate.REFUSED, reason)
    if status == 413:
        return Answer(Fate.TOO_LARGE, reason)
    if status in (401, 403, 404):
        return Answer(Fate.NEVER, reason)
    return Answer(Fate.LATER, reason, _seconds(headers.get("Retry-After")))


def _seconds(text: str | None) -> float | None:
    """Return a Retry-After in seconds, at most an hour; a date (which no time-series database sends) is not read."""
    return None if text is None or not text.strip().isdigit() else min(float(text), 3600.0)
