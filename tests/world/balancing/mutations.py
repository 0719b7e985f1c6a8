"""The safety layer with one clause taken out each time. The balanced world must catch every one.

``python -m tests.world.balancing.mutations`` tries all of them and prints in which seed each was caught.
"""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from agents.load_balancer.agent import LoadBalancer
from agents.load_balancer.circuits import site
from agents.load_balancer.circuits.site import PHASES
from agents.load_balancer.deciding import limits
from agents.load_balancer.granting import history, safety
from agents.load_balancer.granting.claim import Claims, Standing
from agents.load_balancer.granting.orders import Exposure, Margins, Order
from agents.load_balancer.granting.safety import Approved, Safety
from agents.load_balancer.hearing import listening
from tests.world.balancing import Scenario, run
from tests.world.balancing.forgetting import (
    ends_are_those_of_the_new_settings,
    who_is_moved_or_taken_out_is_forgotten,
)
from tests.world.faults import KINDS

Mutation = Callable[[], AbstractContextManager[Any]]


def decrease_frees_at_once() -> AbstractContextManager[Any]:
    """An order replaces all earlier ones as soon as it is sent."""
    ordered = Safety.ordered

    def hasty(self: Safety, approved: Approved, *rest: Any) -> None:
        self.exposures[approved.charger].orders.clear()
        ordered(self, approved, *rest)

    return patch.object(Safety, "ordered", hasty)


def unanswered_orders_do_not_count() -> AbstractContextManager[Any]:
    """What nobody has answered was not executed."""
    worst_a = Exposure.worst_a

    def hopeful(self: Exposure, now_s: float) -> float:
        kept = self.orders
        self.orders = [order for order in kept if order.answered_s is not None]
        try:
            return worst_a(self, now_s)
        finally:
            self.orders = kept

    return patch.object(Exposure, "worst_a", hopeful)


def fallback_does_not_count() -> AbstractContextManager[Any]:
    """A charger that has been told to draw nothing draws nothing."""
    return patch.object(Exposure, "reserved_a", lambda self: 0.0)


def any_answer_replaces_everything() -> AbstractContextManager[Any]:
    """The answer to one order ends all others, whenever they were sent and whether or not they were answered."""
    done = Exposure.done

    def simple(self: Exposure, order_id: str, now_s: float, margins: Margins) -> bool:
        found = done(self, order_id, now_s, margins)
        if found:
            self.orders = [order for order in self.orders if order.id == order_id]
        return found

    return patch.object(Exposure, "done", simple)


def cars_follow_at_once() -> AbstractContextManager[Any]:
    """No time for the car to follow a lower offer."""
    return _margins(reaction_s=0.0, slow_s=0.0)


def leases_do_not_count() -> AbstractContextManager[Any]:
    """An order counts until it is answered or too old to be executed, not until its lease has run out."""
    return patch.object(Order, "ends_s", lambda self, margins: self.settled_s + 1.0)


def _margins(**changes: float) -> AbstractContextManager[Any]:
    def safety_with(site: Any) -> Safety:
        return Safety(site, replace(Margins(), **changes))

    return patch.object(listening, "Safety", safety_with)


def crowded_rows_take_more() -> AbstractContextManager[Any]:
    """Where too much is counted already, what is only counted may be offered again."""
    used = Safety.used

    def generous(self: Safety, now_s: float) -> list[float]:
        return [min(value, limit) for value, limit in zip(used(self, now_s), self.last_limits, strict=True)]  # type: ignore[attr-defined]

    approve = Safety.approve

    def remembering(self: Safety, wanted: Any, limits: Any, now_s: float) -> Any:
        self.last_limits = limits  # type: ignore[attr-defined]
        with patch.object(Safety, "used", generous):
            return approve(self, wanted, limits, now_s)

    return patch.object(Safety, "approve", remembering)


def room_is_not_used_up() -> AbstractContextManager[Any]:
    """Two chargers are raised in one step into the same free current."""
    approve = Safety.approve

    def each_for_itself(self: Safety, wanted: Any, limits: Any, now_s: float) -> Any:
        trimmed = self._trimmed(wanted, limits, now_s)
        return [one for name, current_a in trimmed.items() for one in approve(self, {name: current_a}, limits, now_s)]

    return patch.object(Safety, "approve", each_for_itself)


def the_planner_is_trusted() -> AbstractContextManager[Any]:
    """What is wanted is not trimmed to the limits: orders are renewed when a limit falls."""

    def as_is(self: Safety, wanted: Any, limits: Any, now_s: float) -> dict[str, float]:
        return {name: safety._usable(min(a, self.site.chargers[name].rated_a)) for name, a in wanted.items()}

    used = Safety.used
    return _Both(
        patch.object(Safety, "_trimmed", as_is),
        patch.object(Safety, "used", lambda self, now_s: [0.0] * len(used(self, now_s))),
    )


