"""How late this machine alone wakes somebody up: what no program on it can be better than."""

import threading
import time
from types import TracebackType
from typing import Self

EVERY_S = 0.002
"""Distance of the moments at which it wants to be woken up."""


class Lateness:
    """Sleeps in a thread of its own for as long as it is entered, and notes how much too long each time."""

    def __init__(self) -> None:
        """Have noted nothing."""
        self._late_ms: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def p99_ms(self) -> float:
        """Return by how much at most 1 % of the sleeps were longer. ms."""
        late = sorted(self._late_ms)
        return late[int(len(late) * 0.99)] if late else 0.0

    def _run(self) -> None:
        while not self._over.is_set():
            began_s = time.perf_counter()
            time.sleep(EVERY_S)
            self._late_ms.append(1000 * (time.perf_counter() - began_s - EVERY_S))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
