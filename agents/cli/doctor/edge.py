"""The doctor's way to the bus: listens, looks at what is retained, and probes by loopback.

Nothing here reaches a charger or an agent: probes go to topics under the id ``doctor-probe``, with payloads that no
reader accepts, or with commands whose deadline has passed.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiomqtt

from agents.cli.connection.heard import Heard, hear
from agents.cli.connection.quiet import until_quiet
from agents.cli.doctor.snapshot import PROBE_ID, Loopback, QueueProbe, Snapshot, is_technician
from agents.cli.exits import CliError, ExitCode
from agents.runtime.agent import Clock
from agents.runtime.mqtt.certificate import UnusableCertificate, check_identity
from agents.runtime.mqtt.login_problem import login_problem, tls_alert
from agents.runtime.mqtt.options import MqttOptions
from bus_schema import ROOT, Role, Topic
from bus_schema.command import Identify
from bus_schema.generate.acl import BROKER_STATUS, TERMINALS
from bus_schema.topics import CHARGER_COMMAND, TOPICS

DROPPED = BROKER_STATUS.replace("#", "publish/messages/dropped")
"""The broker's count of messages that it could not keep."""

WAITING_SESSIONS = BROKER_STATUS.replace("#", "clients/disconnected")
"""The broker's count of sessions whose clients are away."""

ANSWER_S = 5.0
"""How long a broker may take for anything."""

BURST = 1_500
"""Messages for an absent subscriber: more than Mosquitto's default of 1,000, less than anybody notices."""

BURST_WITHIN_S = 30.0
"""How long the broker may take to acknowledge the burst: on a small machine with TLS that is seconds."""

_UNREADABLE = b'{"doctor":"this topic must not be writable"}'


class NoEcho(Exception):
    """A probe that must come back did not: this user may not write or read the topic that it needs."""


