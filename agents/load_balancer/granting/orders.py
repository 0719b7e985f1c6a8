"""What one charger may draw at worst, from everything that it was ever told and has answered.

An order is a ``set_limit``. Nobody sees it arrive; what is certain is only this:

- It may be executed at any time until its deadline by the charger's clock, which may be wrong by a margin.
- Once executed, its lease runs from that moment; when it runs out the charger falls to its fallback.
- An answer ``done`` proves that it was executed before the answer came; ``rejected`` and ``expired`` that it never was.
- An order that was sent after another had been answered, or had become too old to be executed, replaces it once it is
  itself answered ``done``. No other order proves anything: networks lose, delay and repeat.
- A charger that reboots forgets all leases and draws its fallback.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Margins:
    """How wrong clocks and how slow cars are taken to be. Seconds."""

    clock_s: float = 30.0
    """How much later than its deadline an order may still be executed: wrong clocks and stalled connections, which a
    broker notices after one and a half keep-alives of 15 to 20 s."""
    expiry_s: float = 11.0
    """How much longer than its lease an order may count: 2.5 s until the control pilot opens the contactor of a hung
    charger, 5 s for the car to follow (IEC 61851-1), and a clock that runs 1 % slow for the longest lease."""
    reaction_s: float = 5.5
    """How long a car may draw the old current after its charger has offered less (IEC 61851-1: 5 s)."""
    slow_s: float = 12.0
    """For how much longer a car that is measured to draw the old current all the same is counted with that; then it
    counts as one that draws what it likes (:mod:`agents.load_balancer.deciding.overdraw`)."""
    measured_s: float = 3.0
    """How long a measurement of such a car counts: three times the distance of the next."""


SAME_A = 0.05
"""Currents that differ by less are the same."""

FOLLOWED_A = 0.5
"""A car has followed when it draws at most so much more than its charger offers: what meters differ by."""


@dataclass(slots=True)
class Order:
    """A ``set_limit`` that may count. Times are steady seconds of this process."""

    id: str
    current_a: float
    sent_s: float
    executable_until_s: float
    """When it can no more be executed, margin included."""
    lease_s: float
    answered_s: float | None = None
    """When its ``done`` came; None while nobody knows."""
    own: bool = True
    """False for an order of another balancer, or of an earlier life of this one."""

    @property
    def settled_s(self) -> float:
        """From when on it is certain that it is not executed any more."""
        return self.executable_until_s if self.answered_s is None else min(self.answered_s, self.executable_until_s)

    def ends_s(self, margins: Margins) -> float:
        """From when on its lease has certainly run out."""
        return self.settled_s + self.lease_s + margins.expiry_s


@dataclass(slots=True)
class Exposure:
    """Everything that keeps one charger from being counted with less."""

    fallback_a: float
    """What it falls back to: the greater of what the site's configuration and the charger itself say."""
    rated_a: float
    """What it can draw without any limit."""
    obeys: bool = False
    """Whether it counts its fallback while it has no lease. As long as that is not known it counts as rated."""
    drawn_a: float = 0.0
    """What it was measured to draw although it was not granted; 0 if it keeps to its grants."""
    orders: list[Order] = field(default_factory=list)
    releasing: list[tuple[float, float]] = field(default_factory=list)
    """(until, amperes) of orders that were replaced by a lower one, while the car still follows."""
    lowered_s: float = -1e18
    """Until when a car had to have followed the last time that something higher ceased to count."""
    slow: tuple[float, float] = (-1e18, 0.0)
    """(until, amperes) that a car was measured to draw although it had to have followed."""
    offered_a: float | None = None
    """What the charger was last heard to offer; None before it has said so."""

    def reserves(self, fallback_a: float, rated_a: float, obeys: bool, now_s: float, margins: Margins) -> None:
        """Take what it may draw without any order; what it may no longer draw counts until its car has followed."""
        before_a = self.reserved_a()
        self.fallback_a, self.rated_a, self.obeys = fallback_a, rated_a, obeys
        if self.reserved_a() < before_a:
            self.lowered_s = now_s + margins.reaction_s
            self.releasing.append((self.lowered_s, before_a))

    def reserved_a(self) -> float:
        """Return what it may draw without any order. A."""
        return self.fallback_a if self.obeys else max(self.rated_a, self.fallback_a)

    def floor_a(self) -> float:
        """Return what it counts with even when it has been ordered to draw nothing. A."""
        reserved = self.reserved_a()
        return reserved if reserved > self.drawn_a else self.drawn_a

    def worst_a(self, now_s: float) -> float:
        """Return what it may draw at worst. A."""
        granted, drawn_a = self.granted_a(now_s), self.drawn_a
        if now_s < self.slow[0] and self.slow[1] > drawn_a:
            drawn_a = self.slow[1]
        return granted if granted > drawn_a else drawn_a

    def granted_a(self, now_s: float) -> float:
        """Return the most that it was granted and may keep to, whatever it was measured to draw. A."""
        worst = self.reserved_a()
        for order in self.orders:
            if order.current_a > worst:
                worst = order.current_a
        for until_s, current_a in self.releasing:
            if current_a > worst and now_s < until_s:
                worst = current_a
        return worst

    def newest(self) -> Order | None:
        """Return the order of this process that was sent last, if it may still count."""
        return next((order for order in reversed(self.orders) if order.own), None)

    def highest_a(self) -> float:
        """Return the highest current that an order may hold in force; 0 without orders."""
        return max((order.current_a for order in self.orders), default=0.0)

    def knows(self, current_a: float, until_s: float, margins: Margins) -> bool:
        """Tell whether a lease of so much until then is counted already."""
        return current_a <= self.fallback_a + SAME_A or any(
            current_a <= order.current_a + SAME_A and until_s <= order.ends_s(margins) for order in self.orders
        )

    def lowest_a(self) -> float:
        """Return the lowest current that an order of this process may hold in force; 0 without any."""
        return min((order.current_a for order in self.orders if order.own), default=0.0)

    def unanswered(self) -> int:
        """Return how many of this process's orders nobody has answered."""
        return sum(1 for order in self.orders if order.own and order.answered_s is None)

    def expire(self, now_s: float, margins: Margins) -> None:
        """Forget what is certainly over."""
        if any(order.ends_s(margins) <= now_s for order in self.orders):
            self.lowered_s = now_s
            self.orders = [order for order in self.orders if order.ends_s(margins) > now_s]
        if self.releasing:
            self.releasing = [each for each in self.releasing if each[0] > now_s]

    def done(self, order_id: str, now_s: float, margins: Margins) -> bool:
        """Take the answer ``done``; return whether it was to an order that counts and had not been answered."""
        order = self._find(order_id)
        if order is None or order.answered_s is not None:
            return False
        order.answered_s = now_s
        kept = [other for other in self.orders if other is order or other.settled_s > order.sent_s]
        replaced = [other for other in self.orders if other not in kept]
        if any(other.current_a != order.current_a for other in replaced):
            until_s = now_s + margins.reaction_s
            # A car that is told yet another current while it follows the last may begin to follow anew.
            following = [a for ends_s, a in self.releasing if now_s < ends_s] + [other.current_a for other in replaced]
            self.releasing = [(until_s, current_a) for current_a in following if current_a > order.current_a]
            self.lowered_s = until_s
        self.orders = kept
        return True

    def offers(self, offered_a: float, now_s: float, margins: Margins) -> None:
        """Take what the charger is heard to offer.

        Whatever changes that, a pause or the lease of somebody else too, a car that is still following a decrease may
        begin to follow anew.
        """
        if offered_a != self.offered_a:
            until_s = now_s + margins.reaction_s
            self.releasing = [(until_s, current_a) for ends_s, current_a in self.releasing if now_s < ends_s]
            if self.releasing:
                self.lowered_s = until_s
        self.offered_a = offered_a

    def measured(self, drawn_a: float, now_s: float, margins: Margins) -> None:
        """Take what is drawn: a car that has not followed a decrease in time counts with that for a while."""
        slow = drawn_a > self.granted_a(now_s) + FOLLOWED_A and now_s < self.lowered_s + margins.slow_s
        self.slow = (now_s + margins.measured_s, drawn_a) if slow else (-1e18, 0.0)

    def refused(self, order_id: str) -> bool:
        """Take an answer that says that the order was not executed; return whether it counted."""
        order = self._find(order_id)
        if order is None or order.answered_s is not None:
            return False
        self.orders = [other for other in self.orders if other is not order]
        return True

    def _find(self, order_id: str) -> Order | None:
        return next((order for order in self.orders if order.id == order_id), None)
