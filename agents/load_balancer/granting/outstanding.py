"""What may be outstanding when a process ends, in a form that a later one can count without trusting any clock.

Between two lives of the balancer no clock is certain: UTC jumps when a time server is found, steady clocks begin again
with the machine, and the database may have moved to another. One thing is certain: whatever a process has ordered, it
has ordered before a later one acts. A grant is therefore stored with its end *counted from the last moment of the
process that gave it*; whoever counts it from its own first moment on counts it too long rather than too short. What is
stored is lowered while the process lives, so that a grant that nobody renews ends although processes come and go.

Pure.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

GRID_S = 5.0
"""Stored times are rounded up to multiples of this: how far a charger's clock seems to be off changes all the time."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a charger hangs: what it draws counts here, also when the configuration has changed since."""

    circuits: tuple[str, ...]
    """Its circuit and those above; empty when nobody knows."""
    phases: tuple[str, ...]
    """Phases of the site at its terminals."""
    voltage_v: float


@dataclass(frozen=True, slots=True)
class Step:
    """A current that may be drawn for some time to come."""

    current_a: float
    executable_s: float
    """For how long an order of this current may still be executed, margin included."""
    life_s: float
    """For how long it may be drawn, all margins included."""
    place: Place

    def covers(self, other: "Step", more_a: float = 0.0, more_s: float = 0.0) -> bool:
        """Tell whether ``other`` is no more than this and ``more_a``, and no longer than this and ``more_s``."""
        return (
            self.place == other.place
            and other.current_a <= self.current_a + more_a
            and other.executable_s <= self.executable_s + more_s
            and other.life_s <= self.life_s + more_s
        )


def merged(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return steps as they are stored: rounded up, and without those that another covers."""
    kept: list[Step] = []
    rounded = [replace(step, executable_s=_up(step.executable_s), life_s=_up(step.life_s)) for step in steps]
    for step in sorted(rounded, key=lambda each: (-each.current_a, -each.life_s, -each.executable_s)):
        if not covers(kept, step):
            kept.append(step)
    return tuple(kept)


def _up(seconds: float) -> float:
    return GRID_S * math.ceil(seconds / GRID_S)


def covers(stored: Sequence[Step], needed: Step) -> bool:
    """Tell whether something that is stored covers ``needed``. What draws nothing needs no record."""
    return needed.current_a <= 0 or any(step.covers(needed) for step in stored)


def exceeds(stored: Sequence[Step], still: Sequence[Step], less_a: float, less_s: float) -> bool:
    """Tell whether more is stored than may still be drawn, by more than ``less_a`` or ``less_s``."""
    return any(not any(each.covers(step, less_a, less_s) for each in still) for step in stored)


def longest_life_s(stored: Sequence[Step], needed: Step) -> float:
    """Return the longest life that ``needed`` may have as far as the records go; 0 if none."""
    lives = (
        step.life_s
        for step in stored
        if step.place == needed.place
        and step.current_a >= needed.current_a
        and step.executable_s >= needed.executable_s
    )
    return max(lives, default=0.0)
