"""Which approved orders are worth sending now: new ones at once, the same again before its lease runs out.

Pure. Times are steady seconds.
"""

from agents.load_balancer.granting.orders import SAME_A, Exposure, Order
from bus_schema.balancing import LONGEST_LEASE_S, ORDER_DEADLINE_S

DEADLINE_S = float(ORDER_DEADLINE_S)
"""How long an order may be executed."""

IDLE_LEASE_S = float(LONGEST_LEASE_S)
"""Lease of a grant that is not above the fallback: it changes nothing when it runs out."""

SHORTEST_LEASE_S = 15
"""A lease that lives shorter would run out between two chances to renew it."""

RETRY_S = 3.0
"""An order that nobody has answered is sent again after so long, then after twice as long, and so on."""

MOST_UNANSWERED = 6
"""Orders without an answer after which a charger is only tried every half minute."""


def is_due(exposure: Exposure, current_a: float, now_s: float) -> bool:
    """Tell whether an order of ``current_a`` is worth sending to a charger."""
    newest = exposure.newest()
    if newest is None or abs(current_a - newest.current_a) >= SAME_A:
        return True
    since_s = now_s - newest.sent_s
    if newest.answered_s is None:
        return since_s >= _patience_s(exposure)
    return since_s >= newest.lease_s / 3 or _confirms(newest, exposure, now_s)


def lease_s(current_a: float, exposure: Exposure, configured_fallback_a: float, usual_s: float) -> float:
    """Return how long a grant is to live."""
    return IDLE_LEASE_S if current_a <= min(exposure.fallback_a, configured_fallback_a) else usual_s


def _patience_s(exposure: Exposure) -> float:
    """Return how long an answer is awaited before an order is sent again."""
    count = exposure.unanswered()
    return 30.0 if count > MOST_UNANSWERED else RETRY_S * 2.0 ** min(3, max(0, count - 1))


def _confirms(newest: Order, exposure: Exposure, now_s: float) -> bool:
    """Tell whether the same order again, once answered, would end an older and higher one that is only counted."""
    return any(
        newest.sent_s < order.settled_s <= now_s and order.current_a > newest.current_a for order in exposure.orders
    )
