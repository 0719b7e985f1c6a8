"""A budget for each sender: what is refused, what is remembered, and what the bus is told."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.runtime.agent import Agent
from agents.runtime.configuration.site_config import AgentSettings
from agents.runtime.quota import ALARM_AFTER, MAX_SENDERS, OTHERS, QUIET_S, Budget, Quota, Quotas, sender_name
from agents.runtime.reporting.metrics import AgentCollector
from agents.runtime.reporting.quota_alarm import alarm_name
from bus_schema import is_id
from bus_schema.topics import AGENT_HEALTH, ALARM
from tests.runtime.fakes import SITE, FakeTransport, ManualClock, make_host

FEW = Budget(burst=5, per_s=0.5)


def quota(budget: Budget = FEW, max_senders: int = MAX_SENDERS) -> Quota:
    return Quota("things", budget, "things", "They are not taken.", max_senders=max_senders)


@given(
    st.integers(1, 20),
    st.floats(0.01, 50),
    st.lists(st.tuples(st.floats(0, 30), st.sampled_from(["a", "b", "c"])), max_size=200),
)
def test_nobody_gets_more_than_its_budget_and_nobody_pays_for_another(
    burst: int, per_s: float, asked: list[tuple[float, str]]
) -> None:
    together, alone = quota(Budget(burst, per_s)), {name: quota(Budget(burst, per_s)) for name in "abc"}
    now_s, granted = 0.0, dict.fromkeys("abc", 0)
    for pause_s, sender in asked:
        now_s += pause_s
        promised = together.wait_s(sender, now_s) == 0
        taken = together.take(sender, now_s)
        assert taken == promised == alone[sender].take(sender, now_s)
        granted[sender] += taken
        assert granted[sender] <= burst + per_s * now_s + 1e-6
    assert together.total == len(asked) - sum(granted.values())


def test_what_was_spent_comes_back_with_time() -> None:
    things = quota()
    assert [things.take("c1", 0.0) for _ in range(6)] == [True] * 5 + [False]
    assert things.wait_s("c1", 0.0) == 2.0
    assert not things.take("c1", 1.9)
    assert things.take("c1", 2.0)
    assert things.take("c2", 2.0), "each has its own"


def test_a_hundred_thousand_names_take_no_more_memory_than_four_thousand() -> None:
    things = quota()
    for number in range(100_000):
        things.take(f"stranger-{number}", number / 1e5)
        things.refuse(f"stranger-{number}", number / 1e5)
    assert len(things) <= 2 * (MAX_SENDERS + 1)
    assert things.total >= 100_000, "every refusal is counted all the same"


def test_names_beyond_counting_share_one_budget_and_the_known_keep_theirs() -> None:
    things = quota(max_senders=10)
    assert all(things.take(f"s{number}", 0.0) for number in range(10))
    assert sum(things.take(f"new-{number}", 0.0) for number in range(100)) == FEW.burst
    assert things.take("s3", 0.0)
    assert {each.sender for each in things.refused(0.0)} <= {OTHERS, *(f"new-{n}" for n in range(100))}
    assert things.take("late", 60.0), "those that have recovered make room"


def test_a_name_of_any_length_and_any_characters_is_kept_short_and_printable() -> None:
    for name in ("x" * 100_000, "a\nb\x1b[31m", "\ud800", ""):
        shown = sender_name(name)
        assert len(shown) <= 64
        assert shown.isprintable()
    assert sender_name("x" * 100) != sender_name("x" * 101)
    assert sender_name("CP 7") == "CP 7"
    things = quota()
    things.refuse("y" * 10_000_000, 0.0)
    assert sum(sys.getsizeof(each.sender) for each in things.refused(0.0)) < 200


@pytest.mark.parametrize("budget", [(0, 1), (1, 0), (1, -1)])
def test_a_budget_that_is_none_is_a_mistake(budget: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="a budget needs"):
        Budget(*budget)


def test_a_quota_is_named_once_and_plainly() -> None:
    quotas = Quotas()
    quotas.add("boots", FEW, "boots", "")
    with pytest.raises(ValueError, match="already"):
        quotas.add("boots", FEW, "boots", "")
    with pytest.raises(ValueError, match="small letters"):
        quotas.add("New boots", FEW, "boots", "")


class Door(Agent[AgentSettings]):
    """Takes things from senders."""

    name = "door"
    settings_type = AgentSettings

    def __init__(self, context: object) -> None:
        super().__init__(context)  # type: ignore[arg-type]
        self.things = self.quotas.add("things", FEW, "things", "They are not taken.")


class Site:
    def __init__(self) -> None:
        self.clock, self.transport = ManualClock(), FakeTransport()
        self.host = make_host(Door, self.clock, self.transport)

    async def __aenter__(self) -> "Site":
        await self.host.start()
        self.host.connected()
        await self.clock.advance(2)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.host.kill()

    def refuse(self, sender: str, count: int) -> None:
        door = self.host.agent
        assert isinstance(door, Door)
        for _ in range(count):
            door.things.refuse(sender, self.clock.monotonic_s())

    @property
    def alarm_payloads(self) -> list[bytes]:
        topic = ALARM.format(SITE, alarm="quota-door")
        return [payload for at, payload, _, _ in self.transport.published if at == topic]


async def test_one_alarm_names_the_sender_and_ends_when_it_is_quiet() -> None:
    async with Site() as site:
        assert site.alarm_payloads == [b""], "what an earlier life has left on the bus is cleared"
        site.refuse("c7", ALARM_AFTER - 1)
        await site.clock.advance(5)
        assert len(site.alarm_payloads) == 1, "a bad minute is no alarm"
        site.refuse("c7", 990)
        await site.clock.advance(2)
        [raised] = site.alarm_payloads[1:]
        alarm = ALARM.decode(raised)
        assert alarm.charger == "c7"
        assert alarm.text == "Above its quota: c7 was refused 999 things. They are not taken."
        await site.clock.advance(QUIET_S - 10)
        assert site.alarm_payloads[-1] != b"", "it does not flicker"
        await site.clock.advance(20)
        assert site.alarm_payloads[-1] == b""
        count = len(site.alarm_payloads)
        await site.clock.advance(600)
        assert len(site.alarm_payloads) == count


async def test_health_and_metrics_tell_what_was_refused_and_whom() -> None:
    async with Site() as site:
        site.refuse("c7", 40)
        site.refuse("evil\nname", 2)
        await site.clock.advance(31)
        health = site.transport.messages(AGENT_HEALTH, agent="door")[-1]
        assert health.refused == 42
        assert [(each.sender[:6], each.quota, each.count) for each in health.refused_senders] == [
            ("c7", "things", 40),
            ("evil?n", "things", 2),
        ]
        host = site.host
        collector = AgentCollector(
            "door", SITE, host.counters, dict, int, quotas=host.agent.quotas, exceeding=lambda: host.quota_alarm.named
        )
        samples = {(s.name, s.labels.get("sender")): s.value for metric in collector.collect() for s in metric.samples}
        assert samples["chargebus_refused_total", None] == 42
        assert samples["chargebus_refused_sender", "c7"] == 40


async def test_a_broker_that_is_away_gets_the_alarm_later() -> None:
    async with Site() as site:
        site.transport.up = False
        site.refuse("c7", 50)
        await site.clock.advance(5)
        site.transport.up = True
        await site.clock.advance(2)
        assert ALARM.decode(site.alarm_payloads[-1]).charger == "c7"


def test_the_alarm_s_name_is_an_id_whatever_the_agent_is_called() -> None:
    assert alarm_name("ledger") == "quota-ledger"
    assert is_id(alarm_name("a" * 32))
    assert alarm_name("a" * 31 + "b") != alarm_name("a" * 32)
