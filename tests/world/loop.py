"""An asyncio event loop in virtual time: no threads, no sockets, no waiting.

Time is a whole number of milliseconds. When nothing is ready, it jumps to the next timer. Timers due at the same
millisecond run in the order in which they were made, so that a run is a function of its inputs alone.
"""

import asyncio
import heapq
import math
from collections import deque
from collections.abc import Callable
from typing import Any


class Deadlock(Exception):
    """Somebody waits, but no timer is left that could wake them."""


class Livelock(Exception):
    """Something happens again and again and time does not go on."""


MOST_AT_ONCE = 50_000
"""More timers and callbacks than this at one millisecond are a livelock."""


class WallTimeUsed(Exception):
    """Code under test asked for a thread or a socket, which would make the run depend on the machine."""


class _Timer(asyncio.TimerHandle):
    __slots__ = ()

    def __call__(self) -> None:
        if not self._cancelled:
            self._run()


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop. ``now_ms`` is the present; :meth:`at` is a cheap timer for what is no coroutine."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0
        self.steps = 0
        self.failures: list[BaseException] = []
        self._heap: list[tuple[int, int, Callable[[], object]]] = []
        self._made = 0
        self._queue: deque[asyncio.Handle] = self._ready
        self.set_exception_handler(self._keep_failure)

    def time(self) -> float:
        return self.now_ms / 1000

    def at(self, when_ms: int, call: Callable[[], object]) -> None:
        """Call ``call`` at ``when_ms`` (or at once after what is due now, if that is past). It cannot be cancelled."""
        self._made += 1
        heapq.heappush(self._heap, (when_ms if when_ms > self.now_ms else self.now_ms, self._made, call))

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Any = None) -> _Timer:
        timer = _Timer(when, callback, args, self, context)
        timer._scheduled = False  # the base class then leaves its own heap alone when the timer is cancelled
        # Rounded up, so that a sleeper never wakes early, but not for what is only the error of a float.
        self.at(math.ceil(round(when * 1000, 3)), timer)
        return timer

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.Handle:
        # As the base class does it, without its checks for closed loops and other threads: this is called most.
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None) -> _Timer:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def run_until(self, when_ms: int) -> None:
        """Run until nothing is left that is due by ``when_ms``, and set the clock there.

        The first exception that nobody awaited is raised here: a world in which one was lost is not a good one.
        """
        asyncio._set_running_loop(self)
        heap, ready, pop = self._heap, self._queue, heapq.heappop
        here_ms, done_here = self.now_ms, 0
        try:
            while True:
                while ready:
                    handle = ready.popleft()
                    if not handle._cancelled:
                        handle._run()
                        done_here += 1
                        if done_here > MOST_AT_ONCE:
                            raise Livelock(f"{handle!r} at {self.now_ms} ms")
                    handle = None  # a task that failed unseen tells it when nothing refers to it any more
                if self.failures:
                    raise self.failures[0]
                if not heap or heap[0][0] > when_ms:
                    break
                self.now_ms, _, call = pop(heap)
                if self.now_ms != here_ms:
                    here_ms, done_here = self.now_ms, 0
                done_here += 1
                if done_here > MOST_AT_ONCE:
                    raise Livelock(f"{call!r} at {self.now_ms} ms")
                self.steps += 1
                call()
        finally:
            asyncio._set_running_loop(None)
        self.now_ms = max(self.now_ms, when_ms)

    def finish(self, coroutine: Any, limit_ms: int = 3_600_000) -> Any:
        """Run a coroutine to its end and return its result; :class:`Deadlock` if it has none by ``limit_ms`` later."""
        task = self.create_task(coroutine)
        give_up = self.now_ms + limit_ms
        while not task.done():
            self.run_until(self.now_ms)
            if task.done():
                break
            if not self._heap or self._heap[0][0] > give_up:
                raise Deadlock(f"{task!r} waits for ever")
            self.run_until(self._heap[0][0])
        return task.result()

    def end(self) -> None:
        """Cancel whatever still waits and close: the world is over."""
        self.failures.clear()
        for _ in range(3):
            for task in asyncio.all_tasks(self):
                task.cancel()
            self.set_exception_handler(lambda _loop, _context: None)
            self.run_until(self.now_ms)
        self.close()

    def _keep_failure(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.failures.append(context.get("exception") or RuntimeError(context["message"]))

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        raise WallTimeUsed(f"a thread was wanted for {func!r}")

    def _write_to_self(self) -> None:
        raise WallTimeUsed("a thread or signal wants to wake the loop")

    def _process_events(self, event_list: list[Any]) -> None:
        raise WallTimeUsed("a socket was used")
