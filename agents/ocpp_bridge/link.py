"""One charge point's way to one backend: connect, serve, and connect again, for ever."""

from collections.abc import Awaitable, Callable
from random import Random

from structlog.typing import FilteringBoundLogger

from agents.ocpp_bridge.connecting import Connector, Target, Unreachable
from agents.ocpp_bridge.waiting import Signal
from agents.runtime.agent import Clock
from agents.runtime.backoff import full_jitter
from agents.runtime.database.store_errors import StoreUnavailable
from agents.runtime.ocpp import Connection, ConnectionLost

FIRST_DELAY_S = 1.0
"""First bound of the delay before the next attempt."""

GOOD_AFTER_S = 60.0
"""A connection that has lived so long was a good one: the next attempt begins anew with short delays."""


class Link:
    """Keeps a connection. Every refusal is tried again: a 404 or 401 ends when somebody mends it there."""

    def __init__(
        self,
        connector: Connector,
        target: Callable[[], Awaitable[Target]],
        serve: Callable[[Connection], Awaitable[None]],
        *,
        clock: Clock,
        random: Random,
        log: FilteringBoundLogger,
        max_delay_s: float,
    ) -> None:
        """``target`` says where to connect at every attempt; ``serve`` uses a connection until it is lost."""
        self._connector = connector
        self._target = target
        self._serve = serve
        self._clock = clock
        self._random = random
        self.log = log
        self._max_delay_s = max_delay_s
        self._connection: Connection | None = None
        self._again = Signal(clock)
        self.problem: str | None = None
        """Why there is no connection, in words; None while there is one, and before the first attempt."""
        self.attempts = 0
        """Attempts in vain since the last good connection."""
        self.down_since_ms: int | None = clock.now_ms()
        """Since when there is no connection; None while there is one."""

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None

    async def run(self) -> None:
        """Connect and serve until cancelled."""
        while True:
            began_s = self._clock.monotonic_s()
            try:
                await self._once()
            except Unreachable as error:
                if str(error) != self.problem:
                    self.log.warning("backend_unreachable", reason=str(error))
                self.problem = str(error)
            except StoreUnavailable as error:
                self.problem = str(error)
                self.log.warning("store_unavailable", reason=str(error))
            except ConnectionLost as lost:
                self.problem = f"the connection was lost: {lost}"
                self.log.info("backend_lost", reason=str(lost))
                if self._clock.monotonic_s() - began_s >= GOOD_AFTER_S:
                    self.attempts = 0
            except Exception as error:
                # A defect in one connection's code must not take the charge point away from its backend for ever.
                self.problem = f"a defect of the bridge ({type(error).__name__}); its log has the details"
                self.log.exception("link_failed", error=type(error).__name__)
            delay_s = full_jitter(self._random, self.attempts, FIRST_DELAY_S, self._max_delay_s)
            self.attempts += 1
            await self._again.wait(delay_s)

    async def _once(self) -> None:
        connection = await self._connector.connect(await self._target())
        self._connection, self.problem, self.down_since_ms = connection, None, None
        self.log.info("backend_connected")
        try:
            await self._serve(connection)
        finally:
            self._connection, self.down_since_ms = None, self._clock.now_ms()
            await connection.close(1001, "the charge point leaves")

    async def reconnect(self, reason: str) -> None:
        """Close the connection; the next attempt comes soon."""
        self.attempts = 0
        if self._connection is None:
            self._again.set()
        else:
            await self._connection.close(1000, reason)
