"""A past session as it is learned from, and which records say nothing."""

from dataclasses import dataclass

SHORTEST_STAY_S = 300.0
"""A session that was shorter says nothing about stays: a car plugged in twice, a test by a technician."""

LONGEST_STAY_S = 7 * 86_400.0
"""A session that was longer is a car that was left behind, or a record whose end came with a wrong clock."""

EARLIEST_MS = 1_577_836_800_000
"""2020-01-01: a clock that tells an earlier time was not set. ms since 1970, UTC."""

MOST_ENERGY_WH = 1_000_000.0
"""More than any car takes: a register that jumped. Wh."""


@dataclass(frozen=True, slots=True)
class PastSession:
    """One session that has ended."""

    card: str
    """Who charged, in any words that are always the same for the same card; empty if nobody knows."""
    charger: str
    arrived_ms: int
    """When it began. ms since 1970, UTC."""
    stay_s: float
    """From its beginning to its end."""
    energy_wh: float | None
    """What it took; None if that is not known, or nothing was taken."""


def past_session(
    card: str, charger: str, arrived_ms: int | None, stay_s: float | None, energy_wh: float | None, now_ms: int
) -> PastSession | None:
    """Return a record as a session to learn from; None for one that says nothing about stays.

    Without a beginning, with a stay that is unknown, negative, too short or too long, and from the future or from a
    clock that was not set, a record teaches nothing. One without energy still says how long the car stayed.
    """
    if arrived_ms is None or stay_s is None:
        return None
    if not SHORTEST_STAY_S <= stay_s <= LONGEST_STAY_S:
        return None
    if arrived_ms < EARLIEST_MS or arrived_ms + stay_s * 1000 > now_ms + 60_000:
        return None
    if energy_wh is not None and not 0 < energy_wh <= MOST_ENERGY_WH:
        energy_wh = None
    return PastSession(card, charger, arrived_ms, stay_s, energy_wh)
