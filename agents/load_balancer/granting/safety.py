"""The safety layer: what may be granted now. Nothing reaches the bus except through :meth:`Safety.approve`.

The rule (design, "Moving current safely"): for every row of the site the sum of what its chargers may draw *at worst*
stays within the limit, now and until every order has certainly run out. A lower current may always be ordered; it
frees what it gives up only when the charger has answered and the car has followed. A higher one is ordered into what
is certainly free.

The layer keeps no clock and does no I/O: every method is told what time it is (steady seconds).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.load_balancer.circuits.site import Site, rows_at
from agents.load_balancer.granting.orders import Exposure, Margins, Order
from agents.load_balancer.granting.outstanding import Place, Step
from bus_schema.balancing import LONGEST_LEASE_S, ORDER_DEADLINE_S

MIN_CURRENT_A = 6.0
"""Less cannot be told to a car (IEC 61851-1)."""

STEP_A = 0.1
"""Grants are rounded down to this."""

EPSILON_A = 1e-6


@dataclass(frozen=True, slots=True)
class Approved:
    """An order that may be sent. It counts from now on, whether or not it is."""

    charger: str
    current_a: float
    raises: bool
    """Whether the charger may draw more by it than before: it must be on disk before it is on the bus."""
    clipped_by: int | None
    """Number of the row that allowed no more, None if all that was wanted was approved."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A grant of an earlier life that counts in rows where its charger, as it is configured now, does not."""

    charger: str
    order: Order
    place: Place
    rows: tuple[tuple[int, float], ...]
    """Numbers of those rows, with what an ampere counts there."""
    exposure: Exposure | None
    """The charger's exposure, None if it is not configured any more: then it ends by its time only."""

    def counts(self, now_s: float, margins: Margins) -> bool:
        """Tell whether it may still be drawn.

        It has not run out, and no later order has replaced it, or one has and the car still follows.
        """
        if self.order.ends_s(margins) <= now_s:
            return False
        if self.exposure is None or any(order is self.order for order in self.exposure.orders):
            return True
        return any(now_s < until_s and a >= self.order.current_a for until_s, a in self.exposure.releasing)


