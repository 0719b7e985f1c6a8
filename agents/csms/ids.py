"""Ids that are never used a second time: not by another station, not after a restart, not with another database."""

from collections.abc import Callable
from random import Random

FIRST_MS = 1_767_225_600_000
"""2026-01-01: transactions of a new database are numbered from the seconds since then. UTC in milliseconds."""

MOST_FIRST = 2_000_000_000
"""Highest first number, however wrong the clock: OCPP 1.6 numbers transactions with 31 bits."""


def session_ids(random: Random) -> Callable[[], str]:
    """Return a source of session ids: 96 random bits as 24 hexadecimal digits.

    Nothing needs to be remembered for that: among 10⁹ sessions the chance that any two are the same is below 10⁻¹¹.
    """
    return lambda: f"{random.getrandbits(96):024x}"


def boot_ids(random: Random) -> Callable[[], str]:
    """Return a source of boot ids, as the contract wants them: 48 random bits as 12 hexadecimal digits."""
    return lambda: f"{random.getrandbits(48):012x}"


def next_transaction(highest: int | None, now_ms: int) -> int:
    """Return the number of the next transaction; ``highest`` is that of the last one, None in a new database.

    A database that was lost is followed by one that begins above it, unless there was more than one transaction a
    second all the time: a station that still has a transaction of then ends none of now.
    """
    if highest is not None:
        return highest + 1
    return max(1, min((now_ms - FIRST_MS) // 1000, MOST_FIRST))
