"""What a persistent session needs, on the broker for machines without Mosquitto (and on every other kind)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt
import pytest

from tests.brokers import RunningBroker
from tests.waiting import eventually

pytestmark = pytest.mark.broker


@asynccontextmanager
async def client(broker: RunningBroker, **options: Any) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client(broker.host, broker.port, timeout=5, **options) as made:
        yield made


async def collect(made: aiomqtt.Client, into: list[aiomqtt.Message]) -> None:
    async for message in made.messages:
        into.append(message)


@asynccontextmanager
async def listening(made: aiomqtt.Client) -> AsyncIterator[list[aiomqtt.Message]]:
    heard: list[aiomqtt.Message] = []
    task = asyncio.create_task(collect(made, heard))
    yield heard
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_queues_for_an_absent_client_and_does_not_call_it_retained(broker: RunningBroker) -> None:
    async with client(broker, identifier="agent", username="agent", clean_session=False) as agent:
        await agent.subscribe("a/#", 1)
    async with client(broker) as sender:
        for number in range(30):
            await sender.publish("a/b", str(number), qos=1)
    async with client(broker, identifier="agent", username="agent", clean_session=False) as agent:
        async with listening(agent) as heard:
            await agent.subscribe("a/#", 1)
            await eventually(lambda: len(heard) == 30)
        assert [message.payload for message in heard] == [str(number).encode() for number in range(30)]
        assert not any(message.retain for message in heard)


async def test_clean_session_forgets(broker: RunningBroker) -> None:
    async with client(broker, identifier="c1", clean_session=True) as charger:
        await charger.subscribe("a/#", 1)
    async with client(broker) as sender:
        await sender.publish("a/b", "stale", qos=1)
        async with client(broker, identifier="c1", clean_session=True) as charger:
            async with listening(charger) as heard:
                await charger.subscribe("a/#", 1)
                await sender.publish("a/b", "fresh", qos=1)
                await eventually(lambda: heard)
            assert [message.payload for message in heard] == [b"fresh"]


async def test_retained_messages_go_only_to_whoever_asked(broker: RunningBroker) -> None:
    async with client(broker) as sender:
        await sender.publish("state/c1", "1", qos=1, retain=True)
        await sender.publish("secret/x", "2", qos=1, retain=True)
        await sender.publish("state/c2", "3", qos=1, retain=True)
        await sender.publish("state/c2", "", qos=1, retain=True)
        async with client(broker, identifier="spy") as spy:
            await spy.subscribe("secret/#", 1)
            options = {"identifier": "agent", "username": "agent", "clean_session": False}
            for _ in range(2):  # At the second time it is a known client.
                async with client(broker, **options) as agent, listening(agent) as heard:
                    await agent.subscribe("state/#", 1)
                    await agent.subscribe("end", 1)
                    await sender.publish("end", "", qos=1)
                    await eventually(lambda heard=heard: any(m.topic.value == "end" for m in heard))
                    assert {m.topic.value for m in heard} == {"state/c1", "end"}
                    assert all(m.retain for m in heard if m.topic.value == "state/c1")


async def test_live_messages_are_not_called_retained(broker: RunningBroker) -> None:
    async with client(broker) as agent, listening(agent) as heard, client(broker) as sender:
        await agent.subscribe("state/#", 1)
        await sender.publish("state/c1", "1", qos=1, retain=True)
        await eventually(lambda: heard)
        assert not heard[0].retain


async def test_second_client_of_the_same_name_takes_over(broker: RunningBroker) -> None:
    async with client(broker, identifier="agent", username="agent", clean_session=False) as first:
        await first.subscribe("a", 1)
        second = aiomqtt.Client(broker.host, broker.port, identifier="agent", username="agent", clean_session=False)
        async with second, listening(second) as heard, client(broker) as sender:
            await second.subscribe("a", 1)
            for number in range(20):
                await sender.publish("a", str(number), qos=1)
            await eventually(lambda: len(heard) == 20)


async def test_will_is_published_for_the_vanished_only(broker: RunningBroker) -> None:
    async with client(broker) as watcher, listening(watcher) as heard:
        await watcher.subscribe("will/#", 1)
        async with client(broker, will=aiomqtt.Will("will/polite", "x", 1, True)):
            pass
        async with client(broker, will=aiomqtt.Will("will/gone", "x", 1, True)) as gone:
            gone._client.socket().shutdown(2)
            await eventually(lambda: heard)
            with pytest.raises(aiomqtt.MqttError):
                await gone.publish("x", "", 1)
        assert [message.topic.value for message in heard] == ["will/gone"]


async def test_thousand_chargers_worth_of_messages(broker: RunningBroker) -> None:
    async with client(broker) as agent, listening(agent) as heard, client(broker) as sender:
        await agent.subscribe("a/#", 1)
        for start in range(0, 2000, 100):
            await asyncio.gather(*(sender.publish(f"a/{n}", "x", 1) for n in range(start, start + 100)))
        await eventually(lambda: len(heard) == 2000, 20)
