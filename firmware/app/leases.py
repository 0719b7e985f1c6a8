"""Current limits from the bus, each of which ends by itself (invariant 3).

This is the contract's lease rule (``bus_schema/lease_rule.py``, which also says it in words) for a charger, which loses
its leases with its power: their sources stand in a file, and are awaited after a boot. Sequences that are made from the
rule are played to this code.
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

    def has_room_for(self, required: "list[str]") -> bool:
        """Whether these sources may become the required ones: places for all that have a name here."""
        before = len(self._names(self._required))
        return len(self._names(required)) <= max(MAX_LEASES, before)

    def outlive(self, required: "list[str]") -> None:
        """Remember whose lease outlives that they are required, and forget those who need not be awaited any more.

        ``required`` is what will be required. Raises like :meth:`grant`.
        """
        names = []
        for name in self._remembered:
            if name in self.by_source or name in required or name not in self._required:
                names.append(name)
        for name in self.by_source:
            if name in self._required and name not in required and name not in names:
                names.append(name)
        if names != self._remembered:
            self._remember(names)

    def room_for(self, source: str) -> bool:
        """Whether ``source`` may have a lease: who has a place already, and others while places are left."""
        if source in self.by_source:
            return True
        names = self._names(self._required)
        return len(self.by_source) < MAX_LEASES and (source in names or len(names) < MAX_LEASES)

    def _names(self, required: "tuple[str, ...] | list[str]") -> "set[str]":
        """Return everybody who holds, is awaited or would be required if ``required`` were."""
        names = set(required)
        for name in self.by_source:
            names.add(name)
        for name in self._remembered:
            if name not in self._required:
                names.add(name)
        return names

    def grant(self, source: str, current_a: float, ends: int, reason: str) -> None:
        """Take or renew a lease. Raises :class:`OSError` when the flash refuses to remember a new source."""
        if source not in self._required and source not in self._remembered:
            self._remember(self._remembered + [source])
        self.by_source[source] = Lease(current_a, ends, clip(reason))

    def release(self, source: str) -> bool:
        """Forget a source's lease; False if it had none. Raises :class:`OSError` like :meth:`grant`."""
        if source not in self.by_source and (source not in self._remembered or source in self._required):
            return False
        if source in self._remembered:
            self._remember([name for name in self._remembered if name != source])
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
        # By name, because a dict of MicroPython has no order: of equal limits it is always the same one that is told.
        for source in sorted(self._names(self._required)):
            lease = self.by_source.get(source)
            if lease is None:
                row = (self._fallback_a, LIMITED_BY_FALLBACK, self._silent(source))
            elif lease.expired:
                row = self._expired(source, lease)
            else:
                reason = lease.reason or "%s: limited by %s" % (amperes(lease.current_a), source)
                row = (lease.current_a, source, reason)
            if best is None or row[0] < best[0]:
                best = row
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
