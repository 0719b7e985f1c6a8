"""The constraints as arrays: what is used, whether it fits, and how much more a charger could get."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.load_balancer.allocation.model import Constraint

Floats = NDArray[np.float64]
Indexes = NDArray[np.intp]

TOLERANCE = 1e-9
"""Relative to a limit: what sums of floating-point numbers may be off by."""


def alike(matrix: NDArray[np.complex128]) -> tuple[Indexes, Indexes]:
    """Return a column of each class of equal columns, and the class of each column."""
    numbers: dict[bytes, int] = {}
    class_of = [numbers.setdefault(column.tobytes(), len(numbers)) for column in np.ascontiguousarray(matrix.T)]
    first = {number: at for at, number in reversed(list(enumerate(class_of)))}
    return np.array([first[n] for n in range(len(first))], dtype=np.intp), np.array(class_of, dtype=np.intp)


@dataclass(frozen=True, slots=True)
class Network:
    """Constraints over chargers in a fixed order. ``matrix`` has a row per constraint and a column per charger."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    matrix: NDArray[np.complex128]
    limits: Floats
    rows: tuple[NDArray[np.intp], ...]
    """Per charger, the constraints that it loads."""
    columns: tuple[NDArray[np.complex128], ...]
    """Per charger, its coefficients in those."""
    plain: tuple[bool, ...]
    """Per charger, whether those constraints are all plain sums: no angles, nothing negative."""

    @classmethod
    def of(cls, constraints: Sequence[Constraint], chargers: Sequence[str]) -> "Network":
        """Put ``constraints`` into the order of ``chargers``; other chargers are left out. A limit below 0 is 0."""
        position = {charger: i for i, charger in enumerate(chargers)}
        matrix = np.zeros((len(constraints), len(chargers)), dtype=np.complex128)
        for row, constraint in enumerate(constraints):
            for charger, coefficient in constraint.coefficients.items():
                if charger in position:
                    matrix[row, position[charger]] = coefficient
        rows = tuple(np.flatnonzero(column) for column in matrix.T)
        sums = np.all((matrix.imag == 0) & (matrix.real >= 0), axis=1)
        return cls(
            tuple(c.name for c in constraints),
            tuple(c.unit for c in constraints),
            matrix,
            np.array([max(0.0, c.limit.now) for c in constraints]),
            rows,
            tuple(matrix[of, i] for i, of in enumerate(rows)),
            tuple(bool(sums[of].all()) for of in rows),
        )

    def use(self, currents_a: Floats) -> NDArray[np.complex128]:
        """Return the sum of each constraint."""
        used: NDArray[np.complex128] = self.matrix @ currents_a
        return used

    def fits(self, currents_a: Floats) -> bool:
        """Whether every constraint is kept."""
        return bool(np.all(np.abs(self.use(currents_a)) <= self.limits * (1 + TOLERANCE) + TOLERANCE))

    def room(self, charger: int, used: NDArray[np.complex128]) -> float:
        """Return how many amperes more ``charger`` could get; ``used`` is in use. Infinite on no constraint."""
        of = self.rows[charger]
        if not of.size:
            return float("inf")
        coefficient, begin, limit = self.columns[charger], used[of], self.limits[of]
        if self.plain[charger]:
            return max(0.0, float(((limit - begin.real) / coefficient.real).min()))
        # |begin + coefficient·x| = limit, the greater solution: what is inside the circle stays inside until there.
        a = np.abs(coefficient) ** 2
        half_b = (begin * coefficient.conj()).real
        c = np.abs(begin) ** 2 - limit**2
        root = np.sqrt(np.maximum(0.0, half_b**2 - a * c))
        return float(max(0.0, np.min((root - half_b) / a)))

    def blocking(self, charger: int, used: NDArray[np.complex128], more_a: float) -> int | None:
        """Return the constraint that ``more_a`` amperes more for ``charger`` would break the most, or None."""
        of = self.rows[charger]
        if not of.size:
            return None
        over = np.abs(used[of] + self.columns[charger] * more_a) - self.limits[of] * (1 + TOLERANCE) - TOLERANCE
        worst = int(np.argmax(over / np.maximum(self.limits[of], 1.0)))
        return int(of[worst]) if over[worst] > 0 else None
