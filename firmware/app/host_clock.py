"""The two clocks of a real host: MicroPython's and CPython's ``time`` differ."""

import time

_TICKS_PERIOD = 1 << 30
"""MicroPython's tick counter starts again after so many ms: 12 days."""
_SECONDS_1970_TO_2000 = 946_684_800


class HostClock:
    """Ticks that never wrap, and the date once somebody has told it.

    On MicroPython :meth:`ticks_ms` must be called at least every six days, which the charger's loop does.
    """

    def __init__(self, trust_date: bool = False) -> None:
        """``trust_date``: the host's own date is right, for example by network time."""
        self._date_offset: int | None = None
        self._high = 0
        self._low = 0
        if trust_date:
            self.set_utc_ms(_host_utc_ms())

    def ticks_ms(self) -> int:
        """Milliseconds since some moment before boot."""
        if hasattr(time, "monotonic_ns"):
            return time.monotonic_ns() // 1_000_000
        low: int = time.ticks_ms()  # type: ignore[attr-defined]
        if low < self._low:
            self._high += _TICKS_PERIOD
        self._low = low
        return self._high + low

    def utc_ms(self) -> int | None:
        """UTC in milliseconds since 1970, or None while unset."""
        return None if self._date_offset is None else self.ticks_ms() + self._date_offset

    def set_utc_ms(self, value: int) -> None:
        """Set the date."""
        self._date_offset = value - self.ticks_ms()


def _host_utc_ms() -> int:
    # Not time.time(): where it is a float, its steps are minutes in single precision.
    utc_ms = time.time_ns() // 1_000_000
    # Most ports of MicroPython count from 2000.
    return utc_ms + _SECONDS_1970_TO_2000 * 1000 if time.gmtime(0)[0] == 2000 else utc_ms
