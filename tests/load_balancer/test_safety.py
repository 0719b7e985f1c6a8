"""The safety layer against a model of chargers that do the worst which the rules allow (invariant 2)."""

from dataclasses import dataclass, field, replace
from random import Random
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.load_balancer.contract_limits import Schedule
from agents.load_balancer.orders import Exposure, Margins
from agents.load_balancer.safety import Approved, Safety
from agents.load_balancer.site import Circuit, Site, SiteCharger, build

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
