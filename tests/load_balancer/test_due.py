"""Which orders are worth sending now, and how long they are to live."""

import pytest

from agents.load_balancer.granting.due import DEADLINE_S, IDLE_LEASE_S, SHORTEST_LEASE_S, is_due, lease_s
from agents.load_balancer.granting.orders import SAME_A, Exposure, Margins, Order
from bus_schema.balancing import LONGEST_LEASE_S, ORDER_DEADLINE_S

LATE_S = DEADLINE_S + Margins().clock_s


def ordered(*sent: tuple[float, float, float | None], own: bool = True) -> Exposure:
    """Return a charger that was sent orders: seconds, amperes, when they were answered."""
    exposure = Exposure(6.0, 32.0, obeys=True)
    for at_s, current_a, answered_s in sent:
        exposure.orders.append(Order(f"@{at_s:g}", current_a, at_s, at_s + LATE_S, 60.0, answered_s, own))
    return exposure


def test_the_contract_sets_the_longest_times() -> None:
    assert (DEADLINE_S, IDLE_LEASE_S) == (ORDER_DEADLINE_S, LONGEST_LEASE_S) == (5, 300)
    assert SHORTEST_LEASE_S == 15


def test_something_new_is_due_at_once_and_the_same_is_not() -> None:
    assert is_due(ordered(), 0.0, 0.0)
    assert is_due(ordered((0, 16.0, 0.1), own=False), 16.0, 1.0)
    for more_a, due in ((0.0, False), (0.04, False), (-0.04, False), (0.06, True), (-0.06, True), (-9.0, True)):
        assert is_due(ordered((0, 16.0, 0.1)), 16.0 + more_a, 1.0) is due
    assert is_due(ordered((0, 0.0, 0.1)), SAME_A, 1.0)


def test_a_lease_is_renewed_after_a_third_of_it() -> None:
    exposure = ordered((10, 16.0, 10.1))
    assert not is_due(exposure, 16.0, 29.9) and is_due(exposure, 16.0, 30.0)


@pytest.mark.parametrize(
    ("count", "patience_s"), [(1, 3.0), (2, 6.0), (3, 12.0), (4, 24.0), (5, 24.0), (6, 24.0), (7, 30.0), (9, 30.0)]
)
def test_an_answer_is_awaited_longer_each_time(count: int, patience_s: float) -> None:
    exposure = ordered(*((float(number), 16.0, None) for number in range(count)))
    since_s = count - 1.0
    assert not is_due(exposure, 16.0, since_s + patience_s - 0.1)
    assert is_due(exposure, 16.0, since_s + patience_s)


def test_orders_that_were_answered_or_are_not_its_own_cost_no_patience() -> None:
    exposure = ordered((0, 16.0, 0.1), (1, 16.0, 1.1), (2, 16.0, None))
    exposure.orders[0].own = False
    assert not is_due(exposure, 16.0, 4.9) and is_due(exposure, 16.0, 5.0)


def test_the_same_again_ends_an_older_and_higher_one_that_only_counts() -> None:
    exposure = ordered((0, 32.0, None), (1, 8.0, 1.1))
    exposure.orders[1].lease_s = 300.0
    assert not is_due(exposure, 8.0, LATE_S - 0.1)
    assert is_due(exposure, 8.0, LATE_S)
    # Not when it was sent after that one could be executed: its answer has ended it.
    exposure.orders[1].sent_s = LATE_S
    assert not is_due(exposure, 8.0, LATE_S + 1)
    # A lower one, or one that was settled before, is ended by the answer that has come.
    assert not is_due(ordered((0, 8.0, None), (1, 8.0, 1.1)), 8.0, 19.0)
    settled = ordered((0, 32.0, 0.5), (1, 8.0, 1.1))
    assert not is_due(settled, 8.0, 19.0)


def test_what_is_within_every_fallback_changes_nothing_when_it_runs_out_and_lives_long() -> None:
    exposure = Exposure(10.0, 32.0, obeys=True)
    for current_a, configured_a, expected_s in (
        (6.0, 6.0, IDLE_LEASE_S),
        (6.1, 6.0, 60.0),
        (10.0, 16.0, IDLE_LEASE_S),
        (10.1, 16.0, 60.0),
    ):
        assert lease_s(current_a, exposure, configured_a, 60.0) == expected_s
