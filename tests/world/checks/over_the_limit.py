"""Invariant 2: never over the limit. What every charger may draw, by its pilot and its meter, against every circuit."""

from typing import Any

from agents.load_balancer.circuits.site import Kind, Site, fixed_limit, weight
from tests.world.charger_box import ChargerBox
from tests.world.checks.base import Check
from tests.world.checks.grants import key_of

ROUNDING_A = 0.06
"""The pilot's duty has a resolution of 0.06 A."""


class NeverOverTheLimit(Check):
    """At every instant the currents that chargers may draw are within the limit of every circuit, phase, transformer.

    A charger may draw what its pilot offers, on each of its phases, and what its car still draws while it follows a
    lower offer. An app that hangs lowers nothing: its pilot counts until the interlock opens the contactor.

    When the settings have changed between two lives of the balancer, chargers may hold beyond the new limit what they
    were granted before and what has not ended since (:mod:`tests.world.checks.grants`). A charger that no longer
    counts in a row counts there with that, too.
    """

    invariant = 2

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self._may_a: dict[str, dict[str, float]] = {}
        self.looks = 0
        self.fullest = 0.0
        """Highest share that was ever in use of a limit, and what was granted before it changed."""

    def site(self) -> Site:
        return self.world.model

    def stepped(self, box: ChargerBox) -> None:
        now = may_draw(box, self.world.wired[box.id])
        before = self._may_a.get(box.id)
        if now == before:
            return
        self._may_a[box.id] = now
        if before is None or any(value > before[phase] for phase, value in now.items()):
            self.look(box.id)

    def look(self, who: str) -> None:
        self.looks += 1
        site, utc_ms = self.site(), self.world.utc_ms()
        for number, row in enumerate(site.rows):
            circuit = site.circuits[row.circuit]
            limit = fixed_limit(circuit, row, circuit.limit.at(utc_ms))
            total = sum(self._counts(row.kind, row.phase, name, counts) for name, counts in row.members)
            if self.world.grants.changed_ms >= 0:
                total, limit = self._since_the_change(number, total, limit)
            self.fullest = max(self.fullest, total / limit)
            if total > limit + ROUNDING_A * max(1.0, sum(counts for _, counts in row.members)):
                shown = {name: self._may_a.get(name) for name, _ in row.members}
                self.fail(who, f"{row.words}: {total:.2f} of {limit:.2f} may be drawn: {shown}")

    def _counts(self, kind: Kind, phase: str | None, name: str, counts: float, most_a: float = 1e9) -> float:
        may = self._may_a.get(name, {})
        if kind is Kind.POWER:
            return counts / max(1, len(may)) * sum(min(value, most_a) for value in may.values())
        return min(may.get(str(phase), 0.0), most_a)

    def _since_the_change(self, number: int, total: float, limit: float) -> tuple[float, float]:
        """Return what is drawn in a row, old members included, and what may be drawn there."""
        world, site, now_ms = self.world, self.site(), self.world.loop.now_ms + self.world.epoch_ms
        row, members = site.rows[number], dict(site.rows[number].members)
        held = 0.0
        for name, counts in members.items():
            held += counts * max(world.grants.before(name, now_ms), world.least_a[name])
        for name in world.boxes.keys() - members.keys():
            old_a = world.grants.before(name, now_ms, key_of(site, number))
            if old_a:
                counts = weight(row.kind, row.phase, world.wired[name], world.voltage_v)
                total += self._counts(row.kind, row.phase, name, counts, old_a)
                held += counts * old_a
        return total, max(limit, held)


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
