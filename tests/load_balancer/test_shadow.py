"""A balancer in shadow mode orders nothing, whatever it decides."""

import pytest

from agents.load_balancer.shadow import ShadowBalancer
from bus_schema import ContractError, Role, parse_topic
from bus_schema.balancing import Decision
from bus_schema.topics import CHARGER_COMMAND, CHARGER_DECISION, SHADOW_COMPARISON, SHADOW_DECISION, topics_written_by
from tests.load_balancer.harness import TABLE, Site


async def test_it_says_what_it_would_do_and_compares() -> None:
    async with Site({**TABLE, "circuits": {"main": {"limit_a": 50.0}}}, agent_type=ShadowBalancer) as site:

        def live() -> None:
            for name in site.chargers:
                decision = Decision(
                    ts=None, current_a=20.0, valid_until_ts=site.clock.now_ms(), constraint="x", explanation="20 A: x"
                )
                site.say(CHARGER_DECISION, decision, charger=name)
                site.chargers[name].lease_a = 20.0

        for name in site.chargers:
            site.introduce(name)
            site.chargers[name].session = f"{name}-s"
        await site.run(600, live)
        would = site.messages(SHADOW_DECISION, agent="load_balancer_shadow", charger="c1")[-1]
        assert would.live_current_a == 20 and would.drawn_a == 20
        total = site.messages(SHADOW_COMPARISON, agent="load_balancer_shadow")[-1]
        assert total.live_grant_wh == pytest.approx(2 * 20 * 690 / 6, rel=0.05)
        assert total.drawn_wh == pytest.approx(2 * 20 * 690 / 6, rel=0.05)
        assert total.would_grant_wh > 0
        assert "it would have granted" in total.explanation
        topics = {parse_topic(topic).topic.name for topic, _ in site.published}
        assert topics <= {"shadow_decision", "shadow_comparison", "agent_health"}


def test_the_contract_lets_it_command_nothing() -> None:
    written = {topic.name for topic in topics_written_by(Role.LOAD_BALANCER_SHADOW)}
    assert not written & {"charger_command", "charger_decision", "circuit_load", "agent_claim", "charger_wish"}


async def test_its_bus_refuses_a_command() -> None:
    async with Site(agent_type=ShadowBalancer) as site:
        with pytest.raises(ContractError, match="may not write charger_command"):
            await site.agent.bus.publish(CHARGER_COMMAND, None, charger="c1", sender="load_balancer")
