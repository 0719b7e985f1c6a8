"""Chargers that draw more than they were granted: they are counted so, told of, and at last stopped.

Pure. Times are steady seconds.
"""

from dataclasses import dataclass

from agents.load_balancer.deciding.decider import Decider

SHARE, MORE_A, FOR_S = 1.1, 1.0, 10.0
"""A charger draws too much: so much more than granted, for so long. The charger itself trips at 110 % + 0.5 A."""

STOP_AGAIN_S = 30.0
"""A charger that was told to stop and draws on is told again."""


@dataclass(slots=True)
class Overdraw:
    """One charger that draws too much."""

    since_s: float
    told: bool = False
    stopped_s: float = -1e18
    over_s: float | None = None
    """Since when it keeps to its grant again."""


@dataclass(frozen=True, slots=True)
class TooMuch:
    """What a charger draws and what it was granted."""

    charger: str
    drawn_a: float
    granted_a: float


class Overdraws:
    """All that draw too much."""

    def __init__(self, stop_after_s: float) -> None:
        """A charger is to be stopped when it has drawn too much for so long."""
        self.standing: dict[str, Overdraw] = {}
        self._stop_after_s = stop_after_s

    def watch(self, decider: Decider, now_s: float) -> tuple[list[TooMuch], list[TooMuch]]:
        """Count those that draw too much in the safety layer; return all of them, and those that are to be stopped.

        Whoever sends the stop says so with :meth:`stopped`.
        """
        counted, to_stop = [], []
        for name, view in decider.views.items():
            exposure = decider.safety.exposures[name]
            drawn_a, granted_a = view.drawn_a(now_s), exposure.granted_a(now_s)
            seen = self.standing.get(name)
            if drawn_a is None or drawn_a <= granted_a * SHARE + MORE_A:
                if seen is not None:
                    seen.over_s = now_s if seen.over_s is None else seen.over_s
                    if now_s - seen.over_s >= FOR_S:
                        del self.standing[name]
                        decider.safety.draws(name, 0.0)
                continue
            if seen is None:
                seen = self.standing[name] = Overdraw(now_s)
            seen.over_s = None
            if now_s - seen.since_s < FOR_S:
                continue
            decider.safety.draws(name, drawn_a)
            found = TooMuch(name, drawn_a, granted_a)
            counted.append(found)
            if now_s - seen.since_s >= self._stop_after_s and now_s - seen.stopped_s >= STOP_AGAIN_S:
                to_stop.append(found)
        return counted, to_stop

    def first_told(self, charger: str) -> bool:
        """Note that somebody is told of it; return whether for the first time."""
        seen = self.standing[charger]
        first, seen.told = not seen.told, True
        return first

    def stopped(self, charger: str, now_s: float) -> None:
        """Note that it has been told to stop."""
        self.standing[charger].stopped_s = now_s
