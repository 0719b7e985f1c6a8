"""Settings that change between two lives of the balancer, and balancers that know nothing of each other (S1).

What is looked at is what chargers are told: a lease that was given counts until it has run out at its charger.
"""

from typing import Any

import pytest

from agents.load_balancer.granting.claim import GRACE_S
from agents.runtime.database.store import Store
from bus_schema.balancing import LONGEST_LEASE_S, ORDER_DEADLINE_S
from tests.load_balancer.harness import Site
from tests.runtime.fakes import ManualClock

LIMIT_A = 40.0
MARGINS_S = 60
"""More than all margins, the grace and the distance of the steps together."""


def table(lease_s: int, **changes: Any) -> dict[str, Any]:
    chargers = {"c1": {"circuit": "main"}, "c2": {"circuit": "main"}}
    return {"circuits": {"main": {"limit_a": LIMIT_A}}, "chargers": chargers, "lease_s": lease_s} | changes


class Lives:
    """Lives of balancers on one database and one bus."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.retained: dict[str, bytes] = {}
        self.store = Store("sqlite://", "agents.load_balancer.migrations", threaded=False)
        self.held_a = 32.0
        """What c1 was last told that it may draw."""
        self.ends_s = 0.0
        """When that runs out."""

    def site(self, settings: dict[str, Any]) -> Site:
        return Site(settings, self.store, self.clock, retained=self.retained)

    async def first(self, settings: dict[str, Any], fallback_a: float = 6.0, session: bool = True) -> None:
        """Let c1 have all that it can take, then nothing more is heard of it."""
        async with self.site(settings) as site:
            site.introduce("c1", fallback_current_a=fallback_a)
            site.introduce("c2")
            site.chargers["c1"].session = "c1-session" if session else None
            await site.run(90)
            order = site.orders("c1")[-1]
            self.held_a, self.ends_s = order.current_a, self.clock.time_s + order.valid_for_s

    async def next(self, settings: dict[str, Any], seconds: int) -> float | None:
        """Let c2 want all that it can get for a while; return when it was given more than c1's lease leaves."""
        async with self.site(settings) as site:
            for name in site.chargers:
                site.introduce(name)
            if "c1" in site.chargers:
                site.chargers["c1"].talks = site.chargers["c1"].answers = False
            site.chargers["c2"].session = "c2-session"
            for _ in range(seconds):
                await site.run(1)
                if any(order.current_a > LIMIT_A - self.held_a for order in site.orders("c2")):
                    return self.clock.time_s
        return None


@pytest.mark.parametrize(("before_s", "after_s"), [(300, 15), (300, 60), (15, 300), (60, 60)])
async def test_a_grant_counts_until_its_own_end_whatever_the_next_lifes_lease(before_s: int, after_s: int) -> None:
    lives = Lives()
    await lives.first(table(before_s))
    assert lives.held_a == 32
    more_s = await lives.next(table(after_s), before_s + MARGINS_S)
    assert more_s is not None, "it blocks the circuit for good"
    assert more_s >= lives.ends_s


async def test_a_process_that_is_started_again_and_again_counts_a_grant_until_its_end_and_no_longer() -> None:
    lives = Lives()
    await lives.first(table(300))
    for _ in range(6):
        more_s = await lives.next(table(15), 100)
        if more_s is not None:
            break
    else:
        raise AssertionError("a grant that nobody renews counts in full again with each start")
    assert more_s >= lives.ends_s


@pytest.mark.parametrize("days", [-1, 1])
async def test_no_clock_is_trusted_between_two_lives(days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """UTC has jumped, and the machine's steady clock has begun again."""
    lives = Lives()
    await lives.first(table(300))
    left_s = lives.ends_s - lives.clock.time_s
    now_ms = 1_760_000_000_000 + days * 86_400_000
    monkeypatch.setattr(ManualClock, "now_ms", lambda self: now_ms + round(self.time_s * 1000))
    lives.clock = ManualClock()
    more_s = await lives.next(table(15), 300 + 2 * MARGINS_S)
    assert more_s is not None and more_s >= left_s


async def test_a_charger_that_is_taken_out_of_the_configuration_counts_until_its_grant_has_ended() -> None:
    lives = Lives()
    await lives.first(table(60))
    more_s = await lives.next(table(60, chargers={"c2": {"circuit": "main"}}), 60 + MARGINS_S)
    assert more_s is not None and more_s >= lives.ends_s


async def test_a_charger_that_is_moved_counts_where_it_hung_until_its_grant_has_ended() -> None:
    lives = Lives()
    await lives.first(table(60))
    circuits = {"main": {"limit_a": LIMIT_A}, "wing": {"limit_a": LIMIT_A}}
    moved = {"c1": {"circuit": "wing"}, "c2": {"circuit": "main"}}
    more_s = await lives.next(table(60, circuits=circuits, chargers=moved), 60 + MARGINS_S)
    assert more_s is not None and more_s >= lives.ends_s


async def test_a_limit_that_is_lowered_is_kept_once_the_old_grants_are_answered() -> None:
    lives = Lives()
    await lives.first(table(60))
    async with lives.site(table(60, circuits={"main": {"limit_a": 20.0}})) as site:
        await site.ready("c1", "c2")
        assert sum(site.orders(name)[-1].current_a for name in ("c1", "c2")) <= 20
        assert all(order.current_a <= 20 - 6 for order in site.orders("c2"))


async def test_a_lower_fallback_does_not_end_what_idle_chargers_were_granted() -> None:
    """They hold leases that outlive the usual ones, because those change nothing as long as the fallback stays."""
    lives = Lives()
    chargers = {"c1": {"circuit": "main", "fallback_a": 16.0}, "c2": {"circuit": "main"}}
    await lives.first(table(15, chargers=chargers), fallback_a=16.0, session=False)
    assert lives.held_a == 16 and lives.ends_s > lives.clock.time_s + LONGEST_LEASE_S - 1
    more_s = await lives.next(table(15), LONGEST_LEASE_S + MARGINS_S)
    assert more_s is not None and more_s >= lives.ends_s


# --- balancers that know nothing of each other


async def test_what_another_balancer_may_have_granted_counts_for_the_longest_lease_of_the_contract() -> None:
    lives = Lives()
    lives.ends_s = GRACE_S + ORDER_DEADLINE_S + LONGEST_LEASE_S
    more_s = await lives.next(table(15), LONGEST_LEASE_S + 2 * MARGINS_S)
    assert more_s is not None and more_s >= lives.ends_s


async def test_a_balancer_whose_database_was_set_aside_counts_everything_for_the_longest_lease() -> None:
    """It is another then: the last claim on the bus is not its own, however complete that says to be."""
    lives = Lives()
    await lives.first(table(300))
    lives.store = Store("sqlite://", "agents.load_balancer.migrations", threaded=False)
    more_s = await lives.next(table(15), LONGEST_LEASE_S + 2 * MARGINS_S)
    assert more_s is not None and more_s >= lives.ends_s


def test_no_setting_gives_a_longer_lease_than_the_contract_allows() -> None:
    Site(table(LONGEST_LEASE_S))
    with pytest.raises(ValueError, match="less than or equal to 300"):
        Site(table(LONGEST_LEASE_S + 1))
