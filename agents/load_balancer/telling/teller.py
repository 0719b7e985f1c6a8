"""What the bus and the records were last told of each charger, so that they hear of it again only when it changes.

Pure. Times are steady seconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agents.load_balancer.deciding.decider import Why
from agents.load_balancer.granting.orders import SAME_A

RECORD_AGAIN_S = 60.0
"""The same grant with other words is recorded at most so often."""

NO_DIGITS = str.maketrans("", "", "0123456789.-")


@dataclass(slots=True)
class Teller:
    """What was last told of a charger, and when."""

    why: Why | None = None
    told_s: float = -1e18
    recorded: Why | None = None
    recorded_s: float = -1e18

    def publish(self, why: Why, now_s: float, again_s: float) -> bool:
        """Tell whether the bus is to hear ``why``, and take it as told: other numbers wait ``again_s``."""
        if not _is_news(self.why, why, self.told_s, again_s, now_s):
            return False
        self.why, self.told_s = why, now_s
        return True

    def record(self, why: Why, now_s: float) -> bool:
        """Tell whether ``why`` belongs into the records, and take it as recorded."""
        if not _is_news(self.recorded, why, self.recorded_s, RECORD_AGAIN_S, now_s):
            return False
        self.recorded, self.recorded_s = why, now_s
        return True


def tellers(chargers: Iterable[str]) -> Mapping[str, Teller]:
    """Return one for each charger."""
    return {name: Teller() for name in chargers}


def _is_news(before: Why | None, why: Why, told_s: float, again_s: float, now_s: float) -> bool:
    return before is None or (before != why and (not _alike(before, why) or now_s - told_s >= again_s))


def _alike(one: Why, other: Why) -> bool:
    """Tell whether two reasons for the same grant differ in their numbers only, which change all the time."""
    return (
        abs(one.current_a - other.current_a) < SAME_A
        and one.constraint == other.constraint
        and one.explanation.translate(NO_DIGITS) == other.explanation.translate(NO_DIGITS)
    )
