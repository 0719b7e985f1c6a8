"""What each circuit carries, for operators: limit, what is granted, what is drawn. Pure."""

from collections.abc import Iterator

from agents.load_balancer.circuits.site import PHASES, Kind
from agents.load_balancer.deciding.decider import Decider
from bus_schema.balancing import CircuitLoad

MOST_A = 1000.0
"""The contract shows no more."""


def circuit_loads(decider: Decider, now_s: float) -> Iterator[tuple[str, CircuitLoad]]:
    """Yield every circuit's load, without a time stamp: two that are equal say the same."""
    used = decider.safety.used(now_s)
    for circuit in decider.site.circuits:
        values: dict[str, float | None] = {}
        free, words = MOST_A, ""
        for number, row in enumerate(decider.site.rows):
            if row.circuit != circuit or row.kind is not Kind.PHASE or row.phase not in PHASES:
                continue
            limit, phase = decider.limits[number], row.phase.lower()
            drawn = decider.drawn_on(circuit, row.phase, now_s)
            values |= {
                f"limit_{phase}_a": round(limit.limit, 2),
                f"granted_{phase}_a": round(min(used[number], MOST_A), 2),
                f"drawn_{phase}_a": round(min(drawn.newest_a, MOST_A), 1),
                f"other_{phase}_a": None if limit.other_a is None else round(limit.other_a, 1),
            }
            left = max(0.0, limit.limit - used[number])
            if left <= free:
                free, words = left, limit.words
        yield circuit, CircuitLoad(ts=None, free_a=round(free, 2), explanation=words[:400], **values)
