"""Clauses without which a fuse blows, or chargers are pestered, each taken out: a quick test must notice (S3)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from agents.load_balancer.deciding import decider
from agents.load_balancer.granting import due, safety
from agents.load_balancer.granting.outstanding import Step
from agents.load_balancer.granting.safety import Safety
from tests.load_balancer import test_agent, test_due, test_lives, test_safety, test_solar

RECALL, FOREIGN = Safety.recall, Safety.foreign


def recalled_for_a_second(self: Safety, outstanding: Mapping[str, Sequence[Step]], now_s: float) -> None:
    over_s = 1.0 + self.margins.expiry_s
    cut = {
        name: [replace(each, life_s=each.executable_s + over_s) for each in found]
        for name, found in outstanding.items()
    }
    RECALL(self, cut, now_s)


def due_at_once(
    self: Safety, charger: str, order_id: str, current_a: float, now_s: float, executable_s: float, lease_s: float
) -> None:
    FOREIGN(self, charger, order_id, current_a, now_s, 0.0, lease_s)


Mutation = Callable[[], AbstractContextManager[Any]]
Noticed = Callable[[], Awaitable[None] | None]

MUTATIONS: dict[str, tuple[Mutation, tuple[Noticed, ...]]] = {
    "what others may have granted lives for a second": (
        lambda: patch.object(safety, "LONGEST_LEASE_S", 1),
        (
            test_safety.test_what_somebody_else_may_have_granted_counts_for_the_longest_that_the_contract_allows,
            test_lives.test_what_another_balancer_may_have_granted_counts_for_the_longest_lease_of_the_contract,
        ),
    ),
    "what an earlier life granted lives for a second": (
        lambda: patch.object(Safety, "recall", recalled_for_a_second),
        (
            test_safety.test_what_an_earlier_life_granted_counts_as_it_was_stored_whatever_the_clocks_say,
            lambda: test_lives.test_a_grant_counts_until_its_own_end_whatever_the_next_lifes_lease(60, 60),
        ),
    ),
    "another balancer's order can only be executed at once": (
        lambda: patch.object(Safety, "foreign", due_at_once),
        (
            lambda: test_agent.test_another_balancers_order_counts_until_its_deadline_and_its_lease_are_over(0.0, 50.0),
            test_safety.test_what_somebody_else_may_have_granted_counts_for_the_longest_that_the_contract_allows,
        ),
    ),
    "the sun shines at 110 V": (
        lambda: patch.object(decider, "phase_power_w", lambda meter, current_a: 110.0 * current_a),
        (lambda: test_solar.test_surplus_is_what_flows_back_at_the_voltage_of_the_site(230.0),),
    ),
    "the higher of two fallbacks is within every fallback": (
        lambda: patch.object(due, "min", max, create=True),
        (test_due.test_what_is_within_every_fallback_changes_nothing_when_it_runs_out_and_lives_long,),
    ),
    "no answer is awaited": (
        lambda: patch.object(due, "_patience_s", lambda exposure: 0.0),
        (lambda: test_due.test_an_answer_is_awaited_longer_each_time(1, 3.0),),
    ),
    "a charger that does not wait for the balancer counts as if it did": (
        lambda: patch.object(safety.Exposure, "reserved_a", lambda self: self.fallback_a),
        (
            test_safety.test_a_new_charger_counts_as_rated_until_it_is_known_to_obey,
            test_safety.test_the_worse_of_configuration_and_charger_counts,
        ),
    ),
    "a fallback that is lowered counts no more at once": (
        lambda: patch.object(safety.Exposure, "reserves", lowered_at_once),
        (test_safety.test_a_lower_fallback_counts_only_once_the_car_has_followed,),
    ),
    "who was moved counts in the new place only": (
        lambda: patch.object(Safety, "used_elsewhere", lambda self, now_s: [0.0] * len(self.site.rows)),
        (
            test_safety.test_a_charger_that_was_moved_counts_in_both_places_until_it_has_answered,
            test_lives.test_a_charger_that_is_moved_counts_where_it_hung_until_its_grant_has_ended,
            test_lives.test_a_charger_that_is_taken_out_of_the_configuration_counts_until_its_grant_has_ended,
        ),
    ),
}
"""Clause → how to take it out, and the tests that notice."""


def lowered_at_once(self: Any, fallback_a: float, rated_a: float, obeys: bool, *_: Any) -> None:
    self.fallback_a, self.rated_a, self.obeys = fallback_a, rated_a, obeys


def fails(noticed: Noticed) -> bool:
    """Tell whether a test fails."""
    try:
        ended = noticed()
        if ended is not None:
            asyncio.run(ended)  # type: ignore[arg-type]
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("clause", MUTATIONS)
def test_each_is_noticed_by_a_quick_test(clause: str) -> None:
    mutation, tests = MUTATIONS[clause]
    with mutation():
        missed = [test for test in tests if not fails(test)]
    assert not missed, f"{clause}: not noticed by {missed}"
