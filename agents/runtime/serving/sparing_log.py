"""Log lines that a stranger can cause: the first few of each kind in a minute, and how many there were besides."""

from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

PERIOD_S = 60.0
"""After so long the next lines are written again. s."""

MOST = 3
"""Lines of one kind that are written in a period."""


class SparingLog:
    """Writes warnings without letting whoever causes them fill the disk."""

    def __init__(self, log: FilteringBoundLogger, now_s: Callable[[], float]) -> None:
        """Write to ``log``; ``now_s`` is a clock that never goes back, in seconds."""
        self._log = log
        self._now_s = now_s
        self._kinds: dict[str, tuple[float, int]] = {}
        """When the period of a kind began, and how many came in it. Kinds are words of the program, hence few."""

    def warning(self, event: str, **fields: object) -> None:
        """Write a warning, unless :data:`MOST` of this kind were written within :data:`PERIOD_S`.

        The first of the next period says as ``left_out`` how many were not written.
        """
        now_s = self._now_s()
        began_s, count = self._kinds.get(event, (now_s, 0))
        if now_s - began_s >= PERIOD_S:
            if count > MOST:
                fields["left_out"] = count - MOST
            began_s, count = now_s, 0
        self._kinds[event] = (began_s, count + 1)
        if count < MOST:
            self._log.warning(event, **fields)
