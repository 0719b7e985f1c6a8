"""The way onto the bus: typed by the contract on top, a transport below."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from agents.runtime.agent import BusUnavailable, Clock
from agents.runtime.counters import Counters
from bus_schema import ContractError, Message, Role, Topic

M = TypeVar("M", bound=Message)

MAX_CACHED_TOPICS = 4096
"""How many formatted topics a bus remembers."""


class Transport(Protocol):
    """What carries messages: a real MQTT client or a simulated bus."""

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        """Give the message to the broker; at QoS 1 return once it has acknowledged it.

        Raises :class:`agents.runtime.agent.BusUnavailable`.
        """


@dataclass(frozen=True, slots=True)
class Publication:
    """A message ready to be published, for example a will."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class TypedBus:
    """The :class:`agents.runtime.agent.Bus` of one agent, on any transport."""

    def __init__(self, site: str, agent: str, transport: Transport, clock: Clock, counters: Counters) -> None:
        """Publish as ``agent`` at ``site``."""
        self._site = site
        self._role = role_of(agent)
        self._transport = transport
        self._clock = clock
        self._counters = counters
        self._topics: dict[tuple[str, ...], str] = {}

    @property
    def site(self) -> str:
        """The site whose topics this bus publishes."""
        return self._site

    async def publish(self, topic: Topic[M], message: M, **ids: str) -> None:
        """Publish with the topic's own QoS and retain; at QoS 1 return once the broker has it.

        Raises :class:`BusUnavailable`, and :class:`ContractError` if the message is too large (``too_large``) or the
        contract does not let this agent write the topic (``not_allowed``): the broker would drop it in silence.
        """
        self._check_writer(topic)
        await self._send(self._format(topic, ids), topic.encode(message), topic.qos, topic.retained)

    async def clear(self, topic: Topic[M], **ids: str) -> None:
        """Remove the retained message of a ``clearable`` topic. Raises as :meth:`publish` does."""
        if not topic.clearable:
            raise ContractError("not_allowed", f"{topic.name} is never cleared")
        self._check_writer(topic)
        await self._send(self._format(topic, ids), b"", topic.qos, retain=True)

    def _check_writer(self, topic: Topic[M]) -> None:
        if self._role is not None and self._role not in topic.writers:
            raise ContractError("not_allowed", f"{self._role} may not write {topic.name}")

    def _format(self, topic: Topic[M], ids: dict[str, str]) -> str:
        key = (topic.name, *ids, *ids.values())
        text = self._topics.get(key)
        if text is None:
            if len(self._topics) >= MAX_CACHED_TOPICS:
                self._topics.clear()
            text = self._topics[key] = topic.format(self._site, **ids)
        return text

    async def _send(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        try:
            await self._transport.publish(topic, payload, qos, retain)
        except BusUnavailable:
            self._counters.publish_failures += 1
            raise
        self._counters.published += 1


def role_of(agent: str) -> Role | None:
    """Return the role that the contract knows ``agent`` as, or None for a name of a site's own making."""
    return next((role for role in Role if role == agent), None)
