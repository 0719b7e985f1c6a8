"""What an agent counts; read by its health and its Prometheus metrics."""

from bisect import bisect_left
from dataclasses import dataclass, field

DURATION_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of handler durations; Prometheus adds infinity."""


@dataclass
class Durations:
    """A histogram of how long one handler took."""

    total_s: float = 0.0
    """Sum of all durations."""
    buckets: list[int] = field(default_factory=lambda: [0] * (len(DURATION_BOUNDS_S) + 1))
    """How many fell into each bucket, not cumulated; the last one is beyond all bounds."""

    def observe(self, seconds: float) -> None:
        """Count one call."""
        self.total_s += seconds
        self.buckets[bisect_left(DURATION_BOUNDS_S, seconds)] += 1


@dataclass
class Counters:
    """Everything since the start. Plain integers: they are counted for every message."""

    received: int = 0
    """Messages that the broker delivered."""
    ignored: int = 0
    """Messages on topics that the agent has no handler for (left-over subscriptions, a broker's generosity)."""
    rejected: int = 0
    """Messages that could not be read, or whose handler failed."""
    dropped: int = 0
    """QoS 0 messages dropped because a queue was full."""
    superseded: int = 0
    """QoS 1 messages given back after a lost connection: the broker delivers them again."""
    retries: int = 0
    """Handler calls repeated because the store or the bus was unavailable."""
    published: int = 0
    """Messages given to the broker."""
    publish_failures: int = 0
    """Messages that the broker did not take in time."""
    connections: int = 0
    """Successful connections to the broker."""
    handlers: dict[str, Durations] = field(default_factory=dict)
    """Durations by the name of the topic's row."""
