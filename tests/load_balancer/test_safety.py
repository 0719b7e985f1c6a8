"""The safety layer against a model of chargers that do the worst which the rules allow (invariant 2)."""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.load_balancer.circuits.contract_limits import Schedule
from agents.load_balancer.circuits.site import PHASES, Circuit, Kind, Site, SiteCharger, build
from agents.load_balancer.granting.orders import Exposure, Margins, Order
from agents.load_balancer.granting.outstanding import Place, Step
from agents.load_balancer.granting.safety import Approved, Elsewhere, Safety
from bus_schema.balancing import LONGEST_LEASE_S, ORDER_DEADLINE_S

MARGINS = Margins()
DEADLINE_S, LEASE_S = 5.0, 60.0
BEFORE_S = -1_000.0
"""So long ago that every car has followed."""


def a_site(limit_a: float = 40.0, fallback_a: float = 6.0, chargers: int = 2) -> Site:
    return build(
        [Circuit("main", Schedule(limit_a))],
        [SiteCharger(f"c{number}", "main", fallback_a=fallback_a) for number in range(1, chargers + 1)],
    )


def obeying(site: Site) -> Safety:
    safety = Safety(site)
    for name, each in site.chargers.items():
        safety.describe(name, fallback_a=each.fallback_a, rated_a=each.rated_a, obeys=True, now_s=BEFORE_S)
    return safety


def order(safety: Safety, wanted: dict[str, float], now_s: float, limit_a: float | None = None) -> dict[str, Approved]:
    """Approve and order; ids are charger and second."""
    limits = [safety.site.circuits["main"].limit.limit_a if limit_a is None else limit_a] * len(safety.site.rows)
    approved = safety.approve(wanted, limits, now_s)
    for each in approved:
        safety.ordered(each, f"{each.charger}@{now_s:g}", now_s, DEADLINE_S, LEASE_S)
    return {each.charger: each for each in approved}


def test_a_new_charger_counts_as_rated_until_it_is_known_to_obey() -> None:
    safety = Safety(a_site())
    assert safety.worst_a("c1", 0) == 32
    safety.describe("c1", fallback_a=6, rated_a=32, obeys=True, now_s=BEFORE_S)
    assert safety.worst_a("c1", 0) == 6


def test_the_worse_of_configuration_and_charger_counts() -> None:
    safety = Safety(a_site())
    safety.describe("c1", fallback_a=10, rated_a=32, obeys=True, now_s=BEFORE_S)
    assert safety.worst_a("c1", 0) == 10
    safety.describe("c1", fallback_a=0, rated_a=32, obeys=True, now_s=BEFORE_S)
    assert safety.worst_a("c1", 0) == 6
    safety.describe("c1", fallback_a=0, rated_a=63, obeys=False, now_s=BEFORE_S)
    assert safety.worst_a("c1", 0) == 63


def test_b_gets_what_a_gives_only_after_a_has_answered_and_its_car_has_followed() -> None:
    safety = obeying(a_site())
    assert order(safety, {"c1": 32}, 0)["c1"].current_a == 32
    safety.done("c1", "c1@0", 0.1)
    assert order(safety, {"c1": 8, "c2": 32}, 1)["c2"].current_a == 8
    assert order(safety, {"c1": 8, "c2": 32}, 2)["c2"].current_a == 8
    safety.done("c1", "c1@1", 3)
    assert order(safety, {"c2": 32}, 3 + MARGINS.reaction_s - 0.1)["c2"].current_a == 8
    assert order(safety, {"c2": 32}, 3 + MARGINS.reaction_s)["c2"].current_a == 32


def test_a_car_that_is_told_less_and_less_may_begin_to_follow_anew_each_time() -> None:
    safety = obeying(a_site())
    for at_s, current_a in ((0, 32), (10, 16), (14, 8)):
        order(safety, {"c1": current_a}, at_s)
        safety.done("c1", f"c1@{at_s}", at_s)
    assert safety.worst_a("c1", 14 + MARGINS.reaction_s - 0.1) == 32
    assert safety.worst_a("c1", 14 + MARGINS.reaction_s) == 8


def a_decrease_to_8(safety: Safety) -> None:
    """c1 had 32 A and is known to offer 8 A from second 10 on."""
    for at_s, current_a in ((0, 32), (10, 8)):
        order(safety, {"c1": current_a}, at_s)
        safety.done("c1", f"c1@{at_s}", at_s)
    safety.heard("c1", 8.0, None, 10)


