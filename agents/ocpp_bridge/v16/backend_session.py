"""One charge point towards one backend, over all its connections: boot, statuses, heartbeats, calls both ways."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from ocpp.v16 import call, call_result

from agents.ocpp_bridge.outbox import LANES
from agents.ocpp_bridge.peculiarities import PECULIARITIES
from agents.ocpp_bridge.settings import Backend
from agents.ocpp_bridge.v16.boot import Answering, Registration, answered, unanswered
from agents.ocpp_bridge.v16.draining import Drain
from agents.ocpp_bridge.v16.statuses import CHARGE_POINT, CONNECTOR, Status, Steady, notification
from agents.ocpp_bridge.waiting import Signal
from agents.runtime.ocpp import (
    CallRefused,
    CallTimeout,
    Connection,
    ConnectionLost,
    Dispatcher,
    Handler,
    NoAnswer,
    message_ids,
    parse_time,
)
from agents.runtime.ocpp.times import InvalidTime
from agents.runtime.ocpp.v16 import V16

if TYPE_CHECKING:
    from agents.ocpp_bridge.v16.charge_point import ChargePoint

STATUS_RETRY_S = 30.0
"""When a StatusNotification that was not answered is sent again. s."""

LOOK_AGAIN_S = 1.0
"""How often a status that has not stood for MinimumStatusDuration yet is looked at. s."""


class Offline(Exception):
    """The backend cannot be called now: not connected, or not accepted by it yet."""


class BackendSession:
    """The state that outlives connections, and what runs while there is one."""

    def __init__(self, charge_point: "ChargePoint", backend: Backend) -> None:
        """Speak for ``charge_point`` to ``backend``."""
        self.charge_point = charge_point
        self.backend = backend
        self.peculiarities = PECULIARITIES[backend.kind]
        self.log = charge_point.log.bind(backend=backend.name)
        self._clock = charge_point.clock
        self.registration = Registration()
        self.clock_ahead_ms: int | None = None
        """How far the backend's clock is ahead of ours, as its last answer told."""
        self.dispatcher: Dispatcher | None = None
        self._steady = {CHARGE_POINT: Steady(), CONNECTOR: Steady()}
        self._statuses = Signal(self._clock)
        self._heartbeat = Signal(self._clock)
        self._boot = Signal(self._clock)
        self.drain = Drain(self)
        self.reconnect: Callable[[str], Coroutine[Any, Any, None]] = _nowhere

    @property
    def primary(self) -> bool:
        """Whether this backend decides."""
        return self.backend.role == "primary"

    @property
    def online(self) -> bool:
        """Whether the backend can be called now."""
        return self.dispatcher is not None and self.registration.accepted

    async def call(self, request: Any, *, timeout_s: float | None = None) -> Any:
        """Call the backend. Raises :class:`Offline`, and what :meth:`Dispatcher.call` raises."""
        dispatcher = self.dispatcher
        if dispatcher is None or not self.registration.accepted:
            raise Offline
        return await dispatcher.call(request, timeout_s=timeout_s)

    async def try_call(self, request: Any) -> Any:
        """Call the backend; return None if that does not succeed, which is logged."""
        try:
            return await self.call(request)
        except (Offline, CallRefused, CallTimeout, ConnectionLost) as error:
            self.log.info("not_delivered", action=type(request).__name__, reason=str(error) or "offline")
            return None

    # Life of a connection

    async def serve(self, connection: Connection) -> None:
        """Use ``connection`` until it is lost; raises :class:`ConnectionLost` then."""
        charge_point = self.charge_point
        dispatcher = Dispatcher(
            connection,
            V16,
            self._handlers(charge_point.handlers(self)),
            clock=self._clock,
            message_ids=message_ids(charge_point.random),
            log=self.log,
            call_timeout_s=charge_point.settings.call_timeout_s,
            traffic=charge_point.shared.traffic[self.backend.name],
        )
        self.dispatcher = dispatcher
        receiving = asyncio.create_task(dispatcher.run())
        living = asyncio.create_task(self._live(dispatcher))
        try:
            await asyncio.wait({receiving, living}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.dispatcher = None
            for task in (receiving, living):
                task.cancel()
            ends = await asyncio.gather(receiving, living, return_exceptions=True)
        for end in ends:
            if isinstance(end, ConnectionLost):
                raise end
        for end in ends:
            if isinstance(end, Exception) and not _only_lost(end):
                # A defect here costs this connection, not the charge point.
                self.log.error("session_failed", error=type(end).__name__, exc_info=end)
        raise ConnectionLost("the connection has ended")

    async def _live(self, dispatcher: Dispatcher) -> None:
        await self._register(dispatcher)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell_statuses())
            group.create_task(self._beat())
            for lane in LANES:
                group.create_task(self.drain.run(lane))

    async def _register(self, dispatcher: Dispatcher) -> None:
        """Send BootNotification until it is accepted. A connection that was lost is no reboot."""
        while not self.registration.accepted:
            wait_ms = self.registration.next_ms - self._clock.now_ms()
            if wait_ms > 0:
                await self._boot.wait(wait_ms / 1000)
            try:
                answer = await dispatcher.call(self.charge_point.boot_notification())
            except (CallRefused, CallTimeout) as error:
                self.log.warning("boot_not_answered", reason=str(error))
                self.registration = unanswered(self.registration, self._clock.now_ms())
                continue
            self._registered(answer)
            await self.charge_point.registered(self, answer.interval)

    def _registered(self, answer: Any) -> None:
        self._compare_clocks(answer.current_time)
        self.registration = answered(str(answer.status), answer.interval, self._clock.now_ms())
        self.log.info("boot_answered", status=self.registration.status, interval_s=answer.interval)
        if self.registration.accepted:
            for steady in self._steady.values():
                steady.told = None
            self.see_statuses()

    def rebooted(self) -> None:
        """Say that the charger has rebooted: the backend hears of it anew."""
        self.registration = Registration()

    def boot_now(self) -> None:
        """Send BootNotification at once, because the backend has asked for it."""
        self.registration = Registration(self.registration.status, 0, self.registration.heartbeat_s)
        self._boot.set()

    async def boot_again(self) -> None:
        """Send BootNotification although accepted: the backend has triggered it."""
        if self.dispatcher is None:
            return
        try:
            self._compare_clocks((await self.dispatcher.call(self.charge_point.boot_notification())).current_time)
        except (CallRefused, CallTimeout, ConnectionLost) as error:
            self.log.info("not_delivered", action="BootNotification", reason=str(error))

    # Statuses

    def see_statuses(self) -> None:
        """Take what the charger is now; what has changed is told."""
        now_ms = self._clock.now_ms()
        for status in self.charge_point.statuses():
            self._steady[status.connector_id].take(status, now_ms)
        self._statuses.set()

    async def _tell_statuses(self) -> None:
        minimum_s = self.charge_point.configuration.number("MinimumStatusDuration")
        while True:
            waiting = False
            for connector_id in (CHARGE_POINT, CONNECTOR):
                steady = self._steady[connector_id]
                due = steady.due(minimum_s, self._clock.now_ms())
                if due is not None:
                    if not await self.tell_status(due):
                        await self._statuses.wait(STATUS_RETRY_S)
                    waiting = True
                elif steady.wanted != steady.told:
                    waiting = True
            await self._statuses.wait(LOOK_AGAIN_S if waiting else None)
            minimum_s = self.charge_point.configuration.number("MinimumStatusDuration")

    async def tell_status(self, status: Status) -> bool:
        """Send a StatusNotification; return whether the backend has answered."""
        steady = self._steady[status.connector_id]
        try:
            await self.call(notification(status, max(steady.since_ms, 0) or self._clock.now_ms()))
        except CallRefused as refused:
            self.log.warning("status_refused", reason=str(refused))
        except (CallTimeout, Offline):
            return False
        steady.told = status
        return True

    # Heartbeats

    async def _beat(self) -> None:
        while True:
            interval_s = self.charge_point.configuration.number("HeartbeatInterval") or self.registration.heartbeat_s
            began_s = self._clock.monotonic_s()
            await self._heartbeat.wait(interval_s)
            if self._clock.monotonic_s() - began_s < interval_s:
                continue  # The interval was changed.
            await self.beat()

    async def beat(self) -> None:
        """Send a Heartbeat."""
        answer = await self.try_call(call.Heartbeat())
        if answer is not None:
            self._compare_clocks(answer.current_time)

    def heartbeat_changed(self) -> None:
        """Say that the interval is another one now."""
        self._heartbeat.set()

    def _compare_clocks(self, current_time: str) -> None:
        try:
            self.clock_ahead_ms = parse_time(current_time) - self._clock.now_ms()
        except InvalidTime:
            self.log.warning("backend_time_unreadable")

    # The backend's calls

    def _handlers(self, handlers: Mapping[str, Handler]) -> dict[str, Handler]:
        return {action: self._guarded(action, handler) for action, handler in handlers.items()}

    def _guarded(self, action: str, handler: Handler) -> Handler:
        async def guarded(request: Any) -> Any:
            answering = self.registration.answering(action)
            if answering is Answering.SILENT:
                raise NoAnswer
            if answering is Answering.REFUSE:
                return getattr(call_result, action)("Rejected")
            return await handler(request)

        return guarded


def _only_lost(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_only_lost(each) for each in error.exceptions)
    return isinstance(error, ConnectionLost | asyncio.CancelledError)


async def _nowhere(_reason: str) -> None:
    """Stand in until there is a link."""
