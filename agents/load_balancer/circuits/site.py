"""What a site is made of, as plain values: circuits, what hangs on them, and the sums that must never be exceeded.

Every limit becomes one or more :class:`Row`: a weighted sum of chargers' currents and what it may be at most.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from agents.load_balancer.circuits.contract_limits import Schedule
from bus_schema.units import NOMINAL_VOLTAGE_V

PHASES = ("L1", "L2", "L3")


class SiteError(ValueError):
    """A site that cannot be kept safe. ``key`` is where in the configuration, from the balancer's table on."""

    def __init__(self, reason: str, key: tuple[str | int, ...] = ()) -> None:
        """Say what is wrong, with the numbers that show it."""
        super().__init__(reason)
        self.reason = reason
        self.key = key


class Measures(StrEnum):
    """What a circuit's meter sees."""

    CIRCUIT = "circuit"
    """All that flows through the circuit, its chargers included."""
    OTHER_LOADS = "other_loads"
    """Everything but the chargers."""


@dataclass(frozen=True, slots=True)
class Meter:
    """The grid meter of a circuit."""

    name: str
    measures: Measures = Measures.CIRCUIT
    solar: bool = False
    """Whether current may flow back into the grid."""
    silent_s: float = 10.0
    """After so long without a reading nobody knows what other loads draw."""
    voltage_v: float = NOMINAL_VOLTAGE_V
    """Nominal volts between a phase and neutral where it measures."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """One circuit of the tree."""

    name: str
    limit: Schedule
    """What may flow per phase, by time of day. A."""
    parent: str | None = None
    meter: Meter | None = None
    blind_limit_a: float | None = None
    """What its chargers may draw together per phase while the meter is lost; None for their fallbacks. A."""
    other_load_a: float = 0.0
    """Reserved per phase for loads that no meter sees. A."""
    transformer_kva: float | None = None
    unbalance_a: float | None = None
    """Most that the single-phase chargers of one phase may draw together. A."""


@dataclass(frozen=True, slots=True)
class SiteCharger:
    """One charger, as the site's configuration has it."""

    name: str
    circuit: str
    phases: tuple[str, ...] = PHASES
    """Phases of the site at its terminals L1, L2, L3."""
    rated_a: float = 32.0
    fallback_a: float = 6.0
    priority: int = 5
    weight: float = 1.0
    mode: str = "fast"
    voltage_v: float = NOMINAL_VOLTAGE_V
    """Nominal volts of each of its phases: phases × volts × amperes is its power."""
    minimum_a: float = 6.0
    """The least that its cars begin at."""


class Kind(StrEnum):
    """What a row keeps."""

    PHASE = "phase"
    POWER = "power"
    UNBALANCE = "unbalance"


@dataclass(frozen=True, slots=True)
class Row:
    """``Σ weight · current of charger ≤ limit``, for one phase, transformer or unbalance of a circuit."""

    circuit: str
    kind: Kind
    phase: str | None
    members: tuple[tuple[str, float], ...]
    """Chargers with their weights: 1, or volts for a power."""

    @property
    def key(self) -> str:
        """Name for programs: ``circuit/garage/L2``."""
        return f"circuit/{self.circuit}/{self.phase or self.kind}" + (
            "/unbalance" if self.phase and self.kind is Kind.UNBALANCE else ""
        )

    @property
    def words(self) -> str:
        """Name for people, such that "… is full" follows."""
        if self.kind is Kind.POWER:
            return f"the transformer of circuit {self.circuit}"
        if self.kind is Kind.UNBALANCE:
            return f"the unbalance on {self.phase} of circuit {self.circuit}"
        return f"phase {self.phase} of circuit {self.circuit}"


@dataclass(frozen=True)
class Site:
    """A checked site. Make it with :func:`build`."""

    circuits: Mapping[str, Circuit]
    chargers: Mapping[str, SiteCharger]
    below: Mapping[str, tuple[str, ...]]
    """Circuit → its chargers and those of the circuits below it."""
    rows: tuple[Row, ...]
    rows_of: Mapping[str, tuple[tuple[int, float], ...]] = field(repr=False)
    """Charger → numbers of the rows that it counts in, with its weight there."""
    fallback_sums: tuple[float, ...] = field(repr=False)
    """What the fallbacks of each row's members add up to."""
    timezone: str = "UTC"

    @property
    def meters(self) -> Mapping[str, Circuit]:
        """Meter → its circuit."""
        return {circuit.meter.name: circuit for circuit in self.circuits.values() if circuit.meter is not None}

    def path(self, circuit: str) -> Iterator[str]:
        """Yield a circuit and those above it."""
        at: str | None = circuit
        while at is not None:
            yield at
            at = self.circuits[at].parent