class Edge:
    """One examination of one site. Hand in the clock and how to connect; :meth:`observe` does the rest."""

    def __init__(self, logins: Sequence[MqttOptions], site: str, clock: Clock, person: str | None) -> None:
        """Examine ``site`` on the broker that ``logins`` lead to as ``person``.

        Each is for one connection at a time; probes need two.
        """
        self._options = logins[0]
        self._second = logins[1] if len(logins) > 1 else None
        self._person = person
        self._site = site
        self._clock = clock
        self._echo = CHARGER_COMMAND.format(site, charger=PROBE_ID, sender=person or Role.TECHNICIAN)

    async def observe(self, seconds: float, probe: bool) -> Snapshot:
        """Listen for ``seconds``, then look at what is retained, then probe if ``probe`` says so.

        Raises :class:`CliError` (``UNREACHABLE``) if the broker cannot be reached or the connection gets lost.
        """
        try:
            snapshot = await self._listen(seconds)
            return await self._probe(snapshot) if probe else snapshot
        except (aiomqtt.MqttError, TimeoutError) as error:
            where = f"{self._options.host}:{self._options.port}"
            why = await login_problem(error, self._options, self._clock.now_ms())
            raise CliError(ExitCode.UNREACHABLE, f"cannot examine the broker at {where}: {why}") from error

    async def _listen(self, seconds: float) -> Snapshot:
        live: list[Heard] = []
        counted: dict[str, list[bytes]] = {}
        async with self._client() as client:
            await client.subscribe([(f"{ROOT}/{self._site}/#", 1), (BROKER_STATUS, 0)])
            started_s = self._clock.monotonic_s()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    async for message in client.messages:
                        self._sort(message, live, counted)
            listened_s = self._clock.monotonic_s() - started_s
        kept = await self._retained(self._options)
        return Snapshot(
            site=self._site,
            now_ms=self._clock.now_ms(),
            listened_s=listened_s,
            live=tuple(live),
            kept=tuple(kept),
            user=self._person,
            dropped=tuple(int(value) for value in counted.get(DROPPED, ()) if value.isdigit()),
            broker_tells=bool(counted),
            waiting_sessions=_last_number(counted.get(WAITING_SESSIONS, [])),
        )

    def _sort(self, message: aiomqtt.Message, live: list[Heard], counted: dict[str, list[bytes]]) -> None:
        topic, payload = str(message.topic), _bytes(message)
        if topic.startswith("$SYS/"):
            counted.setdefault(topic, []).append(payload)
        elif not message.retain:
            live.append(hear(topic, payload, message.qos, False, self._clock.now_ms()))

    async def _retained(self, options: MqttOptions) -> list[Heard]:
        kept: list[Heard] = []
        async with self._client(options) as client:
            await client.subscribe(f"{ROOT}/{self._site}/#", qos=1)
            async for message in until_quiet(client, retained_only=True):
                kept.append(hear(str(message.topic), _bytes(message), message.qos, True, self._clock.now_ms()))
        return kept

    async def _probe(self, snapshot: Snapshot) -> Snapshot:
        untested: list[str] = []
        loopbacks: list[Loopback] = []
        queue: QueueProbe | None = None
        takes_over: bool | None = None
        commands_pass: bool | None = None
        if not is_technician(self._person):
            untested.append(f"access list and queue were not probed: this is user {self._person!r}")
        elif not (commands_pass := await self._commands_pass()):
            untested.append("access list and queue were not probed: commands do not come through")
        elif self._second is None:
            untested.append(
                f"access list and queue were not probed: that takes two logins of {self._person}, and one is free "
                f"(`chargebus pki issue {self._person}` makes {TERMINALS})"
            )
        else:
            try:
                loopbacks += await self._loopback(self._second, _forbidden_to_technicians())
                queue = await self._burst(self._second)
                takes_over = await self._takes_over(self._second)
            except NoEcho as error:
                untested.append(str(error))
        snapshot = replace(snapshot, commands_pass=commands_pass, takes_over=takes_over)
        stranger = replace(self._options, username=None, password=None, cert_file=None, key_file=None)
        try:
            if stranger.ca_file is not None and await asyncio.to_thread(tls_alert, stranger) is not None:
                raise aiomqtt.MqttError("the broker wants a certificate")  # The library would wait for an answer.
            anonymous_read = len(await self._retained(stranger))
        except aiomqtt.MqttError:
            return replace(
                snapshot, loopbacks=tuple(loopbacks), queue=queue, untested=tuple(untested), anonymous_connects=False
            )
        with contextlib.suppress(NoEcho):
            loopbacks += await self._loopback(stranger, tuple(topic for topic in TOPICS if _readable(topic)))
        return replace(
            snapshot,
            loopbacks=tuple(loopbacks),
            queue=queue,
            untested=tuple(untested),
            anonymous_connects=True,
            anonymous_read=anonymous_read,
        )

    async def _commands_pass(self) -> bool:
        """Tell whether a command of this person, for no charger and too late, comes through the broker."""
        token = secrets.token_hex(8)
        async with self._client() as client:
            await client.subscribe(self._echo, qos=1)
            await client.publish(self._echo, self._expired_command(token), qos=1)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    await _next_where(client, lambda message: token.encode() in _bytes(message))
                    return True
        return False

    async def _loopback(self, writer: MqttOptions, topics: tuple[Topic[Any], ...]) -> list[Loopback]:
        """Publish as ``writer``, listen as the technician: what has arrived when the echo has, got through."""
        addresses = [topic.format(self._site, **dict.fromkeys(topic.parameters, PROBE_ID)) for topic in topics]
        token = secrets.token_hex(8)
        arrived: set[str] = set()
        async with self._client() as listener:
            await listener.subscribe(f"{ROOT}/{self._site}/#", qos=1)
            await self._attempt(writer, addresses)
            await listener.publish(self._echo, self._expired_command(token), qos=1)
            try:
                async with asyncio.timeout(ANSWER_S):
                    async for message in listener.messages:
                        if str(message.topic) == self._echo and token.encode() in _bytes(message):
                            break
                        if _bytes(message) == _UNREADABLE:
                            arrived.add(str(message.topic))
            except TimeoutError:
                raise NoEcho(f"the access list was not probed: {self._echo} does not come back") from None
        user = "anonymous" if writer.username is None else (self._person or writer.username)
        return [Loopback(user, address, address in arrived) for address in addresses]

    async def _attempt(self, writer: MqttOptions, addresses: list[str]) -> None:
        """Publish to every address. A broker that throws out who is not allowed (RabbitMQ does) is joined again."""
        remaining = list(addresses)
        while remaining:
            before = len(remaining)
            with contextlib.suppress(aiomqtt.MqttError):
                async with self._client(writer) as client:
                    while remaining:
                        await client.publish(remaining.pop(), _UNREADABLE, qos=1)
            if len(remaining) == before:
                raise NoEcho(f"the access list was not probed: {writer.username or 'anonymous'} is not let in again")

    async def _burst(self, second: MqttOptions) -> QueueProbe:
        """Count how much of a burst the broker keeps for a subscriber with a session that is away."""
        away = f"{self._site}-{PROBE_ID}-{secrets.token_hex(4)}"
        async with self._client(second, away, clean=False) as subscriber:
            await subscriber.subscribe(self._echo, qos=1)
        received = 0
        try:
            async with self._client() as publisher:
                payload = self._expired_command("burst")
                publisher.pending_calls_threshold = BURST  # aiomqtt would warn of what is wanted here
                await asyncio.gather(
                    *(publisher.publish(self._echo, payload, qos=1, timeout=BURST_WITHIN_S) for _ in range(BURST))
                )
            async with self._client(second, away, clean=False) as subscriber:
                async for _ in until_quiet(subscriber):
                    received += 1
        finally:
            async with self._client(second, away, clean=True):
                pass  # a clean connection under the same name ends the session and its queue
        return QueueProbe(BURST, received)

    async def _takes_over(self, second: MqttOptions) -> bool | None:
        """Tell whether one user's connection is ended by another user who says the same client id.

        None where both logins are one user: that it takes over its own connection is right.
        """
        if second.username == self._options.username:
            return None
        same = f"{self._site}-{PROBE_ID}-{secrets.token_hex(4)}"
        try:
            async with self._client(identifier=same) as first, self._client(second, same):
                await first.subscribe(self._echo, qos=1)
                await first.publish(self._echo, self._expired_command(same), qos=1)
                async with asyncio.timeout(ANSWER_S):
                    await _next_where(first, lambda message: same.encode() in _bytes(message))
        except (aiomqtt.MqttError, TimeoutError):
            return True
        return False

    def _expired_command(self, token: str) -> bytes:
        """Return a valid command that nobody would execute: for no charger, and too late."""
        command = Identify(ts=1, id=f"doctor-{token}", source=self._person or str(Role.TECHNICIAN), deadline_ts=1)
        return CHARGER_COMMAND.encode(command)

    @asynccontextmanager
    async def _client(
        self, options: MqttOptions | None = None, identifier: str | None = None, clean: bool = True
    ) -> AsyncIterator[aiomqtt.Client]:
        options = self._options if options is None else options
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
            identifier=identifier or f"{self._site}-doctor-{secrets.token_hex(6)}",
            tls_context=tls_context,
            timeout=ANSWER_S,
            clean_session=clean,
        )
        async with client:
            yield client


def _last_number(values: list[bytes]) -> int | None:
    return int(values[-1]) if values and values[-1].isdigit() else None


def _forbidden_to_technicians() -> tuple[Topic[Any], ...]:
    """Return what no technician may write under the probe's id: what is others', or must carry the writer's name."""
    return tuple(
        topic
        for topic in TOPICS
        if (Role.TECHNICIAN not in topic.writers or topic.own_level == "sender") and _readable(topic)
    )


def _readable(topic: Topic[Any]) -> bool:
    """Tell whether the technician would see a message that got through under the probe's id."""
    return Role.TECHNICIAN in topic.readers and not topic.own_read_level


async def _next_where(client: aiomqtt.Client, wanted: Callable[[aiomqtt.Message], bool]) -> aiomqtt.Message:
    async for message in client.messages:
        if wanted(message):
            return message
    raise aiomqtt.MqttError("the connection has ended")


def _bytes(message: aiomqtt.Message) -> bytes:
    return message.payload if isinstance(message.payload, bytes) else str(message.payload).encode()