def contracts_come_as_a_surprise() -> AbstractContextManager[Any]:
    """Leases are given without a look at what the contract will allow before they run out."""
    limits_of = limits.limits_of
    from agents.load_balancer.deciding import decider

    def blind(site: Any, meters: Any, utc_ms: int, now_s: float, ahead_s: float) -> Any:
        return limits_of(site, meters, utc_ms, now_s, 0.0)

    return patch.object(decider, "limits_of", blind)


def rotation_is_ignored() -> AbstractContextManager[Any]:
    """Chargers are taken to be spread over the phases, one after the other, whatever they are wired to."""
    return _charger_phases(lambda number, phases: phases if len(phases) == 3 else (PHASES[number % 3],))


def parents_are_ignored() -> AbstractContextManager[Any]:
    """A charger counts in its own circuit only."""
    rows = site._rows

    def own(circuit: Any, members: Any) -> Any:
        return rows(circuit, [each for each in members if each.circuit == circuit.name])

    return _in_the_agent(lambda: patch.object(site, "_rows", own))


def transformers_are_ignored() -> AbstractContextManager[Any]:
    """Only phases are limited."""
    fixed_limit = site.fixed_limit

    def endless(circuit: Any, row: Any, phase_a: float) -> float:
        return 1e9 if row.kind is site.Kind.POWER else fixed_limit(circuit, row, phase_a)

    return patch.object(limits, "fixed_limit", endless)


def unbalance_is_ignored() -> AbstractContextManager[Any]:
    """Single-phase chargers may crowd one phase."""
    fixed_limit = site.fixed_limit

    def endless(circuit: Any, row: Any, phase_a: float) -> float:
        return 1e9 if row.kind is site.Kind.UNBALANCE else fixed_limit(circuit, row, phase_a)

    return patch.object(limits, "fixed_limit", endless)


def granted_before_it_is_written() -> AbstractContextManager[Any]:
    """Grants are not written to the database: the next process does not know them."""
    return patch.object(history, "write", lambda db, epoch, changes: None)


def nothing_is_recalled() -> AbstractContextManager[Any]:
    """A process that starts again takes everything for free."""
    return patch.object(Safety, "recall", lambda self, *rest: None)


def everybody_acts() -> AbstractContextManager[Any]:
    """A second balancer does not stand by."""

    def acts(self: Claims, now_s: float) -> bool:
        if self.standing is Standing.STANDING_BY:
            self.standing = Standing.ACTING
        return self.standing in (Standing.ACTING, Standing.WAITING)

    return patch.object(Claims, "may_act", acts)


def _charger_phases(change: Callable[[int, tuple[str, ...]], tuple[str, ...]]) -> AbstractContextManager[Any]:
    init, describe = LoadBalancer.__init__, LoadBalancer.know

    def changed(self: LoadBalancer, context: Any) -> None:
        init(self, context)
        decider = self.decider
        known = enumerate(decider.site.chargers.values())
        chargers = [replace(each, phases=change(number, each.phases)) for number, each in known]
        decider.site = decider.safety.site = site.build_unchecked(decider.site.circuits.values(), chargers)

    def deaf(self: LoadBalancer, name: str, known: Any) -> None:
        describe(self, name, replace(known, phases=()))

    return _Both(patch.object(LoadBalancer, "__init__", changed), patch.object(LoadBalancer, "know", deaf))


def _in_the_agent(broken: Mutation) -> AbstractContextManager[Any]:
    """Break the site as the agent builds it, but not as the check does."""
    init = LoadBalancer.__init__

    def inside(self: LoadBalancer, context: Any) -> None:
        with broken():
            init(self, context)

    return patch.object(LoadBalancer, "__init__", inside)


class _Both(AbstractContextManager[Any]):
    def __init__(self, *parts: AbstractContextManager[Any]) -> None:
        self._parts = parts

    def __enter__(self) -> None:
        for part in self._parts:
            part.__enter__()

    def __exit__(self, *error: Any) -> None:
        for part in reversed(self._parts):
            part.__exit__(*error)


@dataclass(frozen=True)
class Hunt:
    """Where a mutation is looked for: a seed in which it is known to be caught, and what the scenario needs."""

    seed: int
    faults: frozenset[str] = frozenset(KINDS)
    twin: str = "none"
    table: dict[str, Any] | None = None
    most: int = 60
    minutes: float = 5.0
    changing: bool = False

    def scenario(self, seed: int) -> Scenario:
        return Scenario(
            seed,
            minutes=self.minutes,
            faults=self.faults,
            twin=self.twin,
            planner="random",
            settle=False,
            table=self.table,
            changing=self.changing,
        )