def test_a_car_may_begin_to_follow_anew_when_somebody_else_changes_the_offer() -> None:
    safety = obeying(a_site())
    a_decrease_to_8(safety)
    safety.heard("c1", 8.0, 32.0, 12)
    safety.heard("c1", 0.0, None, 14)  # It was paused.
    assert safety.worst_a("c1", 14 + MARGINS.reaction_s - 0.1) == 32
    assert safety.worst_a("c1", 14 + MARGINS.reaction_s) == 8


def test_a_car_that_is_measured_not_to_have_followed_counts_with_what_it_draws() -> None:
    safety = obeying(a_site())
    a_decrease_to_8(safety)
    late_s = 10 + MARGINS.reaction_s
    for after_s in range(8):
        safety.heard("c1", 8.0, 20.0, late_s + after_s)
        assert safety.worst_a("c1", late_s + after_s + 0.9) == 20
    assert order(safety, {"c2": 32}, late_s + 7.5)["c2"].current_a == 20
    safety.heard("c1", 8.0, 8.2, late_s + 8)
    assert safety.worst_a("c1", late_s + 8) == 8


def test_a_slow_car_counts_no_longer_than_until_it_is_one_that_draws_what_it_likes() -> None:
    safety = obeying(a_site())
    a_decrease_to_8(safety)
    over_s = 10 + MARGINS.reaction_s + MARGINS.slow_s
    safety.heard("c1", 8.0, 20.0, over_s)
    assert safety.worst_a("c1", over_s) == 8
    # One that has never been told less only a moment ago is not slow either.
    safety.heard("c2", 6.0, 20.0, 0)
    assert safety.worst_a("c2", 0) == 6


def test_an_order_without_an_answer_counts_until_it_can_no_more_have_an_effect() -> None:
    safety = obeying(a_site())
    order(safety, {"c1": 32}, 0)
    ends_s = DEADLINE_S + MARGINS.clock_s + LEASE_S + MARGINS.expiry_s
    safety.advance(ends_s - 0.1)
    assert safety.worst_a("c1", ends_s - 0.1) == 32
    safety.advance(ends_s)
    assert safety.worst_a("c1", ends_s) == 6


def test_an_unanswered_order_outlives_the_answer_to_a_later_one() -> None:
    safety = obeying(a_site())
    order(safety, {"c1": 32}, 0)  # its answer is lost, or it is still under way
    order(safety, {"c1": 8}, 1)
    safety.done("c1", "c1@1", 1.1)
    assert safety.worst_a("c1", 30) == 32
    late_s = DEADLINE_S + MARGINS.clock_s
    order(safety, {"c1": 8}, late_s)
    safety.done("c1", f"c1@{late_s:g}", late_s + 0.1)
    assert safety.worst_a("c1", late_s + 0.1 + MARGINS.reaction_s) == 8


def test_two_orders_that_were_under_way_together_both_count() -> None:
    """Nobody knows which of them was executed last."""
    safety = obeying(a_site())
    order(safety, {"c1": 32}, 0)
    order(safety, {"c1": 8}, 0.5)
    safety.done("c1", "c1@0", 1)
    safety.done("c1", "c1@0.5", 1)
    assert safety.worst_a("c1", 20) == 32
    order(safety, {"c1": 8}, 2)
    safety.done("c1", "c1@2", 2.1)
    assert safety.worst_a("c1", 20) == 8


def test_what_was_refused_never_counted() -> None:
    safety = obeying(a_site())
    order(safety, {"c1": 32}, 0)
    assert safety.refused("c1", "c1@0")
    assert safety.worst_a("c1", 0) == 6
    assert not safety.refused("c1", "c1@0")


def test_another_balancers_order_counts() -> None:
    safety = obeying(a_site())
    safety.foreign("c1", "other-1", 30, 0, 5, 60)
    assert order(safety, {"c2": 32}, 1)["c2"].current_a == 10


def test_a_charger_that_draws_more_than_granted_counts_with_what_it_draws() -> None:
    safety = obeying(a_site())
    safety.draws("c1", 25.0)
    assert order(safety, {"c2": 32}, 0)["c2"].current_a == 15


def test_less_than_six_amperes_is_nothing_and_never_rounded_up() -> None:
    safety = obeying(a_site(limit_a=11.9, fallback_a=0))
    approved = order(safety, {"c1": 6, "c2": 32}, 0)
    assert approved["c1"].current_a == 6
    assert "c2" not in approved or approved["c2"].current_a == 0


