"""Sending a command to a charger, and what a technician is told of the answer."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from pydantic import ValidationError
from rich.text import Text

from agents.cli.connection.link import Link, connected
from agents.cli.connection.quiet import QUIET_S
from agents.cli.connection.terminal import Terminal
from agents.cli.exits import CliError, ExitCode
from agents.runtime.agent import BusUnavailable
from agents.runtime.clock import SystemClock
from agents.runtime.commands import NoReply
from bus_schema.charger_messages import Online, State
from bus_schema.command import CommandBase, CommandReply
from bus_schema.message import Struct
from bus_schema.topics import CHARGER_COMMAND_REPLY, CHARGER_ONLINE, CHARGER_STATE
from bus_schema.words import ReplyStage


class NotDone(CliError):
    """A charger's last word on a command is not ``done``."""

    def __init__(self, charger: str, reply: CommandReply) -> None:
        """Keep the reply, and make the charger's reason the error's text."""
        super().__init__(ExitCode.FAILED, f"{charger} {_verdict(reply)}")
        self.reply = reply


S = TypeVar("S", bound=Struct)

MOST_WAIT_FOR_RETAINED_S = 5.0
"""How long to wait for the broker's retained messages at most."""


async def command(
    terminal: Terminal,
    charger: str,
    kind: type[CommandBase],
    /,
    *,
    completion_s: float | None = None,
    told: Callable[[State], None] | None = None,
    **fields: Any,
) -> None:
    """Send a command, wait for the charger's last word on it, show it, and fail unless that is ``done``.

    ``completion_s``: how long that may take after ``accepted``, else as long as any answer. ``told`` is given the
    charger's states meanwhile.

    Raises :class:`CliError`: ``UNKNOWN`` for a charger that the broker knows nothing of, ``NO_ANSWER`` if it is
    offline or silent, :class:`NotDone` with the charger's reason if it refused, ``UNREACHABLE`` without a broker.
    """
    draft = made(kind, **_about(terminal, SystemClock().now_ms()), **fields)
    async with connected(terminal.target) as link:
        await require_online(link, charger)
        await link.listen(CHARGER_COMMAND_REPLY, charger=charger)
        # The time for an answer begins now, not with the search for the broker.
        message = draft.model_copy(update=_about(terminal, link.clock.now_ms()))
        async with _telling(link, charger, told):
            reply = await _ask(link, charger, message, completion_s or terminal.timeout_s)
    terminal.show(reply.model_dump(mode="json") | {"charger": charger}, lambda: _in_words(charger, reply))
    if reply.stage is not ReplyStage.DONE:
        raise NotDone(charger, reply)


def made(kind: type[S], /, **fields: Any) -> S:
    """Return a message or a part of one; raise :class:`CliError` (``USAGE``) if the contract forbids the values."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CliError(ExitCode.USAGE, f"{where}: {first['msg']}") from None


def _about(terminal: Terminal, now_ms: int) -> dict[str, Any]:
    return {
        "ts": now_ms,
        "id": f"{terminal.target.person}-{secrets.token_hex(10)}",
        "source": terminal.target.source,
        "deadline_ts": now_ms + round(terminal.timeout_s * 1000),
    }


@asynccontextmanager
async def _telling(link: Link, charger: str, told: Callable[[State], None] | None) -> AsyncIterator[None]:
    if told is None:
        yield
        return
    await link.listen(CHARGER_STATE, charger=charger)

    async def follow(told: Callable[[State], None]) -> None:
        async for heard in link.heard():
            if isinstance(heard.message, State) and heard.charger == charger:
                told(heard.message)

    following = asyncio.create_task(follow(told))
    try:
        yield
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError, CliError):
            await following


async def _ask(link: Link, charger: str, message: CommandBase, timeout_s: float) -> CommandReply:
    try:
        return await link.commands.send(charger, message, completion_s=timeout_s)
    except NoReply as error:
        raise CliError(ExitCode.NO_ANSWER, str(error)) from error
    except BusUnavailable as error:
        raise CliError(ExitCode.UNREACHABLE, f"the broker did not take the command: {error}") from error


async def require_online(link: Link, charger: str) -> None:
    """Return once the charger is known to be online; raise :class:`CliError` in words if it is not."""
    await link.listen(CHARGER_ONLINE, qos=0)
    seen: dict[str, bool] = {}
    async for heard in link.heard(MOST_WAIT_FOR_RETAINED_S, QUIET_S):
        if heard.charger is not None and isinstance(heard.message, Online):
            seen[heard.charger] = heard.message.online
            if seen.get(charger):
                return
    if charger in seen:
        raise CliError(
            ExitCode.NO_ANSWER, f"charger {charger} is offline: a command would not reach it, and none was sent"
        )
    known = ", ".join(sorted(seen)) or "none at all"
    raise CliError(ExitCode.UNKNOWN, f"there is no charger {charger!r} at site {link.target.site!r}; known: {known}")


def _verdict(reply: CommandReply) -> str:
    word = {ReplyStage.REJECTED: "refused", ReplyStage.FAILED: "failed", ReplyStage.EXPIRED: "was too late for"}
    return f"{word.get(reply.stage, reply.stage)} {reply.op} ({reply.code}): {reply.reason or 'no reason given'}"


def _in_words(charger: str, reply: CommandReply) -> Text:
    done = reply.stage is ReplyStage.DONE
    return Text.assemble(
        (f"{charger}: ", "bold"),
        (f"{reply.op} {reply.stage}", "green" if done else "red"),
        f": {reply.reason}" if reply.reason else "",
    )
