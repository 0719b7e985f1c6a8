"""What an agent is: a class with typed handlers that gets its bus, clock and store handed in.

::

    class Ledger(Agent[LedgerSettings]):
        \"\"\"Commits session events.\"\"\"

        name = "ledger"
        settings_type = LedgerSettings

        @on(CHARGER_EVENT, batch=500)
        async def commit(self, events: list[Received[Event]]) -> None: ...

        @on(CHARGER_ONLINE)
        async def seen(self, received: Received[Online]) -> None: ...

        @every(60)
        async def tidy(self) -> None: ...

A message is acknowledged to the broker after its handler has returned, so a handler that commits before it returns
loses nothing when the process dies. Handlers must therefore be idempotent (invariant 5).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel

from agents.runtime.quota import Quotas
from bus_schema import Address, Message, Topic

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from agents.runtime.database.store import Store

M = TypeVar("M", bound=Message)
S = TypeVar("S", bound=BaseModel)
F = TypeVar("F", bound=Callable[..., Awaitable[None]])


@dataclass(frozen=True, slots=True)
class Received(Generic[M]):
    """A message that has come over the bus and has been read."""

    message: M
    """The message."""
    address: Address
    """Where it came from: row of the table, site and ids."""
    retained: bool
    """True if the broker had kept it: it may be old."""
    received_ms: int
    """When it came, UTC in milliseconds by this agent's clock."""

    @property
    def charger(self) -> str:
        """Id of the charger whose topic this is. Raises :class:`KeyError` on topics that have none."""
        return self.address.ids["charger"]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that breaks the contract, for an agent that must not simply drop it."""

    payload: bytes
    """As it came; may hold what belongs in no log."""
    address: Address
    """Where it came from."""
    reason: str
    """Which field is wrong and what was expected."""
    received_ms: int
    """When it came, UTC in milliseconds by this agent's clock."""

    @property
    def charger(self) -> str:
        """Id of the charger whose topic this is. Raises :class:`KeyError` on topics that have none."""
        return self.address.ids["charger"]


class BusUnavailable(Exception):
    """A message could not be given to the broker in time; nothing is known about its delivery. Try again later."""


class NotAllowed(Exception):
    """A handler will not act on a message because its sender may not ask for that; the text says who and what.

    The runtime counts it, reports it on ``rejected`` and goes on: it is neither an error of the agent nor tried again.
    """


class CannotStart(Exception):
    """An agent cannot run as it is configured; the text says what to change. Starting it again does not help."""


class Bus(Protocol):
    """The way onto the bus, typed by the contract."""

    @property
    def site(self) -> str:
        """The site whose topics this bus publishes."""

    async def publish(self, topic: Topic[M], message: M, **ids: str) -> None:
        """Publish with the topic's own QoS and retain; at QoS 1 return once the broker has it.

        Raises :class:`BusUnavailable` when not connected, and :class:`bus_schema.ContractError` if the message is too
        large.
        """

    async def clear(self, topic: Topic[M], **ids: str) -> None:
        """Remove the retained message of a ``clearable`` topic."""


class Clock(Protocol):
    """Time, handed in so that a test may make it."""

    def now_ms(self) -> int:
        """UTC in milliseconds since 1970. May jump."""

    def monotonic_s(self) -> float:
        """Seconds that never go back."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


@dataclass(frozen=True)
class Context(Generic[S]):
    """Everything that an agent is given."""

    settings: S
    """The agent's section of ``site.toml``, validated."""
    bus: Bus
    """The way onto the bus."""
    clock: Clock
    """Time."""
    store: Store | None
    """The agent's own database, None for one that keeps nothing."""
    log: FilteringBoundLogger
    """Structured log, bound to the agent's name."""
    random: Random = field(default_factory=SystemRandom)
    """Chance, for ids and delays; a test hands in a seeded one. Never for secrets."""
    quotas: Quotas = field(default_factory=Quotas)
    """How much each sender may ask of the agent; what is refused shows in its health, metrics and alarm."""


@dataclass(frozen=True)
class Subscription:
    """What a handler wants to hear. Made by :func:`on` and :func:`on_cleared`."""

    topic: Topic[Any]
    batch: int
    """0: one message a call; else a list of at most so many."""
    cleared: bool
    qos: int
    fair: bool = False
    """Chargers are served in turn, and :meth:`Agent.admits` is asked about each message."""
    unreadable: bool = False
    """It wants what cannot be read."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What an agent keeps on disk until somebody else takes it."""

    count: int
    oldest_s: int
    """How long the oldest has waited, 0 when there is none."""


