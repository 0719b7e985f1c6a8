"""Which events of a boot are all there: the rules behind an acknowledgement (design, invariant 4).

The charger forgets what is acknowledged, so an acknowledgement names the highest number up to which *nothing* is
missing. Numbers below the ``oldest_seq`` that a charger tells will not come again: they were acknowledged before, or
its flash has refused them. If this ledger does not have them, they are lost to it, and :class:`Lost` says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lost:
    """Numbers that the charger no longer keeps although not all of them are here."""

    first_seq: int
    last_seq: int

    def count_of(self, numbers: Iterable[int]) -> int:
        """Return how many of ``numbers`` are among them."""
        return sum(self.first_seq <= number <= self.last_seq for number in numbers)


@dataclass(frozen=True, slots=True)
class Progress:
    """What is here of one boot of one charger."""

    contiguous: int = 0
    """Highest number up to which nothing is awaited any more; 0 before the first."""
    highest: int = 0
    """Highest number that has come."""

    @property
    def gap(self) -> tuple[int, int] | None:
        """First missing number and the highest that has come above it, or None if nothing is missing."""
        return (self.contiguous + 1, self.highest) if self.contiguous < self.highest else None


def give_up_below(progress: Progress, oldest_seq: int) -> tuple[Progress, Lost | None]:
    """Return the progress once everything below ``oldest_seq`` is no longer awaited, and what was lost by that."""
    floor = oldest_seq - 1
    if floor <= progress.contiguous:
        return progress, None
    return Progress(floor, max(progress.highest, floor)), Lost(progress.contiguous + 1, floor)


def extend(progress: Progress, present: Iterable[int]) -> Progress:
    """Return the progress with the numbers in ``present``, which are sorted upwards."""
    contiguous, highest = progress.contiguous, progress.highest
    for seq in present:
        if seq == contiguous + 1:
            contiguous = seq
        highest = max(highest, seq)
    return Progress(contiguous, highest)
