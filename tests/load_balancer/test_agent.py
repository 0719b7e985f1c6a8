"""The balancer as an agent: orders, reasons, alarms, its database, and what it does when things go wrong."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from agents.load_balancer.granting.claim import GRACE_S
from agents.load_balancer.granting.due import DEADLINE_S
from agents.load_balancer.models import OutstandingRow
from agents.runtime.database.store import Store, StoreUnavailable
from bus_schema import Message
from bus_schema.balancing import Wish
from bus_schema.command import Configure, SetLimit, Stop
from bus_schema.site_messages import AgentClaim, SessionsQuery, WhyQuery
from bus_schema.topics import (
    AGENT_CLAIM,
    AGENT_QUERY,
    AGENT_REJECTED,
    AGENT_STORY,
    CHARGER_COMMAND,
    CHARGER_DECISION,
    CHARGER_WISH,
    CIRCUIT_LOAD,
)
from bus_schema.words import ReplyStage
from tests.load_balancer.harness import TABLE, Site
from tests.runtime.fakes import ManualClock, settle


async def test_two_cars_share_a_circuit_and_are_told_why() -> None:
    async with Site() as site:
        await site.ready("c1", "c2")
        granted = [site.chargers[name].lease_a or 0 for name in ("c1", "c2")]
        assert sum(granted) == 40
        assert min(granted) >= 19
        decision = site.decision("c1")
        assert decision.constraint.startswith("circuit/main/L")
        assert "phase L" in decision.explanation and "of circuit main" in decision.explanation
        assert decision.explanation.startswith(f"{granted[0]:g} A")
        assert site.orders("c1")[-1].reason == decision.explanation


async def test_nothing_is_ordered_before_the_claim_is_won() -> None:
    async with Site() as site:
        for name in site.chargers:
            site.introduce(name)
            site.chargers[name].session = f"{name}-s"
        await site.run(GRACE_S - 1)
        assert not site.orders("c1") and not site.orders("c2")


async def test_a_car_that_draws_less_gives_the_rest_away() -> None:
    async with Site() as site:
        site.chargers["c1"].draws_a = 8.0
        await site.ready("c1", "c2")
        await site.run(60)
        assert (site.chargers["c1"].lease_a or 0) <= 12
        assert (site.chargers["c2"].lease_a or 0) >= 28


async def test_leases_are_renewed_in_time() -> None:
    async with Site() as site:
        await site.ready("c1")
        times = [each.ts / 1000 for each in site.orders("c1") if each.current_a == 32]
        await site.run(200)
        times = [each.ts / 1000 for each in site.orders("c1") if each.current_a == 32]
        assert len(times) > 8
        gaps = [after - before for before, after in pairwise(times)]
        assert max(gaps) <= site.settings.lease_s / 3 + 2


async def test_what_may_be_drawn_is_on_disk_before_it_is_on_the_bus() -> None:
    async with Site() as site:
        seen = []

        def look(topic: str, message: Message) -> None:
            if isinstance(message, SetLimit):
                charger = topic.split("/")[4]
                with site.store.engine.connect() as db:
                    rows = db.execute(sa.select(OutstandingRow).where(OutstandingRow.charger == charger)).all()
                seen.append((message, rows))

        site.before = look
        await site.ready("c1", "c2")
        assert any(order.current_a > 6 for order, _ in seen)
        least_s = DEADLINE_S + site.agent.safety.margins.clock_s + site.agent.safety.margins.expiry_s
        for order, rows in seen:
            assert order.current_a == 0 or any(
                row.current_a >= order.current_a and row.life_s >= least_s + order.valid_for_s for row in rows
            )


async def test_the_next_process_knows_what_the_last_one_granted() -> None:
    clock, retained = ManualClock(), dict[str, bytes]()
    store = Store("sqlite://", "agents.load_balancer.migrations", threaded=False)
    async with Site(store=store, clock=clock, retained=retained) as first:
        await first.ready("c1", "c2")
        worst_a = {name: first.agent.safety.worst_a(name, clock.monotonic_s()) for name in ("c1", "c2")}
    async with Site(store=store, clock=clock, retained=retained) as second:
        # Nobody answers: what was granted before is all that there is.
        for name in second.chargers:
            second.chargers[name].answers = False
            second.introduce(name)
        second.chargers["c1"].session = "c1-session"
        await second.run(20)
        now_s = clock.monotonic_s()
        assert {name: second.agent.safety.worst_a(name, now_s) for name in worst_a} == worst_a
        assert sum(worst_a.values()) <= 40


@pytest.mark.parametrize("writes", [True, False])
async def test_the_next_process_knows_what_others_may_have_granted_before_the_last_one(writes: bool) -> None:
    """Whether or not the last one lived long enough to write that down."""
    clock, retained = ManualClock(), dict[str, bytes]()
    store = Store("sqlite://", "agents.load_balancer.migrations", threaded=False)
    working = store.run

    async def busy(_work: object) -> None:
        raise StoreUnavailable("locked")

    async with Site(store=store, clock=clock, retained=retained) as first:
        for name in first.chargers:
            first.introduce(name)
        store.run = working if writes else busy  # type: ignore[assignment, method-assign]
        while not first.agent.acting:
            await first.run(1)
        await first.run(4)
        assert first.messages(AGENT_CLAIM, agent="load_balancer")[-1].complete is writes
        store.run = working  # type: ignore[method-assign]
    async with Site(store=store, clock=clock, retained=retained) as second:
        for name in second.chargers:
            second.chargers[name].answers = False
            second.introduce(name)
        await second.run(GRACE_S + 3)
        assert second.agent.acting
        assert [second.agent.safety.worst_a(name, clock.monotonic_s()) for name in second.chargers] == [32.0, 32.0]


async def test_a_busy_database_holds_up_no_decrease() -> None:
    async with Site() as site:
        await site.ready("c1", "c2")

        async def busy(_work: object) -> None:
            raise StoreUnavailable("locked")

        site.store.run = busy  # type: ignore[assignment, method-assign]
        site.chargers["c1"].session = None
        await site.run(10)
        assert site.chargers["c1"].lease_a == 6
        assert site.chargers["c2"].lease_a == 20


async def test_a_silent_charger_counts_with_what_it_may_draw() -> None:
    async with Site() as site:
        await site.ready("c1", "c2")
        site.chargers["c1"].talks = site.chargers["c1"].answers = False
        await site.run(40)
        assert site.decision("c1").constraint == "silent"
        assert "c1 is silent; it counts with 20 A" in site.decision("c1").explanation
        assert site.chargers["c2"].lease_a == 20
        await site.run(150)
        assert site.chargers["c2"].lease_a == 32
        assert "counts with 6 A" in site.decision("c1").explanation


async def test_a_charger_that_does_not_wait_for_the_balancer_counts_as_rated() -> None:
    async with Site() as site:
        site.introduce("c1", required_sources=[])
        site.introduce("c2")
        site.chargers["c2"].session = "s"
        await site.run(90)
        assert site.chargers["c2"].lease_a == 8
        alarm = site.alarms()["balancer-obeys-c1"]
        assert "counts with 32 A at all times" in alarm.text
        assert alarm.remedy == "chargebus configure c1 required_sources=load_balancer"
        site.introduce("c1")
        await site.run(10)
        assert "balancer-obeys-c1" not in site.alarms()
        assert site.chargers["c2"].lease_a == 32


async def test_a_fallback_or_wiring_that_differs_raises_an_alarm_and_the_worse_counts() -> None:
    table = {
        "circuits": TABLE["circuits"],
        "chargers": {name: {"circuit": "main", "phases": 1} for name in ("c1", "c2")},
    }
    async with Site(table) as site:
        site.introduce("c1", fallback_current_a=16.0, phases=1, phase_rotation=["L2"])
        site.introduce("c2", phases=1, phase_rotation=["L1"])
        await site.run(130)
        assert "falls back to 16 A, the configuration says 6 A" in site.alarms()["balancer-fallback-c1"].text
        assert "wired to L2; the configuration says L1" in site.alarms()["balancer-phases-c1"].text
        used = dict(zip([row.key for row in site.agent.decider.site.rows], site.agent.safety.used(200.0), strict=True))
        assert used["circuit/main/L2"] == 16 and used["circuit/main/L1"] == 22


async def test_chargers_are_configured_only_where_the_site_allows_it() -> None:
    for allowed in (False, True):
        async with Site({**TABLE, "configure_chargers": allowed}) as site:
            site.introduce("c1", required_sources=["ocpp_bridge"], fallback_current_a=10.0)
            site.introduce("c2")
            await site.run(30)
            told = [each for each in site.messages(CHARGER_COMMAND, charger="c1") if isinstance(each, Configure)]
            assert len(told) == allowed
            if allowed:
                wanted = {"required_sources": ["ocpp_bridge", "load_balancer"], "fallback_current_a": 6.0}
                assert told[0].settings == wanted
            assert not [each for each in site.messages(CHARGER_COMMAND, charger="c2") if isinstance(each, Configure)]


async def test_a_car_that_draws_too_much_costs_the_others_and_is_stopped() -> None:
    async with Site() as site:
        await site.ready("c1", "c2")
        site.chargers["c1"].draws_a = 30.0
        await site.run(20)
        assert "draws 30.0 A, but was granted" in site.alarms()["balancer-overdraw-c1"].text
        assert (site.chargers["c2"].lease_a or 0) <= 10
        assert not [each for each in site.messages(CHARGER_COMMAND, charger="c1") if isinstance(each, Stop)]
        await site.run(60)
        stops = [each for each in site.messages(CHARGER_COMMAND, charger="c1") if isinstance(each, Stop)]
        assert stops and "draws 30.0 A" in stops[0].reason
        site.chargers["c1"].draws_a, site.chargers["c1"].session = None, None
        await site.run(120)
        assert site.alarms() == {}
        assert site.chargers["c2"].lease_a == 32


async def test_another_balancers_orders_are_seen_and_counted() -> None:
    async with Site() as site:
        await site.ready("c1")
        now = site.clock.now_ms()
        foreign = SetLimit(
            ts=now, id="other-1", source="load_balancer", deadline_ts=now + 5000, current_a=28.0, valid_for_s=60
        )
        site.say(CHARGER_COMMAND, foreign, charger="c2", sender="load_balancer")
        await settle()
        assert site.agent.safety.worst_a("c2", site.clock.monotonic_s()) == 28
        await site.run(3)
        assert "somebody else gives orders" in site.alarms()["balancer-two"].text


async def test_an_order_in_this_name_from_somebody_else_counts_nothing_and_is_reported() -> None:
    """Fault X6: chargers refuse it, hence nothing more may be drawn; without a report nobody would know."""
    async with Site() as site:
        await site.ready("c1")
        now = site.clock.now_ms()
        forged = SetLimit(
            ts=now, id="other-1", source="load_balancer", deadline_ts=now + 5000, current_a=28.0, valid_for_s=60
        )
        before_a = site.agent.safety.worst_a("c2", site.clock.monotonic_s())
        site.say(CHARGER_COMMAND, forged, charger="c2", sender="console")
        await site.run(3)
        assert site.agent.safety.worst_a("c2", site.clock.monotonic_s()) == before_a
        assert "balancer-two" not in site.alarms()
        (report,) = site.messages(AGENT_REJECTED, agent="load_balancer")
        assert (report.code, report.topic.rpartition("/")[2]) == ("not_allowed", "console")
        assert report.reason.startswith("console may not command as load_balancer")


@pytest.mark.parametrize(
    ("ahead_s", "deadline_s"), [(0.0, 5.0), (0.0, 50.0), (3600.0, 5.0), (-3600.0, 5.0), (0.0, 900.0)]
)
async def test_another_balancers_order_counts_until_its_deadline_and_its_lease_are_over(
    ahead_s: float, deadline_s: float
) -> None:
    """By its sender's clock or the charger's, whichever is later: the charger decides, by a clock of its own."""
    async with Site() as site:
        await site.ready("c1")
        at_s, now = site.clock.time_s, site.clock.now_ms() + round(ahead_s * 1000)
        foreign = SetLimit(
            ts=now,
            id="other-1",
            source="load_balancer",
            deadline_ts=now + round(deadline_s * 1000),
            current_a=28.0,
            valid_for_s=120,
        )
        site.say(CHARGER_COMMAND, foreign, charger="c2", sender="load_balancer")
        await settle()
        margins = site.agent.safety.margins
        found = next(order for order in site.agent.safety.exposures["c2"].orders if order.id == "other-1")
        executable_s = deadline_s + max(0.0, ahead_s)
        assert found.executable_until_s == pytest.approx(at_s + executable_s + margins.clock_s)
        assert found.ends_s(margins) == pytest.approx(found.executable_until_s + 120 + margins.expiry_s)
        # The next life must count it as this one does.
        await site.run(2)
        assert site.agent.records.covers(site.agent.safety.outstanding(site.clock.time_s))
        assert max(step.life_s for step in site.agent.records.stored["c2"]) >= executable_s + 150


async def test_a_lease_that_outlives_all_that_it_knows_of_counts() -> None:
    """Somebody else has renewed it for longer under this name."""
    async with Site() as site:
        await site.ready("c1")
        site.chargers["c1"].remaining_s = 290
        await site.run(8)
        assert site.agent.heard.foreign_s > 0
        assert site.agent.safety.exposures["c1"].knows(32.0, site.clock.time_s + 289, site.agent.safety.margins)


async def test_a_second_balancer_stands_by_and_says_so() -> None:
    async with Site() as site:
        for name in site.chargers:
            site.introduce(name)
            site.chargers[name].session = f"{name}-s"

        def claim() -> None:
            other = AgentClaim(ts=None, instance="feedfeedfeed", epoch=3, seq=round(site.clock.time_s) + 1)
            site.say(AGENT_CLAIM, other, agent="load_balancer")

        await site.run(60, claim)
        assert not site.orders("c1")
        assert "stands by" in site.host.problems()[0]
        assert "balancer-two" in site.alarms()
        while not site.agent.acting:
            assert site.clock.time_s < 120
            await site.run(1)
        # The other one may have granted anything: everybody counts as rated until they have answered to this one.
        counted = [site.agent.safety.exposures[name].orders[0] for name in site.chargers]
        assert [(each.current_a, each.own) for each in counted] == [(32.0, False), (32.0, False)]
        await site.run(120)
        assert site.orders("c1")
        assert "balancer-two" not in site.alarms()


async def test_too_much_on_the_meter_is_cut_without_waiting_for_the_next_tick() -> None:
    table = {"circuits": {"main": {"limit_a": 60.0, "meter": "main"}}, "chargers": TABLE["chargers"]}
    async with Site(table) as site:
        for name in site.chargers:
            site.introduce(name)
            site.chargers[name].session = f"{name}-s"
        await site.run(120, lambda: site.house("main", 10))
        before = sum(stub.lease_a or 0 for stub in site.chargers.values())
        assert 46 <= before <= 50
        asked = site.clock.time_s
        site.house("main", 40)
        await settle()
        assert site.clock.time_s == asked
        after = sum(stub.lease_a or 0 for stub in site.chargers.values())
        assert after <= 20.5
        loads = site.messages(CIRCUIT_LOAD, circuit="main")
        assert loads[-1].explanation.startswith("fuse 60 A, other loads 10.")


async def test_a_cut_does_not_wait_for_what_the_database_writes() -> None:
    table = {"circuits": {"main": {"limit_a": 60.0, "meter": "main"}}, "chargers": TABLE["chargers"]}
    async with Site(table) as site:
        for name in site.chargers:
            site.introduce(name)
        site.chargers["c1"].session = "c1-s"
        await site.run(120, lambda: site.house("main", 5))
        assert site.chargers["c1"].lease_a == 32
        free = asyncio.Event()
        run = site.store.run

        async def slowly(work: Callable[[Any], Any]) -> Any:
            await free.wait()
            return await run(work)

        site.store.run = slowly  # type: ignore[method-assign]
        site.chargers["c2"].session = "c2-s"
        await site.run(1, lambda: site.house("main", 5))  # What c2 is to get must be written first.
        assert site.chargers["c2"].lease_a == 6
        site.house("main", 40)
        await settle()
        assert site.chargers["c1"].lease_a is not None and site.chargers["c1"].lease_a <= 20
        free.set()
        await settle()


async def test_what_the_circuits_carry_is_told_as_soon_as_nobody_else_is_at_work() -> None:
    async with Site() as site:
        for name in site.chargers:
            site.introduce(name)
        await site.run(3)
        assert not site.orders("c1")
        assert site.messages(CIRCUIT_LOAD, circuit="main")[-1].limit_l1_a == 40


async def test_a_lost_meter_leaves_a_stated_share() -> None:
    circuit = {"limit_a": 60.0, "meter": "main", "blind_limit_a": 20.0}
    async with Site({"circuits": {"main": circuit}, "chargers": TABLE["chargers"]}) as site:
        await site.ready("c1", "c2")
        assert sum(stub.lease_a or 0 for stub in site.chargers.values()) == 20
        alarm = site.alarms()["balancer-meter-main"]
        assert alarm.text.startswith("Grid meter main has not said anything yet. Until it is back")
        assert "share 20 A per phase" in alarm.text
        assert "20 A because grid meter main" in site.decision("c1").explanation


@pytest.mark.parametrize(
    "old",
    [{"retained": True}, {"age_s": 3600.0}, {"age_s": 10.5}, {"retained": True, "age_s": 3600.0}, {"age_s": -90.0}],
)
async def test_a_reading_of_what_was_frees_no_current(old: dict[str, Any]) -> None:
    """C2: 25 A, a house that draws 17 A, and a meter that is silent: an old reading of 6.2 A let c1 have 24 A."""
    table = {"circuits": {"main": {"limit_a": 25.0, "meter": "main"}}, "chargers": {"c1": {"circuit": "main"}}}
    async with Site(table) as site:
        await site.ready("c1")
        assert site.chargers["c1"].lease_a == 6
        await site.run(20, lambda: site.meter("main", 6.2 + site.clock.time_s % 7 / 50, **old))
        assert site.chargers["c1"].lease_a == 6
        why = site.alarms()["balancer-meter-main"].text
        assert ("not said anything" if old.get("retained") else "is its clock right?") in why


async def test_why_tells_the_story_page_by_page() -> None:
    async with Site() as site:
        await site.ready("c1", "c2")
        for number in range(12):
            site.chargers["c2"].session = f"s{number}" if number % 2 else None
            await site.run(20)
        grants, cursor = [], None
        for number in range(50):
            question = WhyQuery(
                ts=None,
                id=f"q{number}",
                source="technician",
                deadline_ts=site.clock.now_ms() + 5000,
                charger="c1",
                cursor=cursor,
            )
            site.say(AGENT_QUERY, question, agent="load_balancer")
            await settle()
            answer = site.messages(AGENT_STORY, agent="load_balancer", asker="technician")[-1]
            assert answer.ok and answer.id == f"q{number}"
            grants += answer.grants
            cursor = answer.cursor
            if cursor is None:
                break
        assert len(grants) > 6
        assert [each.from_ts for each in grants] == sorted(each.from_ts for each in grants)
        assert all(a.to_ts == b.from_ts for a, b in pairwise(grants))
        assert grants[-1].to_ts is None
        assert {each.current_a for each in grants} >= {20.0, 32.0}


async def test_why_about_somebody_else_is_answered_too() -> None:
    async with Site() as site:
        await site.run(1)
        end = site.clock.now_ms() + 5000
        site.say(
            AGENT_QUERY,
            WhyQuery(ts=None, id="q", source="technician", deadline_ts=end, charger="c9"),
            agent="load_balancer",
        )
        site.say(
            AGENT_QUERY, SessionsQuery(ts=None, id="r", source="technician", deadline_ts=end), agent="load_balancer"
        )
        await settle()
        first, second = site.messages(AGENT_STORY, agent="load_balancer", asker="technician")
        assert not first.ok and "c9 is not among those" in first.reason
        assert not second.ok


async def test_refusals_and_wrong_clocks_are_told() -> None:
    async with Site() as site:
        site.chargers["c1"].clock_s = 40.0
        site.chargers["c1"].answers = False
        await site.ready("c1")
        site.reply("c1", site.orders("c1")[-1].id, ReplyStage.REJECTED, "clock_unset")
        await site.run(2)
        assert "refuses the load balancer's grants (clock_unset)" in site.alarms()["balancer-refused-c1"].text
        assert "is 40 s behind" in site.alarms()["balancer-clock-c1"].text


async def test_a_wish_with_a_departure_in_the_past_breaks_nothing() -> None:
    async with Site() as site:
        await site.ready("c1", "c2")
        wish = Wish(
            ts=None,
            session_id="c1-session",
            source="console",
            energy_wh=20_000,
            departure_ts=site.clock.now_ms() - 3_600_000,
            priority=9,
        )
        site.say(CHARGER_WISH, wish, charger="c1")
        await site.run(30)
        assert site.chargers["c1"].lease_a == 32
        assert site.chargers["c2"].lease_a == 8


async def test_a_broker_that_is_away_ends_the_right_to_order() -> None:
    async with Site() as site:
        await site.ready("c1", "c2")
        site.up = False
        await site.run(20)
        count = site.agent.commands.count
        await site.run(20)
        assert site.agent.commands.count == count
        site.up = True
        await site.run(40)
        assert site.agent.commands.count > count


async def test_a_charger_that_was_never_seen_is_told_of_and_counts_as_rated() -> None:
    async with Site() as site:
        site.introduce("c2")
        site.chargers["c2"].session = "s"
        await site.run(130)
        assert site.chargers["c2"].lease_a == 8
        assert "c1 has never said anything" in site.alarms()["balancer-unseen-c1"].text


async def test_a_lease_that_it_does_not_know_counts() -> None:
    """Somebody else has given it under this name while this balancer could not hear of it."""
    async with Site() as site:
        await site.ready("c1")
        assert site.chargers["c1"].lease_a == 32
        site.chargers["c2"].lease_a = 30.0
        await site.run(2)
        assert site.agent.safety.worst_a("c2", site.clock.monotonic_s()) == 30
        assert "balancer-two" in site.alarms()


async def test_who_refuses_is_not_pestered() -> None:
    async with Site() as site:
        await site.ready()
        site.chargers["c1"].answers = False
        site.chargers["c1"].session = "s"
        await site.run(2)
        before = len(site.orders("c1"))
        for _ in range(30):
            site.reply("c1", site.orders("c1")[-1].id, ReplyStage.REJECTED, "clock_unset")
            await site.run(1)
        assert len(site.orders("c1")) - before <= 4


async def test_while_old_grants_run_out_the_reason_stays_the_same() -> None:
    """A first start counts what anybody may have granted: a circuit is too full for a while, and nothing flickers."""
    async with Site() as site:
        for name in ("c1", "c2"):
            site.introduce(name)
            site.chargers[name].session = f"{name}-s"
        await site.run(GRACE_S + 40)
        told = [each.explanation for each in site.messages(CHARGER_DECISION, charger="c1")]
        assert len(told) <= 8, told
