"""How long cars stay: what was told is not what happens, and some drivers tell nothing."""

import statistics
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from agents.load_balancer.allocation.network import Floats

UNKNOWN_STAYS_S = tuple(3600.0 * hours for hours in (1, 2, 3, 4, 5, 6, 7, 8, 8.5, 9, 9.5, 10, 12))
"""Stays assumed before there is history. Each past session counts as one more."""
USUAL_STAY_S = statistics.median(UNKNOWN_STAYS_S)
OVERDUE_MEAN_S = 1800.0
"""Who should have left by now leaves within this time on average."""
CERTAIN = 0.02
"""An error of a stay below this is none: the car leaves when it said."""
CROWDING = 0.2
"""What share of the current at the end of a stay is taken to be lost to cars that are yet to come. It puts who leaves
earlier before who leaves later, where the program alone would see no difference."""
ROUGHLY = 0.05
"""Each stay that is expected is taken to be this share of itself shorter or longer: the sample is no timetable."""
SURE_S = 600.0
"""… but by no less than this."""
LATE_SHARE = 0.03
"""Share of cars that stay longer than any error allows for."""


def presence(
    elapsed_s: Floats,
    departure_s: Floats,
    error: Floats,
    crowding: Floats,
    stays_s: Sequence[float],
    times_s: Floats,
    expected_s: Sequence[Sequence[float]] = (),
) -> Floats:
    """Return for each car (row) and time from now the probability that it is still there, given that it is now.

    ``departure_s`` counts from now and is NaN for who told none; ``error`` is the share of the stay by which it may be
    wrong; ``stays_s`` are past stays of others; ``crowding`` lowers what is far away, see ``CROWDING``. ``expected_s``
    are for each car the stays that are expected of it, ascending, where it told no departure; empty if there are none.
    """
    elapsed, left, error = elapsed_s[:, None], departure_s[:, None], error[:, None]
    unknown, overdue, certain = np.isnan(left), left <= 0, error < CERTAIN
    left = np.where(unknown | overdue, 1.0, np.maximum(left, 1.0))
    told = np.where(certain, times_s < left, _told(elapsed, elapsed + left, np.maximum(error, CERTAIN), times_s))
    told = told * (1.0 - crowding[:, None] * np.minimum(1.0, times_s / left))
    found = np.where(overdue, np.exp(-times_s / OVERDUE_MEAN_S), told)
    plain = unknown[:, 0] & np.array([not stays for stays in expected_s] or [True] * elapsed_s.size, dtype=bool)
    if plain.any():
        found[plain] = _from_history(elapsed[plain], (*UNKNOWN_STAYS_S, *stays_s), times_s)
    for size in {len(stays) for stays in expected_s} - {0}:
        rows = [row for row, stays in enumerate(expected_s) if len(stays) == size]
        sample = np.array([expected_s[row] for row in rows])
        found[rows] = _expected(elapsed_s[rows], sample, crowding[rows], times_s)
    return found


def expected_stay_s(stays_s: Sequence[float], elapsed_s: float, share: float) -> float:
    """Return the stay before which this share of those cars has left that stayed at least as long as this one has."""
    longer = stays_s[bisect_right(stays_s, elapsed_s) :]
    return longer[min(len(longer) - 1, int(share * len(longer)))] if longer else elapsed_s + OVERDUE_MEAN_S


def _expected(elapsed_s: Floats, stays_s: Floats, crowding: Floats, times_s: Floats) -> Floats:
    """Return the presence of cars (rows) of which these stays (columns, ascending) are expected."""
    # A stay per row and a car per column, in place: this is looked at for each point in time of each car.
    pace = np.ascontiguousarray(1 / (2 * np.maximum(ROUGHLY * stays_s, SURE_S)).T)
    certain_until = np.ascontiguousarray(stays_s.T) * pace + 0.5
    mean_s = np.maximum(stays_s.mean(axis=1), 1.0)
    even = np.empty_like(pace)

    def survive(total_s: Floats) -> Floats:
        np.multiply(pace, total_s, out=even)
        np.subtract(certain_until, even, out=even)
        np.clip(even, 0.0, 1.0, out=even)
        surviving: Floats = (1 - LATE_SHARE) * even.mean(axis=0) + LATE_SHARE * np.exp(-total_s / mean_s)
        return surviving

    there = np.stack([survive(elapsed_s + at_s) for at_s in times_s], axis=1) / survive(elapsed_s)[:, None]
    longer = np.sum(stays_s <= elapsed_s[:, None], axis=1)
    middle = np.minimum((longer + stays_s.shape[1]) // 2, stays_s.shape[1] - 1)
    left = np.maximum(stays_s[np.arange(len(stays_s)), middle] - elapsed_s, OVERDUE_MEAN_S)[:, None]
    crowded: Floats = there * (1.0 - crowding[:, None] * np.minimum(1.0, times_s / left))
    return crowded


def _told(elapsed_s: Floats, stay_s: Floats, error: Floats, times_s: Floats) -> Floats:
    now = _survives(elapsed_s, stay_s, error)
    return _survives(elapsed_s + times_s, stay_s, error) / np.maximum(now, 1e-9)


def _survives(total_s: Floats, stay_s: Floats, error: Floats) -> Floats:
    # Told is the true stay times 1 + u, u evenly within ±error; so the true stay is told / (1 + u).
    even = np.clip((stay_s / np.maximum(total_s, 1.0) - (1 - error)) / (2 * error), 0.0, 1.0)
    late = np.exp(-np.maximum(0.0, total_s - stay_s) / (stay_s * 0.5))
    surviving: Floats = (1 - LATE_SHARE) * even + LATE_SHARE * late
    return surviving


def _from_history(elapsed_s: Floats, stays_s: Sequence[float], times_s: Floats) -> Floats:
    stays = np.sort(np.asarray(stays_s, dtype=float))
    as_long = stays.size - np.searchsorted(stays, elapsed_s, side="right")
    longer = stays.size - np.searchsorted(stays, elapsed_s + times_s, side="right")
    # One more car that leaves any moment, or much later: the sample is never all there is to know.
    tail = np.exp(-times_s / np.maximum(OVERDUE_MEAN_S * 2, 0.25 * elapsed_s))
    share = 1 / (1 + as_long)
    return (1 - share) * longer / np.maximum(as_long, 1) + share * tail
