"""Calls out, calls in, answers to the right one: OCPP-J on one connection, for either role."""

import asyncio
import contextvars
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from structlog.typing import FilteringBoundLogger

from agents.runtime.agent import Clock
from agents.runtime.database.store_errors import StoreUnavailable
from agents.runtime.ocpp.connection import Connection, ConnectionLost
from agents.runtime.ocpp.dialect import Action, Dialect
from agents.runtime.ocpp.errors import (
    Answered,
    CallRefused,
    CallTimeout,
    InvalidPayload,
    NoAnswer,
    Refusal,
    Violation,
)
from agents.runtime.ocpp.frames import (
    CALL,
    MAX_FRAME_BYTES,
    NO_ID,
    Call,
    CallError,
    CallResult,
    Malformed,
    read_frame,
    write_call,
    write_error,
    write_payload,
    write_result,
)
from agents.runtime.ocpp.schema import without_nulls
from agents.runtime.ocpp.traffic import Traffic

Handler = Callable[[Any], Awaitable[Any]]
"""Gets the request's dataclass and returns the response's, or :class:`Answered`; may raise :class:`Refusal`."""

CALL_TIMEOUT_S = 30.0
"""How long an answer is waited for unless the caller says otherwise (SteVe waits as long)."""

MAX_WAITING_CALLS = 64
"""Calls of the peer that may wait or be under way; the peer should have one."""

REMEMBERED_IDS = 32
"""How many of the peer's last message ids are remembered, to notice one that comes again."""

_turn: contextvars.ContextVar["_Turn | None"] = contextvars.ContextVar("ocpp_turn", default=None)


class _Turn:
    """The right of one call of the peer to be handled before those that came after it."""

    __slots__ = ("dispatcher",)

    def __init__(self, dispatcher: "Dispatcher") -> None:
        self.dispatcher: Dispatcher | None = dispatcher

    def end(self) -> None:
        dispatcher, self.dispatcher = self.dispatcher, None
        if dispatcher is not None:
            dispatcher._turn_over()