def on(
    topic: Topic[M], *more: Topic[Any], batch: int = 0, qos: int | None = None, fair: bool = False
) -> Callable[[F], F]:
    """Mark a method as the handler of a topic, or of several.

    It gets a :class:`Received`, or, with ``batch``, a list of what has arrived, at most so many, so that one
    transaction commits them all. An agent may have one handler for a topic.

    ``qos`` below the topic's own is for what is worth nothing when it is late: at 0 the broker keeps none of it for an
    agent that is away, and a full queue drops the oldest.

    With ``fair`` a charger that floods the topic delays no other: chargers are served in turn, their own messages stay
    in order, and :meth:`Agent.admits` may refuse what exceeds a quota.
    """
    wanted = [Subscription(each, batch, False, each.qos if qos is None else qos, fair) for each in (topic, *more)]
    return _mark("_subscriptions", tuple(wanted))


def on_cleared(topic: Topic[M]) -> Callable[[F], F]:
    """Mark a method as the handler for the removal of a retained message; it gets the :class:`Address`."""
    return _mark("_subscriptions", (Subscription(topic, 0, True, topic.qos),))


def on_unreadable(topic: Topic[M]) -> Callable[[F], F]:
    """Mark a method that gets each :class:`Unreadable` message of a topic, before it is acknowledged.

    It is reported and counted as rejected all the same. The topic needs a handler of its own, too.
    """
    return _mark("_subscriptions", (Subscription(topic, 0, False, topic.qos, unreadable=True),))


def every(seconds: float) -> Callable[[F], F]:
    """Mark a method without arguments to be called at this distance, the first time after one such distance."""
    return _mark("_period_s", seconds)


def _mark(attribute: str, value: object) -> Callable[[F], F]:
    def decorate(method: F) -> F:
        setattr(method, attribute, value)
        return method

    return decorate


@dataclass(frozen=True, slots=True)
class Gauge:
    """A figure of an agent's own for Prometheus."""

    name: str
    """With its unit, without the prefix ``chargebus_``."""
    text: str
    """What it is."""
    labels: Mapping[str, str]
    """Beside agent and site; the same names wherever ``name`` is the same."""
    value: float


class Agent(Generic[S]):
    """Base of all agents. The process around it connects, routes, reports health and stops it gracefully."""

    name: ClassVar[str]
    """Id of the agent: its folder, its section of ``site.toml``, its broker user, its health topic."""
    settings_type: ClassVar[type[BaseModel]]
    """Pydantic model of its section of ``site.toml``."""
    migrations: ClassVar[str | None] = None
    """Import path of its Alembic migrations (``agents.ledger.migrations``), or None if it keeps nothing."""
    beside: ClassVar[tuple[str, ...]] = ()
    """Filters beside the contract's topics that it listens to, at QoS 0: the broker's own ``$SYS``."""
    local_store: ClassVar[bool] = False
    """True for an agent that must work while the site's database is away: its store is always a file here."""

    @classmethod
    def identity(cls, settings: Any) -> str:
        """Return the id of this process of the agent: its client id, its file, its health.

        The agent's name, but where several processes share its work.
        """
        return cls.name

    def __init__(self, context: Context[S]) -> None:
        """Keep what the agent was given."""
        self.context = context
        self.settings = context.settings
        self.bus = context.bus
        self.clock = context.clock
        self.log = context.log
        self.random = context.random
        self.quotas = context.quotas

    @property
    def store(self) -> Store:
        """The agent's own database. Raises :class:`LookupError` for one without :attr:`migrations`."""
        if self.context.store is None:
            raise LookupError(f"{self.name} keeps nothing: it has no migrations")
        return self.context.store

    async def start(self) -> None:
        """Prepare: called once, with the store migrated, before the first message. May raise :class:`CannotStart`."""

    async def stop(self) -> None:
        """Finish: called once, after the last handler has returned and while the bus is still connected."""

    def kill(self) -> None:
        """End at once whatever the agent has started beside its handlers, as ``kill -9`` would: for tests."""

    def problems(self) -> list[str]:
        """Say in words what keeps the agent from its work; published in its health."""
        return []

    def heard_beside(self, topic: str, payload: bytes) -> None:
        """Take a message that came by one of the filters :attr:`beside`; must not block or raise."""

    def waiting(self, now_ms: int) -> Waiting | None:
        """Return what it keeps on disk until somebody else takes it; published in its health."""
        return None

    def wants(self, address: Address) -> bool:
        """Say whether messages of this topic are this process's to handle; asked once for each topic.

        What nobody here wants is acknowledged unread: another process of the agent has it.
        """
        return True

    def admits(self, address: Address) -> bool:
        """Say whether a message of a ``fair`` topic is within its sender's quota; must not block or raise.

        One that is not is acknowledged to the broker unread, so that the queue moves on. Only for messages that their
        sender keeps and sends again until it has an answer of this agent's own, as chargers do with events.
        """
        return True

    def gauges(self) -> Iterable[Gauge]:
        """Return figures of the agent's own for Prometheus. Called from another thread: only reads what is there."""
        return ()
