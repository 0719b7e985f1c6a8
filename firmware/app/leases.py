"""Current limits from the bus, each of which ends by itself (invariant 3).

The current that leases allow is the minimum over all sources. A lease that has run out counts as the smaller of itself
and the fallback current until its source renews or releases it. A required source without a lease counts as the
fallback current, after boot too. A source that is not required but held a lease before a reboot is remembered by name
and counts like a required one until it speaks again: a reboot must not raise the current either.
"""

from .contract import MAX_LEASES
from .records import keep, kept
from .text import amperes, clip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .seam import Storage

FILE = "lease_sources"
LIMITED_BY_FALLBACK = "fallback"


class Lease:
    """What one source allows."""

    def __init__(self, current_a: float, ends: int, reason: str) -> None:
        self.current_a = current_a
        self.ends = ends
        """Ticks at which it runs out."""
        self.reason = reason
        self.expired = False


class Leases:
    """The leases of all sources."""

    def __init__(self, storage: "Storage") -> None:
        self._storage = storage
        self.by_source: dict[str, Lease] = {}
        self._remembered: list[str] = []
        self._required: tuple[str, ...] = ()
        self._fallback_a = 0.0

    def load(self) -> None:
        """Read which sources held a lease before the reboot. Raises :class:`OSError`."""
        self._remembered = kept(self._storage, FILE, [])

    def configure(self, required: tuple[str, ...], fallback_a: float) -> None:
        """Take the settings."""
        self._required = required
        self._fallback_a = fallback_a
        self._remembered = [source for source in self._remembered if source not in required]

    def outlive(self, required: "list[str]") -> None:
        """Remember those who hold a lease and will not be in ``required`` any longer. Raises like :meth:`grant`."""
        released = [name for name in self.by_source if name in self._required and name not in required]
        names = self._remembered + [name for name in released if name not in self._remembered]
        if len(names) > len(self._remembered):
            self._remember(names[1 - MAX_LEASES :])

    def room_for(self, source: str) -> bool:
        """Whether ``source`` may have a lease: required ones always, others while places are left for those."""
        if source in self.by_source or source in self._required:
            return True
        others = sum(1 for held in self.by_source if held not in self._required)
        return others < MAX_LEASES - len(self._required)

    def grant(self, source: str, current_a: float, ends: int, reason: str) -> None:
        """Take or renew a lease. Raises :class:`OSError` when the flash refuses to remember a new source."""
        if source not in self._required and source not in self._remembered:
            self._remember(self._remembered[1 - MAX_LEASES :] + [source])
        self.by_source[source] = Lease(current_a, ends, clip(reason))

    def release(self, source: str) -> bool:
        """Forget a source's lease; False if it had none. Raises :class:`OSError` like :meth:`grant`."""
        if source in self._remembered:
            self._remember([name for name in self._remembered if name != source])
        elif source not in self.by_source:
            return False
        self.by_source.pop(source, None)
        return True

    def _remember(self, names: list[str]) -> None:
        keep(self._storage, FILE, names)
        self._remembered = names

    def expire(self, now: int) -> bool:
        """Mark what has run out; return whether anything has."""
        changed = False
        for lease in self.by_source.values():
            if not lease.expired and now >= lease.ends:
                lease.expired = changed = True
        return changed

    def next_expiry(self) -> int | None:
        """Ticks at which the next lease runs out."""
        ends = [lease.ends for lease in self.by_source.values() if not lease.expired]
        return min(ends) if ends else None

    def limit(self) -> tuple[float, str, str] | None:
        """Return what binds, ``(current_a, limited_by, reason)``, or None when no source limits."""
        best: tuple[float, str, str] | None = None
        for source, lease in self.by_source.items():
            if lease.expired:
                row = self._expired(source, lease)
            else:
                reason = lease.reason or "%s: limited by %s" % (amperes(lease.current_a), source)
                row = (lease.current_a, source, reason)
            if best is None or row[0] < best[0]:
                best = row
        for source in self._required + tuple(self._remembered):
            if source not in self.by_source and (best is None or self._fallback_a < best[0]):
                best = (self._fallback_a, LIMITED_BY_FALLBACK, self._silent(source))
        return best

    def _expired(self, source: str, lease: Lease) -> tuple[float, str, str]:
        why = "the limit of %s has run out and was not renewed" % source
        if lease.current_a <= self._fallback_a:
            return (lease.current_a, source, "%s: %s" % (amperes(lease.current_a), why))
        return (self._fallback_a, LIMITED_BY_FALLBACK, "%s: %s; fallback" % (amperes(self._fallback_a), why))

    def _silent(self, source: str) -> str:
        if source in self._required:
            return "%s: no limit from %s yet; fallback" % (amperes(self._fallback_a), source)
        return "%s: %s limited before the restart and is silent since; fallback" % (amperes(self._fallback_a), source)
