"""`why` asks the load balancer page by page and tells the story in words."""

from collections.abc import Iterator

import paho.mqtt.client as paho
import pytest

from bus_schema.site_messages import GrantRecord, WhyAnswer, WhyQuery
from bus_schema.topics import AGENT_QUERY, AGENT_STORY
from tests.brokers import RunningBroker
from tests.cli.conftest import Run
from tests.cli.scripted_charger import SITE, now_ms
from tests.waiting import eventually_sync

pytestmark = pytest.mark.broker


class Balancer:
    """Answers as the load balancer would: two stretches, a page each."""

    def __init__(self, broker: RunningBroker) -> None:
        self.asked: list[WhyQuery] = []
        self.ready = False
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe(
            AGENT_QUERY.filter(SITE, agent="load_balancer"), 1
        )
        self._client.on_subscribe = lambda *_: setattr(self, "ready", True)
        self._client.on_message = self._answer
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()

    def _answer(self, client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        query = AGENT_QUERY.decode(message.payload)
        assert isinstance(query, WhyQuery)
        self.asked.append(query)
        now = now_ms()
        first = GrantRecord(
            from_ts=now - 1_800_000,
            to_ts=now - 300_000,
            current_a=9.0,
            constraint="circuit/garage/L2",
            explanation="9 A: phase L2 of circuit garage is full (63 of 63 A)",
        )
        last = GrantRecord(
            from_ts=now - 300_000,
            current_a=16.0,
            constraint="car_draws_less",
            explanation="16 A: the car draws no more",
        )
        answer = WhyAnswer(ts=now, id=query.id, ok=True, grants=[first], cursor="7")
        if query.charger == "c9":
            answer = WhyAnswer(ts=now, id=query.id, ok=False, reason="charger c9 is not among those")
        elif query.cursor == "7":
            answer = WhyAnswer(ts=now, id=query.id, ok=True, grants=[last])
        topic = AGENT_STORY.format(SITE, agent="load_balancer", asker="technician")
        client.publish(topic, AGENT_STORY.encode(answer), 1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def balancer(broker: RunningBroker) -> Iterator[Balancer]:
    balancer = Balancer(broker)
    eventually_sync(lambda: balancer.ready)
    yield balancer
    balancer.close()


def test_the_story_is_told_in_words(chargebus: Run, balancer: Balancer) -> None:
    outcome = chargebus("why", "c1")
    assert outcome.code == 0, outcome.err
    lines = [line.rstrip() for line in outcome.out.splitlines()]
    assert lines[0] == "c1 is granted 16 A: the car draws no more"
    assert lines[1] == "Most of the time (83 %) this was it: circuit/garage/L2."
    assert lines[2].split() == ["from", "for", "grant", "why"]
    assert lines[3].split(maxsplit=4)[1:] == ["0:25:00", "9", "A", "phase L2 of circuit garage is full (63 of 63 A)"]
    assert lines[4].split(maxsplit=4)[1:] == ["0:05:00", "16", "A", "the car draws no more"]
    assert [query.cursor for query in balancer.asked] == [None, "7"]


def test_programs_get_json(chargebus: Run, balancer: Balancer) -> None:
    told = chargebus("why", "c1", "--since", "3h", "--json").json
    assert [each["current_a"] for each in told] == [9.0, 16.0]
    assert now_ms() - (balancer.asked[0].since_ts or 0) >= 3 * 3_600_000


def test_an_unknown_charger_is_told(chargebus: Run, balancer: Balancer) -> None:
    outcome = chargebus("why", "c9")
    assert (outcome.code, outcome.err) == (6, "chargebus: the load balancer: charger c9 is not among those\n")


def test_without_a_balancer_there_is_no_answer(chargebus: Run) -> None:
    outcome = chargebus("why", "c1", "--timeout", "0.3")
    assert outcome.code == 3
    assert "the load balancer did not answer" in outcome.err