def build(circuits: Iterable[Circuit], chargers: Iterable[SiteCharger], timezone: str = "UTC") -> Site:
    """Return the site, or raise :class:`SiteError` for one that cannot be safe."""
    tree = {circuit.name: circuit for circuit in circuits}
    members = {charger.name: charger for charger in chargers}
    _check_tree(tree)
    for charger in members.values():
        _check_charger(charger, tree)
    site = build_unchecked(tree.values(), members.values(), timezone)
    _check_fallbacks(site)
    return site


def build_unchecked(circuits: Iterable[Circuit], chargers: Iterable[SiteCharger], timezone: str = "UTC") -> Site:
    """Return a site whose tree is known to be sound, whether or not its fallbacks fit."""
    tree = {circuit.name: circuit for circuit in circuits}
    members = {charger.name: charger for charger in chargers}
    below: dict[str, list[str]] = {name: [] for name in tree}
    for charger in members.values():
        at: str | None = charger.circuit
        while at is not None:
            below[at].append(charger.name)
            at = tree[at].parent
    rows = tuple(row for name, circuit in tree.items() for row in _rows(circuit, [members[c] for c in below[name]]))
    rows_of: dict[str, list[tuple[int, float]]] = {name: [] for name in members}
    for number, row in enumerate(rows):
        for name, weight in row.members:
            rows_of[name].append((number, weight))
    return Site(
        tree,
        members,
        {name: tuple(found) for name, found in below.items()},
        rows,
        {name: tuple(found) for name, found in rows_of.items()},
        tuple(sum(weight * members[name].fallback_a for name, weight in row.members) for row in rows),
        timezone,
    )


def _check_tree(tree: Mapping[str, Circuit]) -> None:
    meters: dict[str, str] = {}
    for circuit in tree.values():
        where = ("circuits", circuit.name)
        if circuit.parent is not None and circuit.parent not in tree:
            raise SiteError(
                f"there is no circuit {circuit.parent!r}; there are: {', '.join(sorted(tree))}", (*where, "parent")
            )
        if circuit.limit.lowest() <= 0:
            raise SiteError("must be more than 0 A at all times; leave the circuit out instead", (*where, "limit_a"))
        if circuit.other_load_a >= circuit.limit.lowest():
            raise SiteError(
                f"{circuit.other_load_a:g} A of other loads leave nothing of {circuit.limit.lowest():g} A",
                (*where, "other_load_a"),
            )
        seen = [circuit.name]
        while (up := tree[seen[-1]].parent) is not None:
            if up not in tree:
                break  # Said when that circuit is looked at.
            if up in seen:
                raise SiteError(f"goes in a circle: {' → '.join([*seen, up])}", (*where, "parent"))
            seen.append(up)
        if circuit.meter is not None:
            other = meters.setdefault(circuit.meter.name, circuit.name)
            if other != circuit.name:
                raise SiteError(f"meter {circuit.meter.name!r} already measures circuit {other}", (*where, "meter"))
        elif circuit.blind_limit_a is not None:
            raise SiteError("is for a circuit with a meter; add meter = …", (*where, "blind_limit_a"))


