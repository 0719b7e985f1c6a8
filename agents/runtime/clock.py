"""The machine's own clock, for agents that run as processes."""

import asyncio
import time


class SystemClock:
    """Time of this machine: the :class:`agents.runtime.agent.Clock` of a real process."""

    def now_ms(self) -> int:
        """UTC in milliseconds since 1970; jumps when the machine's clock is set."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait at least ``seconds``; 0 or less only lets others run."""
        await asyncio.sleep(seconds)
