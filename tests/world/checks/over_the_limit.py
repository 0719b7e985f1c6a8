"""Invariant 2: never over the limit. What every charger may draw, by its pilot and its meter, against every circuit."""

from typing import Any

from agents.load_balancer.site import Kind, Site, fixed_limit
from tests.world.charger_box import ChargerBox
from tests.world.checks.base import Check

ROUNDING_A = 0.06
"""The pilot's duty has a resolution of 0.06 A."""


class NeverOverTheLimit(Check):
    """At every instant the currents that chargers may draw are within the limit of every circuit, phase, transformer.

    A charger may draw what its pilot offers, on each of its phases, and what its car still draws while it follows a
    lower offer. An app that hangs lowers nothing: its pilot counts until the interlock opens the contactor.
    """

    invariant = 2

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self._may_a: dict[str, dict[str, float]] = {}
        self.looks = 0
        self.fullest = 0.0
        """Highest share of a limit that was ever in use."""

    def site(self) -> Site:
        return self.world.model

    def stepped(self, box: ChargerBox) -> None:
        now = may_draw(box, self.site().chargers[box.id].phases)
        before = self._may_a.get(box.id)
        if now == before:
            return
        self._may_a[box.id] = now
        if before is None or any(value > before[phase] for phase, value in now.items()):
            self.look(box.id)

    def look(self, who: str) -> None:
        self.looks += 1
        site, utc_ms = self.site(), self.world.utc_ms()
        for row in site.rows:
            circuit = site.circuits[row.circuit]
            limit = fixed_limit(circuit, row, circuit.limit.at(utc_ms))
            total = 0.0
            for name, weight in row.members:
                may = self._may_a.get(name, {})
                if row.kind is Kind.POWER:
                    total += weight / max(1, len(may)) * sum(may.values())
                else:
                    total += may.get(str(row.phase), 0.0)
            self.fullest = max(self.fullest, total / limit)
            if total > limit + ROUNDING_A * max(1.0, sum(weight for _, weight in row.members)):
                shown = {name: self._may_a.get(name) for name, _ in row.members}
                self.fail(who, f"{row.words}: {total:.2f} of {limit:.2f} may be drawn: {shown}")


def may_draw(box: ChargerBox, phases: tuple[str, ...]) -> dict[str, float]:
    """Return what a charger may draw now on each phase of the site that it is wired to. A."""
    hardware = box.hardware
    closed = box.powered and hardware.contactor.closed
    offered_a = 0.0
    # Only a living app can close the contactor: what the pilot of a dead one offers, nobody can draw.
    if box.powered and (closed or not box.silent):
        offered_a = hardware.snapshot().offered_current_a
    drawn = hardware.meter.read()
    measured = (0.0,) * len(phases) if drawn is None or not closed else drawn.current_a
    return {phase: max(offered_a, measured[place]) for place, phase in enumerate(phases)}