def test_the_planner_is_not_trusted() -> None:
    safety = obeying(a_site())
    approved = order(safety, {"c1": 500, "c2": 500}, 0)
    assert sum(each.current_a for each in approved.values()) <= 40


def test_where_a_limit_has_fallen_nothing_is_renewed_beyond_it() -> None:
    safety = obeying(a_site())
    order(safety, {"c1": 20, "c2": 20}, 0)
    for name in ("c1", "c2"):
        safety.done(name, f"{name}@0", 0.1)
    later = order(safety, {"c1": 20, "c2": 20}, 20, limit_a=26)
    assert sum(each.current_a for each in later.values()) <= 26


# --- what other lives and other balancers have granted

MAIN = Place(("main",), PHASES, 230.0)
SENT_S = ORDER_DEADLINE_S + MARGINS.clock_s
"""For so long an order may be executed after it was sent."""


def counts_until_s(safety: Safety, charger: str, current_a: float, from_s: float) -> float:
    """Return from when on a charger counts with less, to the tenth of a second."""
    for tenths in range(100_000):
        now_s = from_s + tenths / 10
        safety.advance(now_s)
        if safety.worst_a(charger, now_s) < current_a:
            return now_s
    raise AssertionError("it never ends")


def test_what_an_earlier_life_granted_counts_as_it_was_stored_whatever_the_clocks_say() -> None:
    safety = obeying(a_site())
    safety.recall({"c1": [Step(30.0, 35.0, 345.0, MAIN), Step(8.0, 0.0, 400.0, MAIN)]}, 1_000)
    assert order(safety, {"c2": 32}, 1_050)["c2"].current_a == 10
    assert counts_until_s(safety, "c1", 30, 1_000) == 1_345
    assert counts_until_s(safety, "c1", 8, 1_345) == 1_400


def test_what_an_earlier_life_granted_is_replaced_once_it_can_no_more_be_executed() -> None:
    for sent_s, counts_a in ((34.9, 30), (35.0, 8)):
        safety = obeying(a_site())
        safety.recall({"c1": [Step(30.0, 35.0, 345.0, MAIN)]}, 0)
        order(safety, {"c1": 8}, sent_s)
        safety.done("c1", f"c1@{sent_s:g}", sent_s + 0.1)
        assert safety.worst_a("c1", sent_s + 20) == counts_a


def test_what_somebody_else_may_have_granted_counts_for_the_longest_that_the_contract_allows() -> None:
    safety = obeying(a_site())
    safety.forget_all(1_000)
    assert [safety.worst_a(name, 1_000) for name in ("c1", "c2")] == [32, 32]
    assert counts_until_s(safety, "c1", 32, 1_000) == 1_000 + SENT_S + LONGEST_LEASE_S + MARGINS.expiry_s


def test_what_is_outstanding_is_told_with_its_end() -> None:
    safety = obeying(a_site())
    order(safety, {"c1": 20}, 0)
    safety.foreign("c2", "x", 10, 0, 5, 60)
    usual = Step(20, SENT_S, SENT_S + LEASE_S + MARGINS.expiry_s, MAIN)
    assert safety.step("c1", 20, ORDER_DEADLINE_S, LEASE_S) == usual
    # An own order is going to be renewed; nobody renews another's.
    assert safety.outstanding(10) == {"c1": [usual], "c2": [Step(10, 25, 85 + MARGINS.expiry_s, MAIN)]}
    safety.done("c1", "c1@0", 11)
    safety.done("c2", "x", 11)
    assert safety.outstanding(12) == {"c1": [usual], "c2": [Step(10, 0, 59 + MARGINS.expiry_s, MAIN)]}
    order(safety, {"c1": 8}, 40)
    safety.done("c1", "c1@40", 40)
    following = Step(20, 0, 2 * MARGINS.reaction_s - 1, MAIN)
    assert safety.outstanding(41)["c1"] == [replace(usual, current_a=8), following]
    assert safety.outstanding(40 + MARGINS.reaction_s)["c1"] == [replace(usual, current_a=8)]


def two_wings(**c1: Any) -> Site:
    circuits = [
        Circuit("main", Schedule(60.0)),
        *(Circuit(f"w{n}", Schedule(40.0), "main", transformer_kva=30.0, unbalance_a=40.0) for n in (1, 2)),
    ]
    first = SiteCharger("c1", **{"circuit": "w1", "fallback_a": 0.0} | c1)
    return build(circuits, [first, SiteCharger("c2", "w1", fallback_a=0.0), SiteCharger("c3", "w2", fallback_a=0.0)])


