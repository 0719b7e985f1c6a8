"""The machine's own clock, for agents that run as processes."""

import asyncio
import time

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux's ``CLOCK_MONOTONIC`` stands still while the machine sleeps, but leases run out then and others take over:
after a night in which a laptop was shut, the right to act must be over, and a meter's reading old."""


class SystemClock:
    """Time of this machine: the :class:`agents.runtime.agent.Clock` of a real process."""

    def now_ms(self) -> int:
        """UTC in milliseconds since 1970; jumps when the machine's clock is set."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary moment; never goes back. Counts the time for which the machine sleeps."""
        return time.clock_gettime(_STEADY)

    async def sleep(self, seconds: float) -> None:
        """Wait at least ``seconds``; 0 or less only lets others run."""
        await asyncio.sleep(seconds)