class Safety:
    """The outstanding grants of a site."""

    def __init__(self, site: Site, margins: Margins | None = None) -> None:
        """Know nothing: every charger counts with what it is rated for until it is known to obey."""
        self.site = site
        self.margins = Margins() if margins is None else margins
        self.exposures = {name: Exposure(each.fallback_a, each.rated_a) for name, each in site.chargers.items()}
        self.elsewhere: list[Elsewhere] = []

    # --- what is learned ---

    def recall(self, outstanding: Mapping[str, Sequence[Step]], now_s: float) -> None:
        """Count what earlier lives on this database may have granted, from now on and for as long as was stored.

        Chargers that have been taken out of the configuration, or moved to another circuit, count where they hung too.
        """
        for name, steps in outstanding.items():
            for step in steps:
                until_s, lease_s = now_s + step.executable_s, step.life_s - step.executable_s - self.margins.expiry_s
                order = Order("", step.current_a, now_s, until_s, lease_s, own=False)
                rows = rows_at(self.site, step.place.circuits, step.place.phases, step.place.voltage_v)
                exposure = self.exposures.get(name)
                if exposure is not None:
                    exposure.orders.append(order)
                    if not step.place.circuits:
                        continue  # Nobody knows of another place than the one where it hangs now.
                    for number, weight in self.site.rows_of[name]:
                        if number in rows:
                            rows[number] = max(0.0, rows[number] - weight)
                if any(rows.values()):
                    self.elsewhere.append(Elsewhere(name, order, step.place, tuple(rows.items()), exposure))

    def forget_all(self, now_s: float) -> None:
        """Somebody else may have granted anything: every charger counts as rated until it answers to us.

        Nobody knows which settings the other has: its orders count for the longest that the contract allows.
        """
        for name, exposure in self.exposures.items():
            self.foreign(name, "", exposure.rated_a, now_s, float(ORDER_DEADLINE_S), float(LONGEST_LEASE_S))

    def describe(self, charger: str, *, fallback_a: float, rated_a: float, obeys: bool, now_s: float) -> None:
        """Take what a charger says about itself; where it differs from the configuration the worse counts."""
        exposure, configured = self.exposures[charger], self.site.chargers[charger]
        fallback_a, rated_a = max(configured.fallback_a, fallback_a), max(configured.rated_a, rated_a)
        exposure.reserves(fallback_a, rated_a, obeys, now_s, self.margins)

    def draws(self, charger: str, current_a: float) -> None:
        """Take what a charger draws beyond its grants; 0 when it keeps to them."""
        self.exposures[charger].drawn_a = current_a

    def heard(self, charger: str, offered_a: float, drawn_a: float | None, now_s: float) -> None:
        """Take what a charger says that it offers and, if that is known, what is drawn there."""
        exposure = self.exposures[charger]
        exposure.offers(offered_a, now_s, self.margins)
        if drawn_a is not None:
            exposure.measured(drawn_a, now_s, self.margins)

    def foreign(
        self, charger: str, order_id: str, current_a: float, now_s: float, executable_s: float, lease_s: float
    ) -> None:
        """Count an order that another process has sent, or may have sent, under the balancer's name."""
        until_s = now_s + executable_s + self.margins.clock_s
        self.exposures[charger].orders.append(Order(order_id, current_a, now_s, until_s, lease_s, own=False))

    def done(self, charger: str, order_id: str, now_s: float) -> bool:
        """Take the answer ``done``; return whether it changed anything."""
        return self.exposures[charger].done(order_id, now_s, self.margins)

    def refused(self, charger: str, order_id: str) -> bool:
        """Take an answer that the order was not executed; return whether it changed anything."""
        return self.exposures[charger].refused(order_id)

    def advance(self, now_s: float) -> None:
        """Forget what is certainly over."""
        for exposure in self.exposures.values():
            exposure.expire(now_s, self.margins)
        self.elsewhere = [each for each in self.elsewhere if each.counts(now_s, self.margins)]

    # --- what follows ---

    def worst_a(self, charger: str, now_s: float) -> float:
        """Return what a charger may draw at worst. A."""
        return self.exposures[charger].worst_a(now_s)

    def used(self, now_s: float) -> list[float]:
        """Return what the members of each row may draw at worst, in the row's unit."""
        used = self.used_elsewhere(now_s)
        rows_of = self.site.rows_of
        for name, exposure in self.exposures.items():
            worst_a = exposure.worst_a(now_s)
            for number, weight in rows_of[name]:
                used[number] += weight * worst_a
        return used

    def used_elsewhere(self, now_s: float) -> list[float]:
        """Return what may be drawn in each row by those that, as it is configured now, do not hang there."""
        worst: dict[tuple[str, int], float] = {}
        for each in self.elsewhere:
            if each.counts(now_s, self.margins):
                for number, weight in each.rows:
                    key = each.charger, number
                    worst[key] = max(worst.get(key, 0.0), weight * each.order.current_a)
        used = [0.0] * len(self.site.rows)
        for (_, number), value in worst.items():
            used[number] += value
        return used

    def outstanding(self, now_s: float) -> dict[str, list[Step]]:
        """Return what every charger may draw because of orders, and for how long from now on."""
        found: dict[str, list[Step]] = {}
        for name, exposure in self.exposures.items():
            place = self._place(name)
            steps = found[name] = [self._as_step(order, place, now_s) for order in exposure.orders]
            # A car that still follows a decrease may begin again with each change of the offer.
            margin_s = self.margins.reaction_s
            steps += [
                Step(current_a, 0.0, until_s - now_s + margin_s, place)
                for until_s, current_a in exposure.releasing
                if now_s < until_s
            ]
        for each in self.elsewhere:
            found.setdefault(each.charger, []).append(self._as_step(each.order, each.place, now_s))
        return found

    def step(self, charger: str, current_a: float, deadline_s: float, lease_s: float) -> Step:
        """Return what an order adds to what is outstanding, at the moment when it is sent."""
        executable_s = deadline_s + self.margins.clock_s
        return Step(current_a, executable_s, executable_s + lease_s + self.margins.expiry_s, self._place(charger))

    def _as_step(self, order: Order, place: Place, now_s: float) -> Step:
        executable_s, life_s = max(0.0, order.settled_s - now_s), order.ends_s(self.margins) - now_s
        if order.own:
            # It is going to be renewed: then it counts as when it was sent.
            executable_s = order.executable_until_s - order.sent_s
            life_s = executable_s + order.lease_s + self.margins.expiry_s
        return Step(order.current_a, executable_s, life_s, place)

    def _place(self, charger: str) -> Place:
        configured = self.site.chargers[charger]
        return Place(tuple(self.site.path(configured.circuit)), configured.phases, configured.voltage_v)

    def is_crowded(self, charger: str, limits: Sequence[float], now_s: float) -> bool:
        """Tell whether more than its limit may be drawn in a row that counts a charger."""
        used = self.used(now_s)
        return any(used[number] > limits[number] + EPSILON_A for number, _ in self.site.rows_of[charger])

    def approve(self, wanted_a: Mapping[str, float], limits: Sequence[float], now_s: float) -> list[Approved]:
        """Return what of ``wanted_a`` may be ordered now: decreases first, then increases as far as is certainly free.

        The planner is not trusted: what does not fit together is trimmed, those named last first. A charger that is
        not named is not ordered anything and counts at its worst. ``limits`` has one entry for each row of the site.
        :meth:`ordered` must be told of each order before it is sent.
        """
        used = self.used(now_s)
        kept, increases = [], []
        for name, wanted in self._trimmed(wanted_a, limits, now_s).items():
            exposure = self.exposures[name]
            counted_a = max(exposure.highest_a(), exposure.fallback_a)
            crowded = next((row for row, _ in self.site.rows_of[name] if used[row] > limits[row] + EPSILON_A), None)
            if crowded is not None:
                # Too much may be drawn here already: not even what is only counted may be offered (again).
                held_a = max(exposure.lowest_a(), exposure.fallback_a)
                kept.append(Approved(name, min(wanted, _usable(held_a)), False, crowded if wanted > held_a else None))
                continue
            if wanted <= counted_a + EPSILON_A:
                kept.append(Approved(name, wanted, False, None))
                continue
            worst = exposure.worst_a(now_s)
            allowed, row = self._room(name, wanted, worst, used, limits)
            if allowed <= counted_a + EPSILON_A:
                kept.append(Approved(name, _usable(counted_a), False, row))
                continue
            if allowed > worst:
                for number, weight in self.site.rows_of[name]:
                    used[number] += weight * (allowed - worst)
            increases.append(Approved(name, allowed, True, row))
        return kept + increases

    def _trimmed(self, wanted_a: Mapping[str, float], limits: Sequence[float], now_s: float) -> dict[str, float]:
        """Return what is wanted, cut until it would keep every limit once every order is answered."""
        rows_of = self.site.rows_of
        targets = {}
        for name, current_a in wanted_a.items():
            targets[name] = _usable(min(current_a, self.site.chargers[name].rated_a))
        total = self.used_elsewhere(now_s)
        for name, exposure in self.exposures.items():
            counts_a = max(exposure.floor_a(), targets[name]) if name in targets else exposure.worst_a(now_s)
            for number, weight in rows_of[name]:
                total[number] += weight * counts_a
        if all(value <= limit + EPSILON_A for value, limit in zip(total, limits, strict=True)):
            return targets
        for name in reversed(list(targets)):
            floor_a = self.exposures[name].floor_a()
            excess_a = max((total[number] - limits[number]) / weight for number, weight in rows_of[name])
            if excess_a <= EPSILON_A:
                continue
            before_a = max(floor_a, targets[name])
            # Less than what it counts with anyway would free nothing.
            targets[name] = max(_usable(max(0.0, targets[name] - excess_a)), min(targets[name], _usable(floor_a)))
            for number, weight in rows_of[name]:
                total[number] -= weight * (before_a - max(floor_a, targets[name]))
        return targets

    def _room(
        self, name: str, wanted: float, worst: float, used: Sequence[float], limits: Sequence[float]
    ) -> tuple[float, int | None]:
        """Return how much of ``wanted`` fits, and the row that allows no more."""
        allowed, binding = wanted, None
        for number, weight in self.site.rows_of[name]:
            most = worst + max(0.0, limits[number] - used[number]) / weight
            if most < allowed:
                allowed, binding = most, number
        allowed = _usable(allowed)
        return allowed, binding if allowed < wanted else None

    def ordered(self, approved: Approved, order_id: str, now_s: float, deadline_s: float, lease_s: float) -> None:
        """Count an approved order; call it before the order leaves. ``deadline_s`` is from now."""
        exposure = self.exposures[approved.charger]
        until_s = now_s + deadline_s + self.margins.clock_s
        exposure.orders.append(Order(order_id, approved.current_a, now_s, until_s, lease_s))


def _usable(current_a: float) -> float:
    """Round down to what is ordered; less than a car can be told is nothing."""
    rounded = math.floor(current_a / STEP_A + EPSILON_A) * STEP_A
    return round(rounded, 3) if rounded >= MIN_CURRENT_A - EPSILON_A else 0.0
