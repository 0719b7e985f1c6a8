"""The stations that are known, who is connected, and who may charge there."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from agents.csms.commanding import Answer, Commanding, awaited_for, done, hindrance
from agents.csms.connector import Connector
from agents.csms.id_tags import same, token_of
from agents.csms.limiter import Limiter
from agents.csms.link import Link
from agents.csms.settings import CsmsSettings, Station
from agents.csms.state import Awaited
from agents.csms.transitions import card_presented
from agents.runtime.agent import Clock
from bus_schema.command import Authorize, Caps, CommandBase, Refuse, Stop
from bus_schema.message import IdToken
from bus_schema.words import ChargerStatus

OWN_NAME = "csms"
"""Source of what is authorised by the idTags of the settings."""

MOST_UNKNOWN = 32
"""Stations without a table that may be connected at the same time; none is remembered when it has gone, for names are
invented more easily than stations."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a station is told of an idTag (OCPP 1.6, 7.14 IdTagInfo)."""

    status: Literal["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"]
    parent: str = ""
    vouched: Awaited | None = None
    """Who has authorised it, if it was not the station itself."""

    @property
    def accepted(self) -> bool:
        """Whether it may charge."""
        return self.status == "Accepted"


@dataclass(slots=True)
class _Pending:
    id_tag: str
    token: IdToken
    judgement: "asyncio.Future[Judgement]"


@dataclass(slots=True)
class Port:
    """A connector with all that belongs to it."""

    connector: Connector
    limiter: Limiter
    commanding: Commanding
    pending: _Pending | None = None
    commands: "asyncio.Queue[CommandBase]" = field(default_factory=asyncio.Queue)


@dataclass(slots=True)
class KnownStation:
    """A station, connected or not."""

    identity: str
    settings: Station
    ports: dict[int, Port] = field(default_factory=dict)
    known: bool = True
    """Whether there is a table for it."""
    link: Link | None = None
    contended: bool = False
    """Whether another connection of it waits to see if this one is still alive."""
    about: str = ""
    firmware: str = ""

    @property
    def connectors(self) -> Iterable[Connector]:
        """Its connectors."""
        return (port.connector for port in self.ports.values())


class Authorizing:
    """Answers stations that ask whether an idTag may charge."""

    def __init__(self, settings: CsmsSettings, clock: Clock) -> None:
        """Ask the bus about what ``settings`` do not decide."""
        self._settings = settings
        self._clock = clock

    def by_settings(self, id_tag: str, now_ms: int) -> Judgement | None:
        """Return what the settings say of an idTag, or None."""
        entry = self._settings.id_tags.get(id_tag.strip().upper())
        if entry is None:
            return None
        parent = None if not entry.parent else token_of(entry.parent)
        vouched = Awaited(
            id_tag=id_tag, id_token=token_of(id_tag), parent=parent, source=OWN_NAME, caps=Caps(), until_ms=now_ms
        )
        return Judgement(entry.status, entry.parent, vouched if entry.status == "Accepted" else None)

    def known(self, station: KnownStation, port: Port | None, id_tag: str) -> Judgement | None:
        """Return what is known of an idTag without asking: who is awaited or charging, the settings; else None."""
        now_ms = self._clock.now_ms()
        for each in station.ports.values() if port is None else (port,):
            awaited = each.connector.state.awaited
            if awaited is not None and awaited.until_ms > now_ms and same(awaited.id_tag, id_tag):
                return Judgement("Accepted", _parent(awaited.parent), awaited)
        if port is None:
            for each in station.ports.values():
                session = each.connector.state.session
                if session is not None and same(session.id_tag, id_tag):
                    return Judgement("Accepted", _parent(session.parent))
        found = self.by_settings(id_tag, now_ms)
        if found is None and not station.settings.on_bus:
            return Judgement("Accepted" if self._settings.accept_unknown_tags else "Invalid")
        return found

    async def ask(self, port: Port, id_tag: str) -> Judgement:
        """Present the card on the bus and wait for ``authorize``, ``refuse`` or ``stop``; silence is a refusal."""
        token = token_of(id_tag)
        judgement: asyncio.Future[Judgement] = asyncio.get_running_loop().create_future()
        port.pending = pending = _Pending(id_tag, token, judgement)
        timeout = asyncio.ensure_future(self._clock.sleep(self._settings.answer_timeout_s))
        try:
            now_ms = self._clock.now_ms()
            await port.connector.change(lambda state: card_presented(state, token, now_ms))
            both: set[asyncio.Future[Any]] = {judgement, timeout}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            return judgement.result() if judgement.done() else Judgement("Invalid")
        finally:
            timeout.cancel()
            judgement.cancel()
            if port.pending is pending:
                port.pending = None

    async def answered(self, port: Port, command: CommandBase) -> Answer | None:
        """Take a command that answers the card which is being asked about; None if it is none."""
        pending, connector = port.pending, port.connector
        if pending is None or pending.judgement.done():
            return None
        if isinstance(command, Refuse) and command.id_token == pending.token:
            pending.judgement.set_result(Judgement("Invalid"))
            return done()
        if isinstance(command, Authorize) and command.id_token == pending.token:
            refusal = hindrance(connector.state)
            if refusal is not None:
                pending.judgement.set_result(Judgement("Invalid"))
                return refusal
            vouched = awaited_for(command, pending.id_tag, self._clock.now_ms(), connector.state.connection_timeout_s)
            await connector.update(awaited=vouched)
            if not pending.judgement.done():
                pending.judgement.set_result(Judgement("Accepted", _parent(command.parent_id_token), vouched))
            return done()
        session = connector.state.session
        if isinstance(command, Stop) and session is not None:
            # A card of the same group: the station is told its parent too, and the stop goes its own way.
            pending.judgement.set_result(Judgement("Accepted", _parent(session.parent)))
        return None


def asked_at(station: KnownStation) -> Port | None:
    """Return the connector that a card is most likely meant for: OCPP 1.6 does not say which.

    One where a car waits, else a free one, else one with a session, which another card of its group may end.
    """
    ranks = {ChargerStatus.PREPARING: 0, ChargerStatus.RESERVED: 1, ChargerStatus.AVAILABLE: 2}
    free = [port for port in station.ports.values() if port.connector.state.session is None]

    def rank(port: Port) -> int:
        return ranks.get(port.connector.state.status, 3)

    return min(free, key=rank) if free else next(iter(station.ports.values()), None)


def _parent(token: IdToken | None) -> str:
    return "" if token is None else token.value[:20]
