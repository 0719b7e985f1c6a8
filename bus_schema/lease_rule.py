"""The lease rule, executable: what whoever takes ``set_limit`` may offer, and why (invariants 2, 3 and 8). Pure.

Every charger keeps it: ``firmware/app/leases.py`` in code of its own, because a charger cannot import this, and
``agents/csms`` for stations of other makes by calling this. :mod:`bus_schema.generate.lease_vectors` makes sequences
with their outcome from it, which are played to both.

- A lease is a limit of one source until it ends. From then on it counts as the smaller of itself and the fallback
  current, until its source renews or releases it.
- A required source without a lease counts as the fallback current.
- A restart that loses the leases must not raise the current above the fallback: a source that held a lease and is not
  required is awaited, and counts as the fallback current, until it renews or releases. Taking back that a source is
  required says that it need not be awaited.
- At most :data:`MAX_LEASES` sources hold a lease, and what is required, held and awaited are at most as many names
  together: a required source always finds a place. Whoever would exceed that is refused, and nothing is forgotten.
- Of several limits the smallest binds; of equal ones a pause, then the source whose name comes first, then the rest.
- Less than :data:`MIN_CURRENT_A` cannot be told to a car: nothing is offered. It is never rounded up.

Where the two differ: a charger counts time from its boot and loses its leases with it (:meth:`Leases.restarted`); the
csms counts in UTC and keeps them over a restart, because the station goes on with the profile that it holds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

MIN_CURRENT_A = 6.0
"""Smallest current that a pilot can tell a car (IEC 61851-1). A."""

MAX_LEASES = 8
"""Most sources that hold a lease: as many as a state message holds."""

MAX_REASON = 400
"""Longest reason, in characters: as long as the contract's texts."""

FALLBACK = "fallback"
"""Who limits where a source counts as the fallback current."""


class Lease(Protocol):
    """A limit of one source."""

    @property
    def source(self) -> str:
        """Whose."""

    @property
    def current_a(self) -> float:
        """The limit, per phase. A."""

    @property
    def ends_ms(self) -> int:
        """The moment from which it has run out. ms, by the clock of whoever keeps it."""

    @property
    def reason(self) -> str:
        """Why, in words; may be empty."""


L = TypeVar("L", bound=Lease)


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit: how much, who, and why in words that an operator understands."""

    current_a: float
    limited_by: str
    reason: str

    @property
    def offer_a(self) -> float:
        """What may be offered: the limit, or nothing if a car cannot be told so little."""
        return self.current_a if self.current_a >= MIN_CURRENT_A else 0.0


@dataclass(frozen=True, slots=True)
class Leases(Generic[L]):
    """Who limits, and who is awaited. A value: every change returns another one."""

    fallback_a: float
    required: Sequence[str] = ()
    held: Sequence[L] = ()
    """One of each source, those that have run out too."""
    awaited: frozenset[str] = frozenset()
    """Sources that held a lease before a restart which lost it, and have not spoken since; none that is required."""

    @property
    def _names(self) -> set[str]:
        return {*self.required, *self.awaited, *(lease.source for lease in self.held)}

    def granted(self, lease: L) -> "Leases[L] | None":
        """Return what is with one more lease, in place of its source's last; None if there is no room for it."""
        others = [each for each in self.held if each.source != lease.source]
        if len(others) == len(self.held) and (
            len(others) >= MAX_LEASES or len(self._names | {lease.source}) > max(MAX_LEASES, len(self._names))
        ):
            return None
        return replace(self, held=(*others, lease), awaited=self.awaited - {lease.source})

    def released(self, source: str) -> "Leases[L] | None":
        """Return what is without this source's lease; None if it has none, and none is awaited of it."""
        left = tuple(lease for lease in self.held if lease.source != source)
        if len(left) == len(self.held) and source not in self.awaited:
            return None
        return replace(self, held=left, awaited=self.awaited - {source})

    def configured(self, required: Sequence[str], fallback_a: float) -> "Leases[L] | None":
        """Return what is with these settings; None if there is no room for the required sources."""
        changed = replace(
            self,
            required=tuple(required),
            fallback_a=fallback_a,
            awaited=self.awaited - set(self.required) - set(required),
        )
        return changed if len(changed._names) <= max(MAX_LEASES, len(self._names)) else None

    def restarted(self) -> "Leases[L]":
        """Return what is left after a restart that loses the leases."""
        sources = {lease.source for lease in self.held} | self.awaited
        return replace(self, held=(), awaited=frozenset(sources - set(self.required)))

    def limits(self, now_ms: int) -> list[Limit]:
        """Return every source's limit now, by the names of the sources."""
        rows = {source: self._silent(source) for source in {*self.required, *self.awaited}}
        rows |= {lease.source: self._of_lease(lease, now_ms) for lease in self.held}
        return [rows[source] for source in sorted(rows)]

    def _of_lease(self, lease: L, now_ms: int) -> Limit:
        if now_ms < lease.ends_ms:
            reason = lease.reason or f"{amperes(lease.current_a)}: limited by {lease.source}"
            return Limit(lease.current_a, lease.source, reason)
        why = f"the limit of {lease.source} has run out and was not renewed"
        if lease.current_a <= self.fallback_a:
            return Limit(lease.current_a, lease.source, f"{amperes(lease.current_a)}: {why}")
        return Limit(self.fallback_a, FALLBACK, f"{amperes(self.fallback_a)}: {why}; fallback")

    def _silent(self, source: str) -> Limit:
        why = f"no limit from {source} yet"
        if source not in self.required:
            why = f"{source} limited before the restart and is silent since"
        return Limit(self.fallback_a, FALLBACK, f"{amperes(self.fallback_a)}: {why}; fallback")


def next_expiry(held: Iterable[Lease], now_ms: int) -> int | None:
    """Return when the next lease runs out."""
    return min((lease.ends_ms for lease in held if lease.ends_ms > now_ms), default=None)


def smallest(limits: Sequence[Limit]) -> Limit:
    """Return what binds: the smallest, of equal ones the first, in words that say when it is too little for a car."""
    best = min(limits, key=lambda each: each.current_a)
    reason = best.reason
    if 0 < best.current_a < MIN_CURRENT_A:
        reason = f"0 A: below the 6 A that a car needs ({reason})"
    return Limit(best.current_a, best.limited_by, clipped(reason))


def of_pause(by: str, why: str) -> Limit:
    """A pause that was commanded."""
    return Limit(0.0, "pause", f"0 A: paused by {by}{': ' + why if why else ''}")


def of_hardware(rated_a: float, configured_a: float) -> Limit:
    """The limit of the hardware, and of whoever has installed it."""
    if configured_a < rated_a:
        return Limit(configured_a, "hardware", f"{amperes(configured_a)}: set by the installer (max_current_a)")
    return Limit(rated_a, "hardware", f"{amperes(rated_a)}: rating of the charger")


def amperes(current_a: float) -> str:
    """Return a current in words: ``9 A``, ``9.5 A``."""
    return f"{f'{current_a:.1f}'.removesuffix('.0')} A"


def clipped(reason: str) -> str:
    """Return as much of a reason as a message takes."""
    return reason if len(reason) <= MAX_REASON else reason[: MAX_REASON - 3] + "..."
