"""What chargers may still hold of what was ordered before the settings changed.

A limit that is lowered cannot end leases that were given under the higher one. So this is what a limit means when it
changes: the new one binds from the change on, except for what the chargers of its row were granted before, as long as
those orders have neither certainly ended nor been replaced by a later one that was answered. That much, and no more,
may be drawn beyond it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from agents.load_balancer.circuits.site import Site
from bus_schema.command import CommandReply, SetLimit
from bus_schema.words import ReplyStage

EXECUTABLE_MS = 35_000
"""For so long after it was sent an order may be executed, wrong clocks included."""

EXPIRY_MS = 11_000
"""For so long after the end of its lease a car may draw."""

FOLLOWS_MS = 12_000
"""For so long after a lower offer was answered a car may draw the old current, if somebody else changes it again."""

Key = tuple[str, str, str | None]
"""Circuit, kind and phase of a row."""


@dataclass(slots=True)
class Granted:
    """An order as the broker took it."""

    id: str
    current_a: float
    sent_ms: int
    ends_ms: int
    keys: frozenset[Key]
    """The rows that counted its charger then."""


@dataclass
class Grants:
    """All orders of a world that may count."""

    changed_ms: int = -1
    """When the settings last changed; -1 for never."""
    orders: dict[str, list[Granted]] = field(default_factory=dict)

    def ordered(self, charger: str, order: SetLimit, site: Site) -> None:
        """Note an order that the broker has taken."""
        keys = frozenset(key_of(site, number) for number, _ in site.rows_of.get(charger, ()))
        ends_ms = order.ts + EXECUTABLE_MS + order.valid_for_s * 1000 + EXPIRY_MS
        self.orders.setdefault(charger, []).append(Granted(order.id, order.current_a, order.ts, ends_ms, keys))

    def replied(self, charger: str, reply: CommandReply, now_ms: int) -> None:
        """Note that an order was executed: those that were settled before it was sent end."""
        if reply.stage is not ReplyStage.DONE:
            return
        orders = self.orders.get(charger, [])
        for answered in [order for order in orders if order.id == reply.id]:
            for order in orders:
                if order.sent_ms + EXECUTABLE_MS < answered.sent_ms:
                    order.ends_ms = min(order.ends_ms, now_ms + FOLLOWS_MS)

    def forget(self, now_ms: int) -> None:
        """Forget what is over."""
        for charger, orders in self.orders.items():
            self.orders[charger] = [order for order in orders if order.ends_ms > now_ms]

    def before(self, charger: str, now_ms: int, key: Key | None = None) -> float:
        """Return the most that a charger may hold of what was ordered before the change, in a row if one is named."""
        return max(
            (
                order.current_a
                for order in self.orders.get(charger, ())
                if order.sent_ms < self.changed_ms and order.ends_ms > now_ms and (key is None or key in order.keys)
            ),
            default=0.0,
        )

    def ends_ms(self) -> Iterator[int]:
        """Yield when orders of before the change end."""
        for orders in self.orders.values():
            yield from (order.ends_ms for order in orders if order.sent_ms < self.changed_ms)


def key_of(site: Site, number: int) -> Key:
    """Return what a row is, whatever its number."""
    row = site.rows[number]
    return row.circuit, row.kind, row.phase
