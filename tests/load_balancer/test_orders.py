"""One charger and everything that it was told: what it counts with, from the first moment to the last."""

import pytest

from agents.load_balancer.granting.orders import FOLLOWED_A, Exposure, Margins, Order
from bus_schema.balancing import LONGEST_LEASE_S

MARGINS = Margins()


def charger(**more: float) -> Exposure:
    return Exposure(6.0, 32.0, obeys=True, **more)  # type: ignore[arg-type]


def sent(exposure: Exposure, at_s: float, current_a: float, answered_s: float | None = None, own: bool = True) -> Order:
    order = Order(f"@{at_s:g}", current_a, at_s, at_s + 35, 60.0, own=own)
    exposure.orders.append(order)
    if answered_s is not None:
        assert exposure.done(order.id, answered_s, MARGINS)
    return order


def test_the_margins_cover_what_they_are_made_of() -> None:
    car_follows_s = 5.0
    assert MARGINS.reaction_s == car_follows_s + 0.5
    assert car_follows_s + 2.5 + 0.01 * LONGEST_LEASE_S <= MARGINS.expiry_s <= 11
    # One and a half keep-alives of 20 s; three times the distance of measurements.
    assert (MARGINS.clock_s, MARGINS.measured_s, MARGINS.slow_s) == (1.5 * 20, 3 * 1.0, 12.0)
    assert FOLLOWED_A == 0.5


def test_an_order_is_this_processs_own_unless_it_is_said() -> None:
    order = Order("x", 10.0, 0.0, 35.0, 60.0)
    assert order.own and order.settled_s == 35 and order.ends_s(MARGINS) == 95 + MARGINS.expiry_s
    order.answered_s = 1.0
    assert order.settled_s == 1
    order.answered_s = 90.0  # So late that it had run out before.
    assert order.settled_s == 35


def test_a_charger_of_which_nothing_is_known() -> None:
    exposure = Exposure(6.0, 32.0)
    assert exposure.worst_a(-1e9) == exposure.worst_a(1e9) == exposure.floor_a() == 32
    assert (exposure.highest_a(), exposure.lowest_a(), exposure.newest(), exposure.unanswered()) == (0, 0, None, 0)
    exposure.obeys = True
    assert exposure.worst_a(0.0) == exposure.floor_a() == 6
    exposure.measured(10.0, 0.0, MARGINS)  # It was never told less: it is not slow.
    assert exposure.worst_a(0.0) == 6


def test_what_it_draws_beyond_counts_as_long_as_it_is_more() -> None:
    exposure = charger(drawn_a=9.0)
    assert exposure.floor_a() == exposure.worst_a(0.0) == 9
    sent(exposure, 0, 16.0)
    assert exposure.worst_a(0.0) == exposure.granted_a(0.0) == 16
    exposure.drawn_a = 3.0
    assert exposure.floor_a() == 6


def test_the_highest_the_lowest_and_the_newest_of_its_orders() -> None:
    exposure = charger()
    sent(exposure, 0, 16.0)
    sent(exposure, 1, 8.0)
    sent(exposure, 2, 30.0, own=False)
    newest = sent(exposure, 3, 10.0)
    sent(exposure, 4, 7.0, own=False)
    assert (exposure.highest_a(), exposure.lowest_a(), exposure.newest()) == (30, 8, newest)
    assert exposure.unanswered() == 3
    exposure.done("@3", 5.0, MARGINS)
    assert exposure.unanswered() == 2


def test_an_answer_counts_once_and_only_for_what_was_ordered() -> None:
    exposure = charger()
    sent(exposure, 0, 16.0)
    assert exposure.done("@9", 1.0, MARGINS) is False and exposure.refused("@9") is False
    assert exposure.done("@0", 1.0, MARGINS) is True
    assert exposure.done("@0", 2.0, MARGINS) is False and exposure.refused("@0") is False
    assert exposure.orders[0].answered_s == 1.0
    sent(exposure, 3, 8.0)
    assert exposure.refused("@3") is True
    assert [order.id for order in exposure.orders] == ["@0"]


def test_one_of_several_that_runs_out_is_forgotten_alone() -> None:
    exposure = charger()
    sent(exposure, 0, 16.0, 0.0)
    sent(exposure, 10, 12.0)
    ends_s = 60 + MARGINS.expiry_s
    exposure.expire(ends_s - 0.1, MARGINS)
    assert exposure.worst_a(ends_s) == 16
    exposure.expire(ends_s, MARGINS)
    assert exposure.worst_a(ends_s) == 12
    # A car may be slow to follow that, too.
    exposure.measured(16.0, ends_s + 1, MARGINS)
    assert exposure.worst_a(ends_s + 1) == 16


def test_a_car_that_has_followed_is_not_followed_again() -> None:
    exposure = charger()
    sent(exposure, 0, 32.0, 0.0)
    sent(exposure, 10, 16.0, 10.0)
    over_s = 10 + MARGINS.reaction_s
    assert exposure.worst_a(over_s - 0.1) == 32 and exposure.worst_a(over_s) == 16
    sent(exposure, over_s, 8.0, over_s)
    assert exposure.worst_a(over_s + 0.1) == 16
    exposure.offers(8.0, over_s + MARGINS.reaction_s, MARGINS)
    assert exposure.worst_a(over_s + MARGINS.reaction_s) == 8


