"""What a balanced world is made of, and what came of it."""

from dataclasses import dataclass
from typing import Any

from tests.world.faults import KINDS


@dataclass(frozen=True)
class Scenario:
    """What a balanced world is made of; what is None is drawn from the seed."""

    seed: int
    minutes: float = 10.0
    faults: frozenset[str] = frozenset(KINDS)
    twin: str | None = None
    """A second balancer: ``none``, ``foreign`` (a database of its own), ``same`` (the same database)."""
    planner: str | None = None
    """``real`` or ``random``."""
    settle: bool = True
    """Whether the world goes on for a while after the trouble."""
    keep_trace: int = 0
    changing: bool | None = None
    """Whether the settings change when a balancer is started again."""
    table: dict[str, Any] | None = None
    """The section ``[load_balancer]``; drawn if None."""


@dataclass(frozen=True)
class Outcome:
    """What came of a balanced world."""

    seed: int
    looks: int
    fullest: float
    orders: int
    sessions: int
    deaths: int
    boots: int
    twos: int
    changes: int = 0
