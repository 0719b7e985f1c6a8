"""Sends commands to chargers and waits for their answers (invariant 7).

::

    sender = CommandSender(bus, clock, "access", random=self.random)
    reply = await sender.send("c1", sender.make(Authorize, id_token=token))

    @on(CHARGER_COMMAND_REPLY)
    async def replied(self, received: Received[CommandReply]) -> None:
        self.sender.on_reply(received)
"""

import asyncio
from random import Random, SystemRandom
from typing import Any, TypeVar, cast

from agents.runtime.agent import Bus, Clock, NotAllowed, Received
from bus_schema.command import PEOPLE_SOURCE, CommandBase, CommandReply, may_speak_as
from bus_schema.topics import CHARGER_COMMAND
from bus_schema.words import ReplyStage

C = TypeVar("C", bound=CommandBase)

DEADLINE_S = 10.0
"""How long a command stays valid unless its sender says otherwise."""

GRACE_S = 2.0
"""How much longer than to the deadline a first answer is waited for: a charger answers at the deadline too."""

COMPLETION_S = 60.0
"""How long after ``accepted`` the end of a command is waited for unless the caller says otherwise."""


class NoReply(Exception):
    """A charger has not answered in time: nobody knows whether it has executed the command.

    ``accepted`` is True if it had accepted the command and only its end is missing.
    """

    def __init__(self, charger: str, command: CommandBase, waited_s: float, *, accepted: bool) -> None:
        """Say who did not answer what."""
        operation = getattr(command, "op", "command")
        what = f"accepted {operation} but did not say how it ended" if accepted else f"did not answer {operation}"
        super().__init__(f"charger {charger} {what} within {waited_s:.1f} s")
        self.charger = charger
        self.command = command
        self.accepted = accepted


def check_source(received: Received[Any]) -> None:
    """Raise :class:`NotAllowed` for a command whose source its sender may not use."""
    sender, source = received.address.ids["sender"], received.message.source
    if not may_speak_as(sender, source):
        raise NotAllowed(
            f"{sender} may not command as {source}: an agent's source is its own name, that of people is "
            f"{PEOPLE_SOURCE}"
        )


class CommandSender:
    """Makes, sends and awaits commands of one sender."""

    def __init__(
        self, bus: Bus, clock: Clock, sender: str, *, source: str | None = None, random: Random | None = None
    ) -> None:
        """Send as the broker's user ``sender``; ``random`` makes the ids.

        ``source`` is what leases and authorisations are kept under; None for the sender's own name. Raises
        :class:`ValueError` for a source that chargers would not accept from this sender.
        """
        source = sender if source is None else source
        if not may_speak_as(sender, source):
            raise ValueError(f"{sender} may not command as {source}")
        self._bus = bus
        self._clock = clock
        self._sender = sender
        self._source = source
        self._random = SystemRandom() if random is None else random
        self._waiting: dict[tuple[str, str], asyncio.Queue[CommandReply]] = {}

    def make(self, kind: type[C], /, *, deadline_s: float = DEADLINE_S, **fields: Any) -> C:
        """Return a command of ``kind`` with a new id, this source, and a deadline ``deadline_s`` from now.

        Raises :class:`pydantic.ValidationError` for wrong fields.
        """
        now_ms = self._clock.now_ms()
        return kind(
            ts=now_ms,
            id=f"{self._source}-{self._random.getrandbits(80):020x}",
            source=self._source,
            deadline_ts=now_ms + round(deadline_s * 1000),
            **fields,
        )

    async def send(self, charger: str, command: CommandBase, *, completion_s: float = COMPLETION_S) -> CommandReply:
        """Publish ``command`` and return its final answer: done, failed, rejected or expired.

        ``completion_s`` is how long to wait for that after ``accepted``. Raises :class:`NoReply`, and
        :class:`agents.runtime.agent.BusUnavailable` if the command may not have reached the broker.
        """
        key = (charger, command.id)
        replies = self._waiting[key] = asyncio.Queue()
        try:
            await self._bus.publish(CHARGER_COMMAND, cast(Any, command), charger=charger, sender=self._sender)
            wait_s = max(0.0, (command.deadline_ts - self._clock.now_ms()) / 1000) + GRACE_S
            accepted = False
            while True:
                reply = await self._next(replies, wait_s)
                if reply is None:
                    raise NoReply(charger, command, wait_s, accepted=accepted)
                if reply.stage is not ReplyStage.ACCEPTED:
                    return reply
                accepted, wait_s = True, completion_s
        finally:
            del self._waiting[key]

    def on_reply(self, received: Received[CommandReply]) -> None:
        """Take any charger's answer; those that nobody waits for are ignored."""
        reply = received.message
        if reply.id is not None:
            replies = self._waiting.get((received.charger, reply.id))
            if replies is not None:
                replies.put_nowait(reply)

    async def _next(self, replies: asyncio.Queue[CommandReply], wait_s: float) -> CommandReply | None:
        answer = asyncio.ensure_future(replies.get())
        timeout = asyncio.ensure_future(self._clock.sleep(wait_s))
        try:
            await asyncio.wait({answer, timeout}, return_when=asyncio.FIRST_COMPLETED)
            return answer.result() if answer.done() else None
        finally:
            answer.cancel()
            timeout.cancel()