class Dispatcher:
    """One connection's calls and answers.

    One CALL of ours is outstanding at a time. The peer's calls are handled in the order they came in, one after the
    other; a handler that calls the peer gives up its turn by that, so that a peer which first wants to be answered
    itself is answered. No handler and no message of the peer ends :meth:`run`.
    """

    def __init__(
        self,
        connection: Connection,
        dialect: Dialect,
        handlers: Mapping[str, Handler],
        *,
        clock: Clock,
        message_ids: Callable[[], str],
        log: FilteringBoundLogger,
        call_timeout_s: float = CALL_TIMEOUT_S,
        max_frame_bytes: int = MAX_FRAME_BYTES,
        traffic: Traffic | None = None,
    ) -> None:
        """Serve ``connection``; actions of ``dialect`` without a handler are answered NotSupported.

        What is said is counted in ``traffic``, which connections may share.

        Raises :class:`ValueError` for a handler of an action that the dialect does not have.
        """
        unknown = sorted(set(handlers) - set(dialect.actions))
        if unknown:
            raise ValueError(f"{dialect.subprotocol} has no action {', '.join(unknown)}")
        self._connection = connection
        self._dialect = dialect
        self._handlers = handlers
        self._clock = clock
        self._message_ids = message_ids
        self.log = log
        self._call_timeout_s = call_timeout_s
        self._max_frame_bytes = max_frame_bytes
        self.counts = Traffic() if traffic is None else traffic
        self._sending = asyncio.Lock()
        self._pending: tuple[str, Action, asyncio.Future[dict[str, Any]]] | None = None
        self._given_up: deque[str] = deque(maxlen=REMEMBERED_IDS)
        self._waiting: deque[Call] = deque()
        self._on_turn: _Turn | None = None
        self._handling: set[asyncio.Task[None]] = set()
        self._seen: OrderedDict[str, tuple[int, str | None]] = OrderedDict()
        """The peer's last message ids: a fingerprint of the call, and its answer once there is one."""
        self._lost: ConnectionLost | None = None
        self._refusing: set[asyncio.Task[None]] = set()

    # Life

    async def run(self) -> None:
        """Receive until the connection is lost, then raise :class:`ConnectionLost`; handlers end with it."""
        try:
            while True:
                self._take(await self._connection.receive())
        except ConnectionLost as lost:
            self._lost = lost
            raise
        finally:
            self._end()

    def _end(self) -> None:
        if self._lost is None:
            self._lost = ConnectionLost("the dispatcher was stopped")
        self._waiting.clear()
        for task in (*self._handling, *self._refusing):
            task.cancel()
        if self._pending is not None and not self._pending[2].done():
            self._pending[2].set_exception(ConnectionLost(str(self._lost), self._lost.code))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection; :meth:`run` ends by it."""
        await self._connection.close(code, reason)

    async def alive(self, within_s: float) -> bool:
        """Tell whether the peer shows within ``within_s`` seconds that it is there. Never raises."""
        return await self._connection.alive(within_s)

    # Our calls

    async def call(self, request: Any, *, timeout_s: float | None = None) -> Any:
        """Call the peer with a dataclass and return the answer's.

        Waits its turn behind earlier calls; ``timeout_s`` counts from sending. Raises :class:`InvalidPayload`,
        :class:`CallRefused`, :class:`CallTimeout` and :class:`ConnectionLost`.
        """
        action = self._dialect.by_request[type(request)]
        text = self.encode(request)
        return action.response.from_payload(await self._exchange(action, text, timeout_s))

    def encode(self, request: Any) -> str:
        """Return the payload of a request as JSON, checked. Raises :class:`InvalidPayload`."""
        return self._dialect.encode(request)

    async def call_encoded(self, action: str, payload: str, *, timeout_s: float | None = None) -> Any:
        """Call the peer with a payload of :meth:`encode` that was kept: the same to the byte. As :meth:`call`."""
        kind = self._dialect.actions[action]
        return kind.response.from_payload(await self._exchange(kind, payload, timeout_s))

    async def _exchange(self, action: Action, payload: str, timeout_s: float | None) -> dict[str, Any]:
        turn = _turn.get()
        if turn is not None and turn.dispatcher is self:
            turn.end()
        timeout_s = self._call_timeout_s if timeout_s is None else timeout_s
        async with self._sending:
            if self._lost is not None:
                raise ConnectionLost(str(self._lost), self._lost.code)
            id = self._message_ids()
            answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
            self._pending = (id, action, answer)
            timer = asyncio.ensure_future(self._clock.sleep(timeout_s))
            timer.add_done_callback(lambda done: self._time_is_over(done, answer, action, timeout_s))
            try:
                sent_s = self._clock.monotonic_s()
                await self._connection.send(write_call(id, action.name, payload))
                self.counts.calls_sent += 1
                result = await answer
                self.counts.round_trips_ms.append((self._clock.monotonic_s() - sent_s) * 1000)
                return result
            finally:
                self._pending = None
                timer.cancel()
                if not answer.done() or answer.cancelled() or answer.exception() is not None:
                    self._given_up.append(id)
                answer.cancel()

    def _time_is_over(
        self, timer: "asyncio.Future[None]", answer: "asyncio.Future[dict[str, Any]]", action: Action, timeout_s: float
    ) -> None:
        if not timer.cancelled() and not answer.done():
            self.counts.timeouts += 1
            answer.set_exception(CallTimeout(action.name, timeout_s))

    # What comes in

    def _take(self, data: str | bytes) -> None:
        frame = read_frame(data, self._max_frame_bytes)
        if isinstance(frame, Call):
            self._take_call(frame, hash(data))
        elif isinstance(frame, Malformed):
            self._take_malformed(frame)
        else:
            self._take_answer(frame)

    def _take_malformed(self, frame: Malformed) -> None:
        self.counts.malformed += 1
        self.log.warning("ocpp_malformed", reason=frame.reason)
        if frame.ignore:
            return
        if frame.kind is None or frame.kind == CALL:
            self._refuse(frame.id or NO_ID, Violation.FORMATION, frame.reason)
        elif self._pending is not None and self._pending[0] == frame.id and not self._pending[2].done():
            action, answer = self._pending[1:]
            answer.set_exception(CallRefused(action.name, "malformed answer", frame.reason, valid=False))

    def _take_answer(self, frame: CallResult | CallError) -> None:
        if self._pending is None or self._pending[0] != frame.id or self._pending[2].done():
            if frame.id in self._given_up:
                self.counts.late += 1
                self.log.warning("ocpp_late_answer", message_id=frame.id)
            else:
                self.counts.unmatched += 1
                self.log.warning("ocpp_answer_to_nothing", message_id=frame.id[:MAX_LOGGED])
            return
        _, action, answer = self._pending
        if isinstance(frame, CallError):
            self.counts.errors_received += 1
            answer.set_exception(CallRefused(action.name, frame.code, frame.description))
            return
        payload, problem = _checked(action.lenient_response.problem, frame.payload)
        if problem is not None:
            answer.set_exception(CallRefused(action.name, "invalid answer", problem[1], valid=False))
        else:
            answer.set_result(payload)

    def _take_call(self, call: Call, fingerprint: int) -> None:
        self.counts.calls_received += 1
        known = self._seen.get(call.id)
        if known is not None:
            self._take_again(call, known[0] == fingerprint, known[1])
            return
        if len(self._waiting) + len(self._handling) >= MAX_WAITING_CALLS:
            self._refuse(call.id, Violation.GENERIC, f"{MAX_WAITING_CALLS} calls are under way; wait for an answer")
            return
        self._seen[call.id] = (fingerprint, None)
        while len(self._seen) > REMEMBERED_IDS:
            self._seen.popitem(last=False)
        self._waiting.append(call)
        if self._on_turn is None:
            self._next_turn()

    def _take_again(self, call: Call, same: bool, answer: str | None) -> None:
        """A used id: the same call is answered again, not executed again; another call is refused."""
        self.counts.duplicates += 1
        self.log.warning("ocpp_duplicate_id", message_id=call.id[:MAX_LOGGED], action=call.action[:MAX_LOGGED])
        if not same:
            self._refuse(call.id, Violation.PROTOCOL, "this message id was used for another call")
        elif answer is not None:
            self._send_soon(answer)

    # Handling the peer's calls

    def _turn_over(self) -> None:
        self._on_turn = None
        self._next_turn()

    def _next_turn(self) -> None:
        if self._waiting and self._lost is None:
            call = self._waiting.popleft()
            turn = self._on_turn = _Turn(self)
            task = asyncio.create_task(self._handle(call, turn))
            self._handling.add(task)
            task.add_done_callback(self._handling.discard)

    async def _handle(self, call: Call, turn: _Turn) -> None:
        _turn.set(turn)
        try:
            text, then = await self._answer_to(call)
            if text is not None:
                if call.id in self._seen:
                    self._seen[call.id] = (self._seen[call.id][0], text)
                await self._connection.send(text)
            if then is not None:
                then()
        except ConnectionLost:
            # run() will notice it too; the peer asks again if it still wants to know.
            self.log.info("ocpp_answer_undeliverable", action=call.action[:MAX_LOGGED])
        except Exception as error:
            # Whatever a handler's code raises must not end the connection.
            self.counts.failures += 1
            self.log.exception("ocpp_follow_up_failed", action=call.action[:MAX_LOGGED], error=type(error).__name__)
        finally:
            turn.end()

    async def _answer_to(self, call: Call) -> tuple[str | None, Callable[[], None] | None]:
        try:
            payload, then = await self._handled(call)
        except Refusal as refusal:
            return self._error(call.id, refusal.violation, refusal.description), None
        except NoAnswer:
            return None, None
        except StoreUnavailable as away:
            # The peer may ask again: it is not known here that anything was done.
            self.log.warning("ocpp_store_unavailable", action=call.action[:MAX_LOGGED], reason=str(away))
            return self._error(call.id, Violation.INTERNAL, "the receiver's database cannot be used now"), None
        except Exception as error:
            # Whatever a handler's code raises: the peer learns that it failed, the log learns how.
            self.counts.failures += 1
            self.log.exception("ocpp_handler_failed", action=call.action[:MAX_LOGGED], error=type(error).__name__)
            return self._error(call.id, Violation.INTERNAL, "the receiver failed; its log says how"), None
        return write_result(call.id, payload), then

    async def _handled(self, call: Call) -> tuple[str, Callable[[], None] | None]:
        action = self._dialect.actions.get(call.action)
        if action is None:
            raise Refusal(Violation.UNKNOWN_ACTION, f"{self._dialect.subprotocol} has no such action")
        handler = self._handlers.get(call.action)
        if handler is None:
            raise Refusal(Violation.NOT_SUPPORTED, f"{action.name} is not offered here")
        payload, problem = _checked(action.lenient_request.problem, call.payload)
        if problem is not None:
            raise Refusal(*problem)
        result = await handler(action.request.from_payload(payload))
        answer, then = (result.answer, result.then) if isinstance(result, Answered) else (result, None)
        response = action.response.to_payload(answer)
        wrong = action.strict_response.problem(response)
        if wrong is not None:
            raise InvalidPayload(f"{action.name}.conf", wrong[1])
        return write_payload(response), then

    def _error(self, id: str, violation: Violation, description: str) -> str:
        self.counts.errors_sent += 1
        return write_error(id, self._dialect.words[violation], description)

    def _refuse(self, id: str, violation: Violation, description: str) -> None:
        self._send_soon(self._error(id, violation, description))

    def _send_soon(self, text: str) -> None:
        """Send from within :meth:`run`, which must not wait for a peer that does not read."""
        if len(self._refusing) >= MAX_WAITING_CALLS:
            return
        task = asyncio.create_task(self._send_quietly(text))
        self._refusing.add(task)
        task.add_done_callback(self._refusing.discard)

    async def _send_quietly(self, text: str) -> None:
        try:
            await self._connection.send(text)
        except ConnectionLost:
            self.log.info("ocpp_answer_undeliverable")


MAX_LOGGED = 40
"""How much of a peer's words goes into the log."""

_Problem = tuple[Violation, str] | None


def _checked(problem: Callable[[Any], _Problem], payload: dict[str, Any]) -> tuple[dict[str, Any], _Problem]:
    """Return the payload and what is wrong with it; nulls are only looked for when something is."""
    found = problem(payload)
    if found is None:
        return payload, None
    cleaned: dict[str, Any] = without_nulls(payload)
    return cleaned, problem(cleaned)