def used(safety: Safety, now_s: float) -> dict[str, float]:
    rows = zip(safety.site.rows, safety.used(now_s), strict=True)
    return {row.key: value for row, value in rows if value}


W1 = Place(("w1", "main"), PHASES, 230.0)
EVERYWHERE = {
    "circuit/main/L1": 20.0,
    "circuit/main/L2": 20.0,
    "circuit/main/L3": 20.0,
    "circuit/w1/L1": 20.0,
    "circuit/w1/L2": 20.0,
    "circuit/w1/L3": 20.0,
    "circuit/w1/power": 13_800.0,
}


def test_a_charger_that_was_moved_counts_in_both_places_until_it_has_answered() -> None:
    safety = obeying(two_wings(circuit="w2"))
    safety.recall({"c1": [Step(20.0, 35.0, 100.0, W1)]}, 0)
    new = {key.replace("w1", "w2"): value for key, value in EVERYWHERE.items()}
    assert used(safety, 0) == EVERYWHERE | new
    assert safety.outstanding(10)["c1"] == [
        Step(20.0, 25.0, 90.0, replace(W1, circuits=("w2", "main"))),
        Step(20.0, 25.0, 90.0, W1),
    ]
    limits = [40.0 if row.kind is Kind.PHASE else 1e9 for row in safety.site.rows]
    assert {each.charger: each.current_a for each in safety.approve({"c2": 32, "c3": 32}, limits, 40)} == {
        "c2": 20,
        "c3": 0,
    }
    (again,) = safety.approve({"c1": 6}, limits, 40)
    safety.ordered(again, "lost", 36, 5, 60)
    assert used(safety, 40) == EVERYWHERE | new
    safety.refused("c1", "lost")
    safety.ordered(again, "x", 40, 5, 60)
    safety.done("c1", "x", 41)
    safety.advance(42)
    assert used(safety, 42) == EVERYWHERE | new, "its car may still draw the old current in the old place"
    assert used(safety, 41 + MARGINS.reaction_s) == {key: value * 0.3 for key, value in new.items()}
    safety.advance(60)
    assert used(safety, 60) == {key: value * 0.3 for key, value in new.items()}
    assert safety.outstanding(60) == {
        "c1": [Step(6, 35, 95 + MARGINS.expiry_s, replace(W1, circuits=("w2", "main")))],
        "c2": [],
        "c3": [],
    }


def test_where_it_hung_a_charger_counts_only_with_what_its_car_still_follows() -> None:
    exposure = Exposure(6.0, 32.0, obeys=True)
    before = Elsewhere("c1", Order("", 20.0, 0.0, 0.0, 100.0, own=False), W1, ((0, 1.0),), exposure)
    for current_a, counts in ((10.0, False), (20.0, True), (32.0, True)):
        exposure.releasing = [(50.0, current_a)]
        assert before.counts(49.9, MARGINS) is counts and not before.counts(50.0, MARGINS)


def test_a_charger_that_was_taken_out_counts_where_it_hung_until_its_time_is_over() -> None:
    safety = obeying(two_wings())
    safety.recall({"c9": [Step(20.0, 35.0, 100.0, W1), Step(16.0, 0.0, 50.0, W1)]}, 0)
    assert used(safety, 99.9) == EVERYWHERE
    assert used(safety, 100) == {}
    assert len(safety.outstanding(0)["c9"]) == 2
    safety.advance(99.9)
    assert safety.outstanding(99.9)["c9"] == [Step(20.0, 0.0, pytest.approx(0.1), W1)]
    safety.advance(100)
    assert "c9" not in safety.outstanding(100)
    limits = [40.0 if row.kind is Kind.PHASE else 1e9 for row in safety.site.rows]
    safety.recall({"c9": [Step(30.0, 35.0, 100.0, W1)]}, 200)
    assert [each.current_a for each in safety.approve({"c2": 32}, limits, 200)] == [10]


def test_whoever_was_wired_otherwise_counts_on_the_old_phases_too() -> None:
    safety = obeying(two_wings(phases=("L2",)))
    safety.recall({"c1": [Step(20.0, 35.0, 100.0, replace(W1, phases=("L1",)))]}, 0)
    assert used(safety, 0) == {
        "circuit/main/L1": 20,
        "circuit/main/L2": 20,
        "circuit/w1/L1": 20,
        "circuit/w1/L2": 20,
        "circuit/w1/power": 4_600,
        "circuit/w1/L1/unbalance": 20,
        "circuit/w1/L2/unbalance": 20,
    }