def test_what_is_over_is_forgotten() -> None:
    exposure = charger()
    sent(exposure, 0, 32.0, 0.0)
    sent(exposure, 10, 16.0, 10.0)
    until_s = 10 + MARGINS.reaction_s
    exposure.expire(until_s - 0.1, MARGINS)
    assert exposure.releasing == [(until_s, 32.0)]
    exposure.expire(until_s, MARGINS)
    assert exposure.releasing == []


def test_only_what_is_higher_is_followed() -> None:
    exposure = charger()
    sent(exposure, 0, 8.0, 0.0)
    sent(exposure, 10, 16.0, 10.0)
    assert exposure.releasing == []
    # The same again releases nothing either; a lower one among those that it replaces is no reason to wait.
    before_s = exposure.lowered_s
    sent(exposure, 20, 16.0, 20.0)
    assert exposure.releasing == [] and exposure.lowered_s == before_s


def test_what_may_still_be_executed_is_not_followed_yet() -> None:
    exposure = charger()
    high, low = sent(exposure, 0.0, 16.0), sent(exposure, 0.5, 10.0)
    assert exposure.done(low.id, 1.0, MARGINS)
    assert exposure.releasing == [] and exposure.worst_a(1.0) == 16
    # It was never executed: there is no car that would have to follow.
    assert exposure.refused(high.id) and exposure.worst_a(1.0) == 10


def test_several_that_are_replaced_at_once() -> None:
    exposure = charger()
    sent(exposure, 0, 32.0)
    sent(exposure, 0, 10.0)
    sent(exposure, 35, 10.0, 36.0)
    assert exposure.worst_a(36.0) == 32 and len(exposure.orders) == 1
    assert exposure.releasing == [(36.0 + MARGINS.reaction_s, 32.0)]
    # Nobody has heard what the charger offers: its answer alone tells by when its car has to have followed.
    exposure.measured(20.0, 36.0 + MARGINS.reaction_s + 1, MARGINS)
    assert exposure.worst_a(36.0 + MARGINS.reaction_s + 1) == 20


@pytest.mark.parametrize("offer", ["less", "order"])
def test_a_slow_car_counts_with_what_it_draws(offer: str) -> None:
    exposure = charger()
    sent(exposure, 0, 32.0, 0.0)
    sent(exposure, 10, 8.0, 10.0)
    exposure.offers(8.0, 10.0, MARGINS)
    begins_s = 10.0
    if offer == "less":
        begins_s = 14.0
        exposure.offers(6.0, begins_s, MARGINS)
        exposure.offers(6.0, begins_s + 1, MARGINS)  # Nothing new.
    over_s = begins_s + MARGINS.reaction_s
    assert exposure.worst_a(over_s - 0.1) == 32 and exposure.worst_a(over_s) == 8
    last_s = over_s + MARGINS.slow_s - 0.1
    exposure.measured(20.0, last_s, MARGINS)
    assert exposure.worst_a(last_s + MARGINS.measured_s - 0.1) == 20
    assert exposure.worst_a(last_s + MARGINS.measured_s) == 8
    exposure.measured(8.0 + FOLLOWED_A, last_s, MARGINS)
    assert exposure.worst_a(last_s) == 8
    exposure.measured(20.0, over_s + MARGINS.slow_s, MARGINS)
    assert exposure.worst_a(over_s + MARGINS.slow_s) == 8


def test_what_a_slow_car_draws_counts_only_if_it_is_more() -> None:
    exposure = charger(drawn_a=15.0)
    exposure.slow = (50.0, 12.0)
    assert exposure.worst_a(40.0) == 15
    exposure.drawn_a = 0.0
    assert exposure.worst_a(49.9) == 12 and exposure.worst_a(50.0) == 6


@pytest.mark.parametrize(
    ("current_a", "until_s", "known"),
    [
        (6.05, 1e9, True),
        (6.1, 50.0, True),
        (16.05, 95.0, True),
        (16.1, 50.0, False),
        (16.0, 107.0, False),
    ],
)
def test_a_lease_is_known_if_something_that_counts_is_as_high_and_as_long(
    current_a: float, until_s: float, known: bool
) -> None:
    exposure = charger()
    sent(exposure, 0, 16.0)
    assert exposure.knows(current_a, until_s, MARGINS) is known
    assert exposure.knows(16.0, 95 + MARGINS.expiry_s, MARGINS)
    sent(exposure, 1, 8.0)  # One of several is enough.
    assert exposure.knows(current_a, until_s, MARGINS) is known


def test_a_lower_reserve_counts_until_the_car_has_followed_and_a_higher_at_once() -> None:
    exposure = Exposure(6.0, 32.0)
    exposure.reserves(6.0, 32.0, True, 0.0, MARGINS)
    assert exposure.worst_a(MARGINS.reaction_s - 0.1) == 32 and exposure.worst_a(MARGINS.reaction_s) == 6
    exposure.measured(9.0, MARGINS.reaction_s, MARGINS)
    assert exposure.worst_a(MARGINS.reaction_s) == 9
    exposure = charger()
    for fallback_a in (6.0, 10.0):
        exposure.reserves(fallback_a, 32.0, True, 20.0, MARGINS)
        assert exposure.releasing == [] and exposure.worst_a(20.0) == fallback_a
