"""Asking an agent something over the bus, and waiting for its own answer."""

from __future__ import annotations

import secrets
from typing import Any, TypeVar

from agents.cli.commanding.asking import made
from agents.cli.connection.link import Link
from agents.cli.exits import CliError, ExitCode
from agents.runtime.agent import BusUnavailable
from bus_schema import Role
from bus_schema.site_messages import (
    OcppCallAnswer,
    OcppCallQuery,
    QueryAnswer,
    SessionsQuery,
    SettleQuery,
    WhyAnswer,
    WhyQuery,
)
from bus_schema.topics import AGENT_QUERY

Q = TypeVar("Q", SessionsQuery, WhyQuery, OcppCallQuery, SettleQuery)
A = TypeVar("A", QueryAnswer, WhyAnswer, OcppCallAnswer)

_SPOKEN = {Role.LOAD_BALANCER: "load balancer"}
"""Agents whose name has no underscore in speech."""


async def ask(link: Link, timeout_s: float, agent: Role, kind: type[Q], answer: type[A], /, **fields: Any) -> A:
    """Send a question of ``kind`` to ``agent`` and return its answer, which may be a refusal (``ok`` false).

    ``link`` must be listening to where the answer goes. Raises :class:`CliError`: ``USAGE`` for values that the
    contract forbids, ``UNREACHABLE`` without a broker, ``NO_ANSWER`` after ``timeout_s``.
    """
    now_ms = link.clock.now_ms()
    head = {"ts": now_ms, "id": secrets.token_hex(8), "source": link.target.person}
    question = made(kind, **head, deadline_ts=now_ms + round(timeout_s * 1000), **fields)
    try:
        await link.bus.publish(AGENT_QUERY, question, agent=agent)
    except BusUnavailable as error:
        raise CliError(ExitCode.UNREACHABLE, f"the broker did not take the question: {error}") from error
    async for heard in link.heard(timeout_s):
        if isinstance(heard.message, answer) and heard.message.id == question.id:
            return heard.message
    raise CliError(
        ExitCode.NO_ANSWER,
        f"the {_SPOKEN.get(agent, agent)} did not answer within {timeout_s:g} s; does it run? (see `chargebus status`)",
    )
