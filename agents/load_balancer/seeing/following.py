"""Whether a grid meter follows what the chargers draw, how late, and which way round (C4).

Only a step of the chargers that stands alone says anything: nothing else of theirs has changed for so long before and
after it that the meter's answer, however late, cannot be that to another one. A meter that answers it the right way at
any delay is right; one that answers it the other way, and at no delay the right way, is taken to be reversed. Pure;
times are steady seconds.
"""

from collections import deque
from collections.abc import Callable
from itertools import pairwise

LATEST_S = 20.0
"""Meters are later than this only when they are broken: the slowest that people report take 15 s."""
STEP_A, STEP_S = 5.0, 8.0
"""The chargers' draw changes by at least so much within so long: a car that begins or ends."""
STEADY_A = 2.0
"""A draw that wavers by less is steady."""
MATCHES = 0.3
"""The meter's change and the chargers' may differ by this share of it: other loads change, too."""
FLIPS = 2
"""So many steps in a row that are answered the wrong way, and the meter is called reversed."""


class Following:
    """What the steps of the chargers have shown of a meter."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._series: deque[tuple[float, float, float]] = deque()
        self._judged_s = float("-inf")
        self._flips = 0
        self.delay_s: float | None = None
        """How late the meter answered the last step that said so. s."""

    @property
    def reversed(self) -> bool:
        """Whether the meter falls when the chargers draw more, as far as anybody can tell."""
        return self._flips >= FLIPS

    def take(self, total_a: float, drawn_a: float, now_s: float) -> None:
        """Take a reading: the sum of the meter's currents, and what the chargers draw at this moment, summed alike."""
        series = self._series
        series.append((now_s, total_a, drawn_a))
        while now_s - series[0][0] > 2 * LATEST_S + STEP_S + LATEST_S:
            series.popleft()
        begin_s = now_s - LATEST_S - STEP_S
        if begin_s <= self._judged_s or series[0][0] > begin_s - LATEST_S:
            return
        before_a, after_a = self._at(begin_s)[1], self._at(begin_s + STEP_S)[1]
        change_a = after_a - before_a
        if abs(change_a) < STEP_A or not self._alone(begin_s):
            return
        self._judged_s = begin_s + STEP_S
        self._judge(begin_s, change_a)

    def _alone(self, begin_s: float) -> bool:
        return self._steady(begin_s - LATEST_S, begin_s) and self._steady(begin_s + STEP_S, begin_s + STEP_S + LATEST_S)

    def _steady(self, from_s: float, until_s: float) -> bool:
        drawn = [drawn_a for at_s, _, drawn_a in self._series if from_s <= at_s <= until_s]
        drawn.append(self._at(from_s)[1])
        return max(drawn) - min(drawn) <= STEADY_A

    def _judge(self, begin_s: float, change_a: float) -> None:
        delays = [float(second) for second in range(int(LATEST_S) + 1)]
        moved = {late_s: self._at(begin_s + STEP_S + late_s)[0] - self._at(begin_s)[0] for late_s in delays}
        right = self._first(moved, lambda moved_a: abs(moved_a - change_a) < MATCHES * abs(change_a))
        wrong = self._first(moved, lambda moved_a: abs(moved_a + change_a) < MATCHES * abs(change_a))
        if right is not None:
            self._flips, self.delay_s = 0, right
        elif wrong is not None:
            self._flips += 1

    @staticmethod
    def _first(moved: dict[float, float], fits: Callable[[float], bool]) -> float | None:
        """Return the first delay at which a change fits, and still does a second later: a spike is no answer."""
        for (late_s, moved_a), (_, later_a) in pairwise(moved.items()):
            if fits(moved_a) and fits(later_a):
                return late_s
        return None

    def _at(self, moment_s: float) -> tuple[float, float]:
        """Return what stood at a moment: the last reading until then, or the first."""
        found = self._series[0]
        for each in self._series:
            if each[0] > moment_s:
                break
            found = each
        return found[1], found[2]
