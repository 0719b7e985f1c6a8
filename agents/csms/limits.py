"""What a connector may offer, now and as every lease runs out (invariants 2 and 3), by the contract's lease rule. Pure.

Leases are kept over a restart of this program and end by UTC: the station goes on with the profile that it holds.
"""

import math
from typing import Protocol

from agents.csms.state import Lease
from bus_schema.lease_rule import Leases, Limit, of_hardware, of_pause, smallest


class Limited(Protocol):
    """What limits a connector; :class:`agents.csms.state.ConnectorState` is one."""

    @property
    def leases(self) -> list[Lease]:
        """The leases, run-out ones too."""

    @property
    def max_current_a(self) -> float:
        """Set by the installer."""

    @property
    def fallback_current_a(self) -> float:
        """What a required source counts as without a valid lease."""

    @property
    def required_sources(self) -> list[str]:
        """Sources that must hold a lease."""

    @property
    def paused_by(self) -> str | None:
        """Who has paused it."""

    @property
    def pause_reason(self) -> str:
        """Why."""


def leases_of(limited: Limited) -> Leases[Lease]:
    """Return its leases as the rule knows them. None is ever awaited: they are not lost by a restart."""
    return Leases(limited.fallback_current_a, limited.required_sources, limited.leases)


def limit_at(limited: Limited, now_ms: int, rated_a: float | None = None) -> Limit:
    """Return what binds at ``now_ms``; ``rated_a`` is the station's rating where the words matter."""
    candidates = [] if limited.paused_by is None else [of_pause(limited.paused_by, limited.pause_reason)]
    candidates += leases_of(limited).limits(now_ms)
    candidates.append(of_hardware(limited.max_current_a if rated_a is None else rated_a, limited.max_current_a))
    return smallest(candidates)


def schedule(limited: Limited, now_ms: int) -> tuple[tuple[int, float], ...]:
    """Return what may be offered from now on as ``(from_ms, current_a)``, the first from ``now_ms``, each lower.

    The last step holds for ever: a station that hears nothing more keeps to it.
    """
    moments = [now_ms, *sorted({lease.ends_ms for lease in limited.leases if lease.ends_ms > now_ms})]
    steps: list[tuple[int, float]] = []
    for moment in moments:
        offer_a = limit_at(limited, moment).offer_a
        if not steps or offer_a < steps[-1][1]:
            steps.append((moment, offer_a))
    return tuple(steps)


def shortened(steps: tuple[tuple[int, float], ...], most: int) -> tuple[tuple[int, float], ...]:
    """Return ``steps`` for a station that takes ``most`` of them: never higher, and lower where steps are missing."""
    if len(steps) <= most:
        return steps
    lowest_a = steps[-1][1]
    if most == 1:
        return ((steps[0][0], lowest_a),)
    return (*steps[: most - 1], (steps[most - 1][0], lowest_a))


def rounded_down(current_a: float) -> float:
    """Return at most ``current_a`` with one decimal, which is all that a charging profile holds (OCPP 1.6, 7.13)."""
    return math.floor(round(current_a * 10, 6)) / 10