def test_who_hung_on_a_circuit_that_is_no_more_counts_in_those_above_or_in_all() -> None:
    for circuits in (("attic", "main"), ("attic",), ()):
        safety = obeying(two_wings())
        safety.recall({"c9": [Step(20.0, 35.0, 100.0, replace(W1, circuits=circuits))]}, 0)
        assert used(safety, 0) == {f"circuit/main/{phase}": 20 for phase in PHASES}


def test_who_is_still_there_counts_where_it_hangs_should_nobody_know_where_it_hung() -> None:
    circuits = [Circuit("main", Schedule(40.0)), Circuit("annex", Schedule(40.0))]
    safety = obeying(build(circuits, [SiteCharger("c1", "annex", fallback_a=0.0)]))
    safety.recall({"c1": [Step(20.0, 35.0, 100.0, replace(W1, circuits=()))]}, 0)
    assert used(safety, 0) == {f"circuit/annex/{phase}": 20 for phase in PHASES}


def test_whoever_had_more_phases_counts_with_them_on_the_transformer() -> None:
    safety = obeying(two_wings(phases=("L2",)))
    safety.recall({"c1": [Step(20.0, 35.0, 100.0, W1)]}, 0)
    assert used(safety, 0) == EVERYWHERE | {"circuit/w1/L2/unbalance": 20}


def test_a_lower_fallback_counts_only_once_the_car_has_followed() -> None:
    safety = obeying(a_site())
    safety.describe("c1", fallback_a=16, rated_a=32, obeys=True, now_s=100)
    assert safety.worst_a("c1", 100) == 16
    safety.describe("c1", fallback_a=6, rated_a=32, obeys=True, now_s=110)
    assert safety.worst_a("c1", 110 + MARGINS.reaction_s - 0.1) == 16
    assert safety.worst_a("c1", 110 + MARGINS.reaction_s) == 6


def test_a_row_is_crowded_when_more_than_its_limit_may_be_drawn() -> None:
    safety = obeying(a_site())
    order(safety, {"c1": 20}, 0)
    for limit_a, crowded in ((26.0, False), (25.9, True)):
        assert safety.is_crowded("c2", [limit_a, 99.0, 99.0], 1) is crowded
        assert safety.is_crowded("c2", [99.0, 99.0, limit_a], 1) is crowded


def test_a_row_that_is_full_to_the_last_is_not_crowded_by_rounding() -> None:
    safety = obeying(a_site(22.2, 0.0, 3))
    wanted = {"c1": 6.0, "c2": 7.4, "c3": 8.8}
    assert 6.0 + 7.4 + 8.8 > 22.2
    for at_s in (0, 20):
        approved = order(safety, wanted, at_s)
        assert {name: each.current_a for name, each in approved.items()} == wanted
        assert {each.clipped_by for each in approved.values()} == {None}


# --- against the worst charger that keeps the rules


@dataclass
class WorstCharger:
    """Executes what reaches it at the worst moment that the margins allow, and tells as little as it may."""

    fallback_a: float
    lease_a: float | None = None
    lease_ends_s: float = 0.0
    car_a: float = 0.0
    """What its car may still draw: it follows a lower offer only after the reaction time."""
    follows_s: float = 0.0
    paused: bool = False
    under_way: list[tuple[str, float, float]] = field(default_factory=list)
    """(id, amperes, executable until)."""

    def limit_a(self, now_s: float) -> float:
        if self.paused:
            return 0.0
        if self.lease_a is None:
            return self.fallback_a
        # A hung app, a slow clock: the lease goes on for a while.
        if now_s < self.lease_ends_s + 4.0:
            return self.lease_a
        return min(self.lease_a, self.fallback_a)

    def may_draw_a(self, now_s: float) -> float:
        offered_a = self.limit_a(now_s)
        if offered_a >= self.car_a:
            self.car_a, self.follows_s = offered_a, now_s
        elif now_s - self.follows_s >= 5.0:
            self.car_a = offered_a
        return max(offered_a, self.car_a)

    def execute(self, number: int, now_s: float) -> str | None:
        """Execute one of the orders under way, in any order; return its id."""
        self.under_way = [each for each in self.under_way if each[2] >= now_s]
        if not self.under_way:
            return None
        order_id, current_a, _ = self.under_way.pop(number % len(self.under_way))
        self.may_draw_a(now_s)
        if current_a != self.lease_a:
            self.follows_s = now_s  # The car begins to follow anew.
        self.lease_a, self.lease_ends_s = current_a, now_s + LEASE_S
        return order_id

    def reboot(self, now_s: float) -> None:
        # Its contactor opens.
        self.lease_a, self.paused, self.car_a, self.follows_s = None, False, 0.0, now_s

    def pause_or_resume(self, now_s: float) -> float:
        """Somebody else lowers or raises what it offers: its car begins to follow anew; return what it says then."""
        self.may_draw_a(now_s)
        self.paused, self.follows_s = not self.paused, now_s
        return self.limit_a(now_s)


