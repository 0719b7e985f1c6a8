"""When everything retained has come: silence alone does not tell, the broker's answer after it does."""

import asyncio

import aiomqtt
import pytest

from agents.cli.connection.link import Link
from agents.cli.connection.quiet import QUIET_S, until_quiet
from agents.cli.connection.target import Target
from agents.cli.exits import CliError
from bus_schema import topics
from bus_schema.examples import examples_of

TOPIC = topics.CHARGER_ONLINE.format("garage", charger="c1")
PAYLOAD = topics.CHARGER_ONLINE.encode(examples_of(topics.CHARGER_ONLINE)[0])


def message(retain: bool = True) -> aiomqtt.Message:
    return aiomqtt.Message(TOPIC, PAYLOAD, 1, retain, 1, None)


class Messages:
    """As the library has them: an iterator that waits, and its length."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[aiomqtt.Message] = asyncio.Queue()

    def __len__(self) -> int:
        return self.queue.qsize()

    def __aiter__(self) -> "Messages":
        return self

    async def __anext__(self) -> aiomqtt.Message:
        return await self.queue.get()


class SlowBroker:
    """A connection on which each batch comes only when the broker has been asked for something."""

    def __init__(self, *batches: list[aiomqtt.Message]) -> None:
        self.messages = Messages()
        self.batches = list(batches)
        self.asked = 0

    async def unsubscribe(self, topic: str) -> None:
        self.asked += 1
        for each in self.batches.pop(0) if self.batches else []:
            self.messages.queue.put_nowait(each)


async def test_what_comes_with_the_answer_after_a_silence_counts() -> None:
    broker = SlowBroker([message(), message(False)], [message()])
    assert len([each async for each in until_quiet(broker)]) == 3  # type: ignore[arg-type]
    assert broker.asked == 3


async def test_live_messages_do_not_keep_it_from_being_quiet() -> None:
    broker = SlowBroker(*[[message(False)]] * 100)
    assert [each async for each in until_quiet(broker, retained_only=True)] == []  # type: ignore[arg-type]
    assert broker.asked == 1


async def test_a_command_sees_what_comes_with_the_answer_after_a_silence() -> None:
    broker = SlowBroker([message(), message(False)], [message()], [message(False)])
    link = Link(Target.at("127.0.0.1", 1, "garage"), broker)  # type: ignore[arg-type]
    pump = asyncio.create_task(link.pump())
    heard = [each.retained async for each in link.heard(60, QUIET_S)]
    assert heard == [True, False, True, False] and broker.asked == 3
    pump.cancel()
    await asyncio.gather(pump, return_exceptions=True)


async def test_a_command_asks_nothing_when_its_time_is_over() -> None:
    broker = SlowBroker([message()])
    link = Link(Target.at("127.0.0.1", 1, "garage"), broker)  # type: ignore[arg-type]
    assert [each async for each in link.heard(0.01, QUIET_S)] == [] and broker.asked == 0


async def test_a_connection_lost_while_asking_is_said_in_words() -> None:
    class Gone(SlowBroker):
        async def unsubscribe(self, topic: str) -> None:
            raise aiomqtt.MqttError("gone")

    link = Link(Target.at("127.0.0.1", 1, "garage"), Gone())  # type: ignore[arg-type]
    with pytest.raises(CliError, match="is lost: gone"):
        [each async for each in link.heard(60, QUIET_S)]
