"""What each row of the site may carry now, and why: contract, meters, and what to do without them."""

from collections.abc import Mapping
from dataclasses import dataclass

from agents.load_balancer.circuits.site import Circuit, Kind, Row, Site, fixed_limit
from agents.load_balancer.seeing.metering import GridMeter


@dataclass(frozen=True, slots=True)
class RowLimit:
    """The limit of one row."""

    limit: float
    """What its chargers may draw at worst, in the row's unit."""
    contract: float
    """The same without any meter."""
    words: str
    """What sets it: "fuse 63 A, other loads 21 A by grid meter main"."""
    other_a: float | None = None


def limits_of(site: Site, meters: Mapping[str, GridMeter], utc_ms: int, now_s: float, ahead_s: float) -> list[RowLimit]:
    """Return the limit of every row. A grant lives ``ahead_s`` at most: it must keep every limit until then."""
    found: list[RowLimit] = []
    phase_limits = {name: circuit.limit.lowest_until(utc_ms, ahead_s) for name, circuit in site.circuits.items()}
    troubles = {name: meter.trouble(now_s) for name, meter in meters.items()}
    for row, fallback_sum in zip(site.rows, site.fallback_sums, strict=True):
        circuit = site.circuits[row.circuit]
        fixed = _without_meter(circuit, row, phase_limits[row.circuit])
        if row.kind is not Kind.PHASE or circuit.meter is None:
            found.append(fixed)
            continue
        meter, trouble = meters[circuit.meter.name], troubles[circuit.meter.name]
        if trouble is not None:
            blind = fallback_sum if circuit.blind_limit_a is None else circuit.blind_limit_a
            limit = min(fixed.limit, blind)
            found.append(RowLimit(limit, fixed.limit, f"{limit:g} A because {trouble}"))
            continue
        other_a = meter.other_a(row.phase or "", now_s)
        # What the sun gives may be gone in a second: it is never counted as room beyond the fuse.
        limit = max(0.0, fixed.limit - max(0.0, other_a))
        words = f"{fixed.words}, other loads {other_a:.1f} A by grid meter {circuit.meter.name}"
        if meter.is_alone(row.phase or "") and limit < fallback_sum:
            # Down to what the chargers may draw anyway; nobody is paused for one reading.
            limit, words = min(fixed.limit, fallback_sum), f"{words} in one reading, fallbacks until another says so"
        if meter.directions_by_power:
            words += ", directions by its power"
        found.append(RowLimit(limit, fixed.limit, words, other_a))
    return found


def _without_meter(circuit: Circuit, row: Row, phase_a: float) -> RowLimit:
    fixed = fixed_limit(circuit, row, phase_a)
    if row.kind is not Kind.PHASE:
        unit = "VA" if row.kind is Kind.POWER else "A"
        return RowLimit(fixed, fixed, f"{row.words} allows {fixed:g} {unit}")
    what = "fuse" if phase_a >= circuit.limit.limit_a else "contract"
    words = f"{what} {phase_a:g} A"
    if circuit.other_load_a:
        words += f", {circuit.other_load_a:g} A reserved for other loads"
    return RowLimit(fixed, fixed, words)