KINDS = ("pause", "want", "want", "execute", "execute", "execute", "lose", "reboot", "wait", "late answer")
CURRENTS_A = (0.0, 6.0, 8.0, 16.0, 24.0, 32.0)
WAITS_S = (0.1, 1.0, 4.0, 20.0, 45.0)
Action = tuple[str, int, float, float]

actions = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 2), st.sampled_from(CURRENTS_A), st.sampled_from(WAITS_S)),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(actions, st.sampled_from([0.0, 6.0]))
def test_no_order_of_events_exceeds_the_limit(steps: list[Action], fallback_a: float) -> None:
    live(steps, fallback_a, Margins())


@pytest.mark.parametrize("margin", ["clock_s", "expiry_s", "reaction_s"])
def test_without_one_of_its_margins_it_would(margin: str) -> None:
    assert is_exceeded(Random(margin), replace(Margins(), **{margin: 0.0})), f"{margin} is of no use"


def test_without_hearing_what_others_change_it_would() -> None:
    with patch.object(Exposure, "offers", lambda *_: None):
        assert is_exceeded(Random(1), Margins()), "a car that begins to follow anew takes nothing"


def is_exceeded(random: Random, margins: Margins) -> bool:
    """Look for an order of events that exceeds the limit."""
    for _ in range(6_000):
        steps = [
            (random.choice(KINDS), random.randrange(3), random.choice(CURRENTS_A), random.choice(WAITS_S))
            for _ in range(60)
        ]
        try:
            live(steps, 6.0, margins)
        except AssertionError:
            return True
    return False


def live(steps: list[Action], fallback_a: float, margins: Margins) -> None:
    """Let three of the worst chargers live through all of it, and look at the limit after every step."""
    site = a_site(40.0, fallback_a, 3)
    safety = obeying(site)
    safety.margins = margins
    chargers = {name: WorstCharger(fallback_a) for name in site.chargers}
    wanted = dict.fromkeys(site.chargers, fallback_a)
    answers: list[tuple[str, str]] = []
    now_s, count = 0.0, 0
    for action, number, current_a, wait_s in steps:
        name = f"c{number + 1}"
        charger = chargers[name]
        if action == "want":
            wanted[name] = current_a
        elif action == "execute":
            order_id = charger.execute(int(current_a), now_s)
            if order_id is not None and wait_s >= 20:
                answers.append((name, order_id))
            elif order_id is not None:
                safety.done(name, order_id, now_s)
        elif action == "lose" and charger.under_way:
            charger.under_way.pop(0)
        elif action == "reboot":
            charger.reboot(now_s)
        elif action == "pause":
            safety.heard(name, charger.pause_or_resume(now_s), None, now_s)
        elif action == "late answer" and answers:
            safety.done(*answers.pop(0), now_s)
        elif action == "wait":
            now_s += wait_s
        safety.advance(now_s)
        for each in safety.approve(wanted, [40.0] * len(site.rows), now_s):
            newest = safety.exposures[each.charger].newest()
            if newest is not None and newest.current_a == each.current_a and now_s - newest.sent_s < 20:
                continue
            count += 1
            order_id = f"{each.charger}-{count}"
            safety.ordered(each, order_id, now_s, DEADLINE_S, LEASE_S)
            # A wrong clock lets it be executed long after its deadline.
            chargers[each.charger].under_way.append((order_id, each.current_a, now_s + DEADLINE_S + 29))
        total_a = sum(each.may_draw_a(now_s) for each in chargers.values())
        assert total_a <= 40.0 + 1e-6, (now_s, {n: (c.lease_a, c.car_a) for n, c in chargers.items()})


@pytest.mark.parametrize("limit_a", [12.0, 13.0, 30.0])
def test_a_charger_that_says_nothing_is_left_out_and_counts_at_its_worst(limit_a: float) -> None:
    safety = obeying(a_site(limit_a))
    assert order(safety, {"c2": 32}, 0)["c2"].current_a == limit_a - 6
