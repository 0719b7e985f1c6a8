"""What a connector may offer, now and as every lease runs out (invariants 2 and 3). Pure.

The current is the minimum over all sources. A lease that has run out counts as the smaller of itself and the fallback
current until its source renews or releases it; a required source without one counts as the fallback current.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from agents.csms.state import Lease

MIN_CURRENT_A = 6.0
"""Less cannot be told to a car (IEC 61851-1): below it nothing is offered."""

MAX_LEASES = 8
"""Sources that may hold a lease: as many as a state message holds."""


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


@dataclass(frozen=True, slots=True)
class Limit:
    """The smallest limit at a moment."""

    current_a: float
    limited_by: str
    reason: str

    @property
    def offer_a(self) -> float:
        """What may be offered: the limit, or nothing if a car cannot be told so little. Never rounded up."""
        return self.current_a if self.current_a >= MIN_CURRENT_A else 0.0


def limit_at(limited: Limited, now_ms: int) -> Limit:
    """Return what binds at ``now_ms``; of equal limits the first."""
    candidates = [Limit(limited.max_current_a, "hardware", f"{amperes(limited.max_current_a)}: rating of the charger")]
    if limited.paused_by is not None:
        why = f": {limited.pause_reason}" if limited.pause_reason else ""
        candidates.append(Limit(0.0, "pause", f"0 A: paused by {limited.paused_by}{why}"))
    candidates += [_of_lease(lease, limited.fallback_current_a, now_ms) for lease in limited.leases]
    held = {lease.source for lease in limited.leases}
    fallback_a = limited.fallback_current_a
    for source in limited.required_sources:
        if source not in held:
            reason = f"{amperes(fallback_a)}: no limit from {source} yet; fallback"
            candidates.append(Limit(fallback_a, "fallback", reason))
    best = min(candidates, key=lambda each: each.current_a)
    if 0 < best.current_a < MIN_CURRENT_A:
        return Limit(best.current_a, best.limited_by, f"0 A: below the 6 A that a car needs ({best.reason})"[:400])
    return Limit(best.current_a, best.limited_by, best.reason[:400])


def _of_lease(lease: Lease, fallback_a: float, now_ms: int) -> Limit:
    if now_ms < lease.ends_ms:
        reason = lease.reason or f"{amperes(lease.current_a)}: limited by {lease.source}"
        return Limit(lease.current_a, lease.source, reason)
    why = f"the limit of {lease.source} has run out and was not renewed"
    if lease.current_a <= fallback_a:
        return Limit(lease.current_a, lease.source, f"{amperes(lease.current_a)}: {why}")
    return Limit(fallback_a, "fallback", f"{amperes(fallback_a)}: {why}; fallback")


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


def granted(leases: Iterable[Lease], lease: Lease) -> list[Lease] | None:
    """Return ``leases`` with one more, in place of its source's last; None if there is no room."""
    others = [each for each in leases if each.source != lease.source]
    return None if len(others) >= MAX_LEASES else [*others, lease]


def next_expiry(leases: Iterable[Lease], now_ms: int) -> int | None:
    """Return when the next lease runs out."""
    return min((lease.ends_ms for lease in leases if lease.ends_ms > now_ms), default=None)


def rounded_down(current_a: float) -> float:
    """Return at most ``current_a`` with one decimal, which is all that a charging profile holds (OCPP 1.6, 7.13)."""
    return math.floor(round(current_a * 10, 6)) / 10


def amperes(current_a: float) -> str:
    """Return a current in words."""
    return f"{current_a:g} A"
