"""The technician's connection to the bus: it fails at once and in words, where an agent's would try again."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt

from agents.cli.connection.heard import Heard, hear
from agents.cli.connection.logins import free_logins
from agents.cli.connection.quiet import answer_of_broker
from agents.cli.connection.target import Target
from agents.cli.exits import CliError, ExitCode
from agents.runtime.agent import BusUnavailable, Received
from agents.runtime.bus import TypedBus
from agents.runtime.clock import SystemClock
from agents.runtime.commands import CommandSender
from agents.runtime.counters import Counters
from agents.runtime.mqtt.certificate import UnusableCertificate, check_identity
from agents.runtime.mqtt.login_problem import login_problem
from agents.runtime.mqtt.options import NO_DELAY, MqttOptions
from bus_schema import ROOT, Role, Topic
from bus_schema.command import CommandReply

_TURN_S = 0.01
"""One turn of the event loop's other tasks, generously."""

CONNECT_S = 5.0
"""How long connecting may take."""

ANSWER_S = 5.0
"""How long the broker may take to answer. Counted here and not by aiomqtt, whose ``wait_for`` forgets that it was
cancelled (Python 3.11) when the answer comes in the same moment."""


class Link:
    """A connection to one site. What is heard is read with :meth:`heard`, by one reader at a time."""

    def __init__(self, target: Target, client: aiomqtt.Client) -> None:
        """Take a connected client."""
        self.target = target
        self.clock = SystemClock()
        self.bus = TypedBus(target.site, Role.TECHNICIAN, self, self.clock, Counters())
        self.commands = CommandSender(self.bus, self.clock, target.person, source=target.source)
        self._client = client
        self._queue: asyncio.Queue[Heard | CliError] = asyncio.Queue()
        self.lost: asyncio.Future[CliError] = asyncio.get_running_loop().create_future()
        """Done as soon as the connection is lost."""

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        """Give a message to the broker: the transport below :attr:`bus`."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._client.publish(topic, payload, qos=qos, retain=retain, timeout=math.inf)
        except TimeoutError:
            raise BusUnavailable(f"the broker did not answer in {ANSWER_S:.0f} s") from None
        except aiomqtt.MqttError as error:
            raise BusUnavailable(str(error)) from error

    async def listen(self, *topics: Topic[Any], qos: int = 1, **ids: str) -> None:
        """Hear these topics from now on, of these ids only."""
        site = self.target.site
        await self._subscribe(
            [topic.filter(site, **{k: v for k, v in ids.items() if k in topic.parameters}) for topic in topics], qos
        )

    async def listen_to_all(self) -> None:
        """Hear everything under this site, also what is not in the contract."""
        await self._subscribe([f"{ROOT}/{self.target.site}/#"], 1)

    async def _subscribe(self, filters: list[str], qos: int) -> None:
        try:
            # Integers with MQTT 3.1.1, reason codes with 5.
            async with asyncio.timeout(ANSWER_S):
                granted: list[Any] = list(
                    await self._client.subscribe([(text, qos) for text in filters], timeout=math.inf)
                )
        except TimeoutError:
            words = f"the broker at {self.target.broker} did not answer in {ANSWER_S:.0f} s"
            raise CliError(ExitCode.UNREACHABLE, words) from None
        except aiomqtt.MqttError as error:
            raise _lost(self.target, error) from error
        for text, code in zip(filters, granted, strict=False):
            if getattr(code, "value", code) >= 128:
                raise CliError(ExitCode.UNREACHABLE, f"the broker at {self.target.broker} does not let us hear {text}")

    async def heard(self, within_s: float | None = None, quiet_s: float | None = None) -> AsyncIterator[Heard]:
        """Yield messages as they come, until ``within_s`` is over or nothing retained has come for ``quiet_s``.

        Before it is taken for quiet, the broker must answer: what it had sent before has come then.

        Raises :class:`CliError` (``UNREACHABLE``) when the connection is lost.
        """
        loop = asyncio.get_running_loop()
        end = None if within_s is None else loop.time() + within_s
        quiet = None if quiet_s is None else loop.time() + quiet_s
        asked = False
        while True:
            limits = [moment for moment in (end, quiet) if moment is not None]
            try:
                async with asyncio.timeout_at(min(limits, default=None)):
                    item = await self._queue.get()
            except TimeoutError:
                if asked or quiet is None or (end is not None and loop.time() >= end):
                    return
                asked = True
                await self._answer_of_broker()
                continue
            if isinstance(item, CliError):
                raise item
            if quiet_s is not None and item.retained:
                quiet, asked = loop.time() + quiet_s, False
            yield item

    async def _answer_of_broker(self) -> None:
        try:
            await answer_of_broker(self._client)
        except aiomqtt.MqttError as error:
            raise _lost(self.target, error) from error
        # Room for :meth:`pump` to bring what has come before.
        await asyncio.sleep(_TURN_S)

    async def pump(self) -> None:
        """Move messages from the client to the reader and to whoever waits for an answer, until disconnected."""
        try:
            async for raw in self._client.messages:
                payload = raw.payload if isinstance(raw.payload, bytes) else str(raw.payload).encode()
                heard = hear(str(raw.topic), payload, raw.qos, bool(raw.retain), self.clock.now_ms())
                self._answer(heard)
                self._queue.put_nowait(heard)
        except aiomqtt.MqttError as error:
            problem = _lost(self.target, error)
            self._queue.put_nowait(problem)
            self.lost.set_result(problem)

    def _answer(self, heard: Heard) -> None:
        if isinstance(heard.message, CommandReply) and heard.address is not None:
            received = Received(heard.message, heard.address, heard.retained, heard.received_ms)
            self.commands.on_reply(received)


def _lost(target: Target, error: Exception) -> CliError:
    return CliError(ExitCode.UNREACHABLE, f"the connection to the broker at {target.broker} is lost: {error}")


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator[Link]:
    """Connect to the broker with a login that is free.

    Raises :class:`CliError` in words: ``UNREACHABLE`` if the broker is, ``FAILED`` if all logins are in use,
    ``CONFIGURATION`` for files that cannot be used.
    """
    with free_logins(target.logins) as (options,):
        async with _connected(target, options) as link:
            yield link


@asynccontextmanager
async def _connected(target: Target, options: MqttOptions) -> AsyncIterator[Link]:
    try:
        check_identity(options)
        tls_context = options.tls_context()
    except (UnusableCertificate, OSError) as error:
        raise CliError(ExitCode.CONFIGURATION, f"[broker] {error}") from error
    client = aiomqtt.Client(
        options.host,
        options.port,
        username=options.username,
        password=options.password,
        identifier=target.new_client_id(),
        tls_context=tls_context,
        timeout=CONNECT_S,
        clean_session=True,
        socket_options=[NO_DELAY],
    )
    async with contextlib.AsyncExitStack() as stack:
        try:
            await client.__aenter__()
        except aiomqtt.MqttError as error:
            why = await login_problem(error, options, SystemClock().now_ms())
            raise CliError(ExitCode.UNREACHABLE, f"cannot connect to the broker at {target.broker}: {why}") from error
        stack.push_async_callback(_leave, client)
        link = Link(target, client)
        pump = asyncio.create_task(link.pump())
        stack.push_async_callback(_end, pump)
        yield link


async def _leave(client: aiomqtt.Client) -> None:
    # Saying good-bye to a broker that has just gone fails; the command's own error is what counts.
    with contextlib.suppress(aiomqtt.MqttError):
        await client.__aexit__(None, None, None)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
