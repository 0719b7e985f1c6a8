"""What the sun leaves, smoothed twice: clouds of seconds, and a meter that tells late, are not news.

A meter that tells late by some seconds shows a car's new current once as surplus, before it shows it as load. Smoothed
over a time that is long against that, it makes little difference. Pure; times are steady seconds.
"""

import math

FOLLOWED_S = 20.0
"""Time constant of what currents follow: after a step of the sun they have taken 63 % of it."""
STEADY_S = 60.0
"""The same of what decides whether a car begins or ends to charge."""


class Surplus:
    """The smoothed surplus of a site."""

    def __init__(self, followed_s: float = FOLLOWED_S, steady_s: float = STEADY_S) -> None:
        """Begin with nothing known."""
        self._times_s = (followed_s, steady_s)
        self._values_w: tuple[float, float] | None = None
        self._at_s = 0.0

    def take(self, surplus_w: float | None, now_s: float) -> tuple[float, float] | None:
        """Take what flows back now, or would without the cars that charge by it (W, negative: the site draws).

        Return what currents follow and what decides; None while no meter says anything, and then it begins again.
        """
        if surplus_w is None:
            self._values_w = None
        elif self._values_w is None:
            self._values_w = (surplus_w, surplus_w)
        else:
            passed_s = max(0.0, now_s - self._at_s)
            followed_w, steady_w = (
                value + (1 - math.exp(-passed_s / time_s)) * (surplus_w - value)
                for value, time_s in zip(self._values_w, self._times_s, strict=True)
            )
            self._values_w = (followed_w, steady_w)
        self._at_s = now_s
        return self._values_w
