"""From a tree of circuits to constraints."""

from collections.abc import Iterable, Sequence

from agents.load_balancer.allocation.model import PHASES, BadInput, CircuitLimit, Constraint, Demand, Series


def constraints(circuits: Sequence[CircuitLimit], demands: Iterable[Demand]) -> list[Constraint]:
    """Return one constraint for every limit of every circuit, over the chargers that ``demands`` names.

    Currents of one phase are added as numbers, which is never less than their vector sum. Raises :class:`BadInput`
    for a tree with a cycle, an unknown parent, two circuits of one name or a charger on two circuits.
    """
    below = _chargers_below(circuits)
    by_charger = {demand.charger: demand for demand in demands}
    found: list[Constraint] = []
    for circuit in circuits:
        here = [by_charger[name] for name in sorted(below[circuit.name]) if name in by_charger]
        for phase, limit in circuit.limit_a.items():
            on_phase: dict[str, complex] = {d.charger: 1.0 for d in here if phase in d.phases}
            found.append(Constraint(f"phase {phase} of circuit {circuit.name}", on_phase, limit))
        if circuit.limit_va is not None:
            power: dict[str, complex] = {d.charger: d.voltage_v * len(d.phases) for d in here}
            found.append(Constraint(f"the power limit of circuit {circuit.name}", power, circuit.limit_va, "VA"))
        if circuit.unbalance_a is not None:
            found.extend(_unbalance(circuit, circuit.unbalance_a, here))
    return found


def _unbalance(circuit: CircuitLimit, limit_a: float, here: Sequence[Demand]) -> Iterable[Constraint]:
    for one, other in zip(PHASES, (*PHASES[1:], PHASES[0]), strict=True):
        difference: dict[str, complex] = {
            d.charger: (one in d.phases) - (other in d.phases) for d in here if (one in d.phases) != (other in d.phases)
        }
        name = f"the unbalance allowed between {one} and {other} of circuit {circuit.name}"
        yield Constraint(name, difference, Series(limit_a))


def _chargers_below(circuits: Sequence[CircuitLimit]) -> dict[str, set[str]]:
    parents = {circuit.name: circuit.parent for circuit in circuits}
    if len(parents) != len(circuits):
        raise BadInput("two circuits have the same name")
    below: dict[str, set[str]] = {name: set() for name in parents}
    placed: dict[str, str] = {}
    for circuit in circuits:
        for charger in circuit.members:
            if charger in placed:
                raise BadInput(f"charger {charger} is on circuits {placed[charger]} and {circuit.name}: name it once")
            placed[charger] = circuit.name
        seen: set[str] = set()
        above: str | None = circuit.name
        while above is not None:
            if above not in parents:
                raise BadInput(f"circuit {circuit.name} is below {above}, which there is not")
            if above in seen:
                raise BadInput(f"circuit {above} is above itself")
            seen.add(above)
            below[above] |= circuit.members
            above = parents[above]
    return below