def _check_charger(charger: SiteCharger, tree: Mapping[str, Circuit]) -> None:
    where = ("chargers", charger.name)
    if charger.circuit not in tree:
        known = ", ".join(sorted(tree)) or "none at all"
        raise SiteError(f"there is no circuit {charger.circuit!r}; there are: {known}", (*where, "circuit"))
    if not charger.phases or len(set(charger.phases)) != len(charger.phases) or set(charger.phases) - set(PHASES):
        raise SiteError(f"{list(charger.phases)}: name each of the charger's phases once", (*where, "rotation"))
    if charger.rated_a < 6:
        raise SiteError(f"is {charger.rated_a:g} A; no car can be offered less than 6 A", (*where, "rated_a"))
    if 0 < charger.fallback_a < 6 or charger.fallback_a > charger.rated_a:
        raise SiteError(
            f"is {charger.fallback_a:g} A; give 0 (pauses without the balancer) or 6 to {charger.rated_a:g} A",
            (*where, "fallback_a"),
        )
    if charger.minimum_a > charger.rated_a:
        raise SiteError(f"is {charger.minimum_a:g} A, more than rated_a", (*where, "minimum_a"))


def _rows(circuit: Circuit, members: list[SiteCharger]) -> Iterator[Row]:
    kinds: list[tuple[Kind, str | None]] = [(Kind.PHASE, phase) for phase in PHASES]
    if circuit.transformer_kva is not None:
        kinds.append((Kind.POWER, None))
    if circuit.unbalance_a is not None:
        kinds += [(Kind.UNBALANCE, phase) for phase in PHASES]
    for kind, phase in kinds:
        weights = ((each.name, weight(kind, phase, each.phases, each.voltage_v)) for each in members)
        yield Row(circuit.name, kind, phase, tuple((name, counts) for name, counts in weights if counts))


def weight(kind: Kind, phase: str | None, phases: Sequence[str], voltage_v: float) -> float:
    """Return what an ampere on these phases counts in a row of this kind; 0 for nothing."""
    if kind is Kind.POWER:
        return len(phases) * voltage_v
    counts = phase in phases and (kind is Kind.PHASE or len(phases) < len(PHASES))
    return 1.0 if counts else 0.0


def rows_at(site: Site, circuits: Sequence[str], phases: Sequence[str], voltage_v: float) -> dict[int, float]:
    """Return the numbers of the rows that count what hangs on these circuits, with its weight.

    Circuits that are no more are left out; if none is left, nobody knows where it hangs: it counts in all that have
    no circuit above them.
    """
    known = {above for name in circuits if name in site.circuits for above in site.path(name)}
    at = known or {name for name, circuit in site.circuits.items() if circuit.parent is None}
    found = {
        number: weight(row.kind, row.phase, phases, voltage_v)
        for number, row in enumerate(site.rows)
        if row.circuit in at
    }
    return {number: counts for number, counts in found.items() if counts}


def fixed_limit(circuit: Circuit, row: Row, phase_limit_a: float) -> float:
    """Return what a row may be at most before any meter is asked; ``phase_limit_a`` is the circuit's per phase."""
    if row.kind is Kind.POWER:
        return 1000.0 * (circuit.transformer_kva or 0.0)
    if row.kind is Kind.UNBALANCE:
        return circuit.unbalance_a or 0.0
    return phase_limit_a - circuit.other_load_a


def _check_fallbacks(site: Site) -> None:
    for row, total in zip(site.rows, site.fallback_sums, strict=True):
        circuit = site.circuits[row.circuit]
        allowed = fixed_limit(circuit, row, circuit.limit.lowest())
        key, what = _setting_of(row), "limit"
        if row.kind is Kind.PHASE and circuit.blind_limit_a is not None and circuit.blind_limit_a < allowed:
            allowed, key, what = circuit.blind_limit_a, "blind_limit_a", "limit without the meter"
        if total > allowed + 1e-9:
            unit = "VA" if row.kind is Kind.POWER else "A"
            parts = [(name, weight * site.chargers[name].fallback_a) for name, weight in row.members]
            shown = " + ".join(f"{name} {value:g}" for name, value in parts[:12] if value)
            more = f" + {len(parts) - 12} more" if len(parts) > 12 else ""
            raise SiteError(
                f"the fallbacks of its chargers exceed {row.words}: {shown}{more} = {total:g} {unit}, {what} "
                f"{allowed:g} {unit}. Chargers draw their fallback when they hear nothing: lower fallback_a "
                "(0 pauses), or move chargers",
                ("circuits", circuit.name, key),
            )


def _setting_of(row: Row) -> str:
    return {Kind.PHASE: "limit_a", Kind.POWER: "transformer_kva", Kind.UNBALANCE: "unbalance_a"}[row.kind]
