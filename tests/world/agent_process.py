"""A process that runs a real agent: its host, its database file, its connection; and ``kill -9``.

A killed agent does not even notice: the coroutine in which it dies never goes on, its transaction is rolled back,
its acknowledgements are not sent. It is then built anew on the same database.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import structlog
from pydantic import BaseModel

from agents.runtime.agent import Agent, BusUnavailable
from agents.runtime.database.store import Store, StoreUnavailable
from agents.runtime.host import AgentHost, RawMessage
from tests.world.broker import Broker, Packet
from tests.world.entropy import stream
from tests.world.link import BusClient, LinkFaults
from tests.world.loop import VirtualLoop

Gate = Callable[[str], str]
"""Asked at every point of an agent's work (``publish``, ``published``, ``commit``, ``committed``); answers ``go``,
``die`` or ``busy`` (the database is locked)."""


class AgentClock:
    """The agents' seam for time, on the virtual loop; ``skew_ms`` makes UTC wrong."""

    def __init__(self, loop: VirtualLoop, epoch_ms: int) -> None:
        self.skew_ms = 0
        self._loop, self._epoch_ms = loop, epoch_ms

    def now_ms(self) -> int:
        return self._epoch_ms + self._loop.now_ms + self.skew_ms

    def monotonic_s(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Life:
    """One life of the process: whoever belongs to a past one waits for ever instead of having an effect."""

    def __init__(self, gate: Gate, die: Callable[[], None]) -> None:
        self.over = False
        self.waiting: set[asyncio.Future[Any]] = set()
        """What its coroutines wait for: kept also after its death, for they wait for ever then."""
        self._gate, self._die = gate, die

    async def pass_gate(self, point: str) -> None:
        answer = "dead" if self.over else self._gate(point)
        if answer == "busy":
            raise StoreUnavailable("database locked (by the world)")
        if answer != "go":
            if not self.over:
                self._die()
            await self.limbo()

    async def limbo(self) -> None:
        """Never return."""
        never = asyncio.get_running_loop().create_future()
        self.waiting.add(never)
        await never


class _Store(Store):
    """What one life sees of the database file.

    All lives share the engine and its connection: no transaction is ever open when one dies, and what SQLite makes of
    a file whose process is gone is its own business.
    """

    def __init__(self, database: Store, life: _Life) -> None:
        # Nothing of its own is opened, hence no super().__init__().
        self._database, self._life = database, life
        self._file = None  # Damaged files are not this world's business.

    async def run(self, work: Callable[[Any], Any]) -> Any:
        await self._life.pass_gate("commit")
        result = await self._database.run(work)
        await self._life.pass_gate("committed")
        return result

    def close(self) -> None:
        return


class _Transport:
    def __init__(self, client: BusClient, life: _Life) -> None:
        self._client, self._life = client, life

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        await self._life.pass_gate("publish")
        done = asyncio.get_running_loop().create_future()
        sent = self._client.publish(topic, payload, qos, retain, lambda ok: done.done() or done.set_result(ok))
        if not sent:
            raise BusUnavailable("not connected (in the world)")
        if qos:
            self._life.waiting.add(done)
            if not await done:
                raise BusUnavailable("the connection broke before the broker had answered (in the world)")
            self._life.waiting.discard(done)
        await self._life.pass_gate("published")


class AgentProcess:
    """One agent of the site. ``database`` is a file that has been migrated already."""

    def __init__(
        self,
        loop: VirtualLoop,
        broker: Broker,
        faults: LinkFaults,
        agent_type: type[Agent[Any]],
        settings: BaseModel,
        *,
        site: str,
        seed: int,
        epoch_ms: int,
        database: Path,
        gate: Gate = lambda _point: "go",
    ) -> None:
        self.name = agent_type.name
        self.clock = AgentClock(loop, epoch_ms)
        self.database = database
        self._opened = Store(f"sqlite:///{database}", agent_type.migrations, threaded=False)
        self.deaths = 0
        self.host: AgentHost | None = None
        self._loop, self._site = loop, site
        self._agent_type, self._settings, self._gate = agent_type, settings, gate
        self._random: Random = stream(seed, "agent", self.name)
        self._store: _Store | None = None
        self._life: _Life | None = None
        self._starting: asyncio.Task[None] | None = None
        self._past: list[_Life] = []
        self._restarting: asyncio.Task[None] | None = None
        self.client = BusClient(
            loop,
            broker,
            stream(seed, "link", self.name),
            faults,
            user=self.name,
            client_id=f"{site}-{self.name}",
            clean=False,
            will=self._will,
            subscriptions=lambda: self._live.subscriptions(),
            on_message=self._deliver,
            on_up=lambda: self._live.connected(),
            on_down=lambda: None if self.host is None else self.host.disconnected(),
        )

    @property
    def running(self) -> bool:
        return self.host is not None

    @property
    def _live(self) -> AgentHost:
        assert self.host is not None
        return self.host

    def start(self) -> None:
        """Start the process, as systemd would."""
        if self.host is not None:
            return
        self._life = life = _Life(self._gate, self.kill)
        self._store = _Store(self._opened, life)
        self.host = AgentHost(
            self._agent_type,
            self._settings,
            _Transport(self.client, life),
            self.clock,
            self._store,
            site=self._site,
            log=_log(self._loop.failures),
            random=Random(self._random.getrandbits(64)),
        )
        self._starting = self._loop.create_task(self._start(self.host))

    async def _start(self, host: AgentHost) -> None:
        try:
            await host.start()
        except StoreUnavailable:
            self.kill()
            return
        if self.host is host:
            self.client.start()

    def kill(self) -> None:
        """``kill -9``, and a new start a little later."""
        host, life = self.host, self._life
        if host is None or life is None:
            return
        self.deaths += 1
        life.over = True
        self._past.append(life)
        self.host = None
        self.client.die(power=False)
        store = self._store
        self._loop.call_soon(self._bury, host, store)
        self._loop.at(self._loop.now_ms + self._random.randrange(100, 20_000), self.start)

    def _bury(self, host: AgentHost, store: Store | None) -> None:
        # Later than the death itself, which may happen inside one of the tasks that are cancelled here.
        host.kill()
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
        if store is not None:
            store.close()

    def discard(self) -> None:
        """The world is over."""
        if self._life is not None:
            self._life.over = True
        self._opened.close()

    def restart(self) -> None:
        """Stop in order and start again."""
        if self._restarting is None or self._restarting.done():
            self._restarting = self._loop.create_task(self._restart())

    async def _restart(self) -> None:
        host, store = self.host, self._store
        if host is None or store is None:
            return
        await host.stop()
        if self.host is host:
            self.host = None
            self.client.stop()
            store.close()
            self.start()

    def _will(self) -> Packet:
        will = self._live.will()
        return Packet(will.topic, will.payload, will.qos, will.retain)

    def _deliver(self, packet: Packet, acknowledge: Callable[[], None]) -> None:
        life = self._life
        if self.host is not None and life is not None:
            self.host.deliver(
                RawMessage(
                    packet.topic,
                    packet.payload,
                    packet.qos,
                    packet.retained,
                    lambda: None if life.over else acknowledge(),
                )
            )


class _Nowhere:
    """A logger that drops everything."""

    def msg(self, *args: object, **kwargs: object) -> None:
        return None

    debug = info = warning = error = exception = critical = msg


def _log(failures: list[BaseException]) -> Any:
    """Return a log that keeps the exceptions which an agent's code has raised and its host has caught."""

    def keep(_logger: object, _method: str, event: Any) -> Any:
        error = sys.exc_info()[1]
        if event.get("exc_info") and error is not None:
            failures.append(error)
        raise structlog.DropEvent

    return structlog.wrap_logger(_Nowhere(), processors=[keep])
