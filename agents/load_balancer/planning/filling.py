"""From targets to currents that can be offered and keep every constraint."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from agents.load_balancer.allocation.cars import Car
from agents.load_balancer.allocation.network import Floats, Network
from agents.load_balancer.allocation.solar import SOLAR

SLACK_A = 1e-9


class Filling:
    """Currents that grow, level by level; what is in here keeps every constraint at every moment."""

    def __init__(self, cars: Sequence[Car], network: Network):
        self.cars = cars
        self.network = replace(network, limits=network.limits.copy())
        self._solar_row = network.names.index(SOLAR) if SOLAR in network.names else None
        self.currents_a: Floats = np.zeros(len(cars))
        self.used = np.zeros(len(network.names), dtype=np.complex128)

    def admit(self, order: Iterable[int]) -> None:
        """Give minimum currents in that order, to all for whom there is room."""
        for i in order:
            if self.currents_a[i] == 0:
                self._admit(i)

    def _admit(self, i: int) -> None:
        car, row = self.cars[i], self._solar_row
        if car.grid_w and row is not None:
            # What the sun lacks for a minimum current comes from the grid.
            sun_w = self.network.limits[row]
            self.network.limits[row] = max(sun_w, abs(self.used[row]) + car.grid_w)
            self._raise_to(i, car.floor_a)
            if self.currents_a[i] == 0:
                self.network.limits[row] = sun_w
        else:
            self._raise_to(i, car.floor_a)

    def raise_to(self, order: Iterable[int], targets_a: Floats) -> None:
        """Raise those that are on to the level at or below their target, as far as there is room."""
        for i in order:
            if self.currents_a[i] > 0:
                self._raise_to(i, float(targets_a[i]))

    def raise_by_levels(self, order: Iterable[int], upper_a: Floats) -> None:
        """Raise those that are on by one level after the other, in turn, up to ``upper_a``, until nobody has room."""
        rising = [i for i in order if self.currents_a[i] > 0]
        while rising:
            rising = [i for i in rising if self._step_up(i, float(upper_a[i]))]

    def _step_up(self, i: int, upper_a: float) -> bool:
        level = self.cars[i].level_above(float(self.currents_a[i]))
        if level is None or level > upper_a + SLACK_A:
            return False
        if self.network.room(i, self.used) < level - self.currents_a[i] - SLACK_A:
            return False
        self._set(i, level)
        return True

    def _raise_to(self, i: int, target_a: float) -> None:
        now_a = float(self.currents_a[i])
        level = self.cars[i].level_below(min(target_a, now_a + self.network.room(i, self.used) + SLACK_A))
        if level > now_a:
            self._set(i, level)

    def _set(self, i: int, level: float) -> None:
        rows = self.network.rows[i]
        self.used[rows] += self.network.columns[i] * (level - self.currents_a[i])
        self.currents_a[i] = level