def a_table(limit_a: float, fallback_a: float, **circuit: Any) -> dict[str, Any]:
    """Return a site of four chargers on one circuit."""
    chargers = {f"c{n}": {"circuit": "main", "fallback_a": fallback_a} for n in range(1, 5)}
    return {"circuits": {"main": {"limit_a": limit_a, **circuit}}, "chargers": chargers, "lease_s": 20}


SINGLE_PHASE = a_table(40.0, 0.0)
SINGLE_PHASE["chargers"] = {name: {**each, "phases": 1} for name, each in SINGLE_PHASE["chargers"].items()}
LOPSIDED = {**SINGLE_PHASE, "circuits": {"main": {"limit_a": 90.0, "unbalance_a": 20.0}}}
TWO_WINGS = {
    "circuits": {"main": {"limit_a": 40.0}, **{f"w{n}": {"limit_a": 32.0, "parent": "main"} for n in (1, 2)}},
    "chargers": {f"c{n}": {"circuit": f"w{n}", "fallback_a": 0.0} for n in (1, 2)},
    "lease_s": 20,
}
CONTRACT = [{"hours": "08:02-08:04", "limit_a": 24.5}]
NONE: frozenset[str] = frozenset()
UNREACHABLE = frozenset({"kill", "partition"})

MUTATIONS: dict[Mutation, Hunt] = {
    decrease_frees_at_once: Hunt(6),
    unanswered_orders_do_not_count: Hunt(6),
    fallback_does_not_count: Hunt(3, frozenset({"power"}), table=a_table(30.0, 6.0)),
    any_answer_replaces_everything: Hunt(
        22, frozenset({"delay", "hostile", "duplicate"}), table={**a_table(40.0, 0.0), "plan_s": 1.0}, most=400
    ),
    cars_follow_at_once: Hunt(1, NONE, table=a_table(40.0, 0.0)),
    leases_do_not_count: Hunt(1, frozenset({"partition"}), table=a_table(40.0, 0.0)),
    crowded_rows_take_more: Hunt(3, frozenset({"kill"}), table=a_table(40.0, 0.0)),
    room_is_not_used_up: Hunt(1, NONE, table=a_table(40.0, 0.0)),
    the_planner_is_trusted: Hunt(1),
    contracts_come_as_a_surprise: Hunt(4, NONE, table=a_table(60.0, 6.0, contract=CONTRACT)),
    rotation_is_ignored: Hunt(1, NONE, table=SINGLE_PHASE),
    parents_are_ignored: Hunt(1, NONE, table=TWO_WINGS),
    transformers_are_ignored: Hunt(1, NONE, table=a_table(60.0, 0.0, transformer_kva=20.0)),
    unbalance_is_ignored: Hunt(
        1, NONE, table={**SINGLE_PHASE, "circuits": {"main": {"limit_a": 90.0, "unbalance_a": 20}}}
    ),
    granted_before_it_is_written: Hunt(39, frozenset({"kill"}), table=a_table(40.0, 0.0)),
    nothing_is_recalled: Hunt(40, frozenset({"kill"}), table=a_table(40.0, 0.0)),
    ends_are_those_of_the_new_settings: Hunt(
        215, UNREACHABLE, table={**a_table(40.0, 0.0), "lease_s": 300}, minutes=8.0, changing=True
    ),
    who_is_moved_or_taken_out_is_forgotten: Hunt(
        180, UNREACHABLE, table=a_table(40.0, 0.0), minutes=8.0, changing=True
    ),
    everybody_acts: Hunt(56, frozenset({"delay"}), "foreign", a_table(40.0, 0.0)),
}
"""What is broken, and where to look for it."""


def caught(mutation: Mutation, hunt: Hunt, seed: int) -> str:
    """Return the violation that a mutated world shows, empty if it shows none.

    Raises AssertionError if it shows one without the mutation, too: then it says nothing about it.
    """
    with mutation():
        problem = run(hunt.scenario(seed)).problem
    if problem:
        unbroken = run(hunt.scenario(seed)).problem
        assert not unbroken, f"seed {seed} shows a violation although nothing is broken: {unbroken}"
    return problem


def main(names: list[str]) -> int:
    missed = 0
    for mutation, hunt in MUTATIONS.items():
        if names and mutation.__name__ not in names:
            continue
        began_s = time.process_time()
        for seed in range(hunt.seed, hunt.seed + hunt.most):
            problem = caught(mutation, hunt, seed)
            if problem:
                break
        missed += not problem
        took_s = time.process_time() - began_s
        print(f"{mutation.__name__}: seed {seed}, {took_s:.1f} s: {problem[:150] or 'NOT CAUGHT'}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
