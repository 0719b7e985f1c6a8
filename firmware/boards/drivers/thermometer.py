"""What thermometers have in common: the newest temperature that can be true, and how often there was none."""

from .latest import Latest

STALE_MS = 10_000
MIN_C, MAX_C = -55.0, 125.0
"""What both LM75 and DS18B20 can measure (their data sheets)."""


class Thermometer:
    """Keeps what a sensor says. A driver derives from it, has a ``poll``, and calls :meth:`_take`."""

    def __init__(self, now_ms: int) -> None:
        self._latest = Latest(now_ms, STALE_MS)
        self.errors = 0
        """Readings that failed or could not be true."""

    def _take(self, celsius: "float | None", now_ms: int) -> None:
        """Take a reading; None for one that failed."""
        if celsius is not None and MIN_C <= celsius <= MAX_C:
            self._latest.take(celsius, now_ms)
        else:
            self.errors += 1

    def temperature_c(self, now_ms: int) -> float | None:
        """Return the temperature, None while unknown."""
        celsius: float | None = self._latest.value(now_ms)
        return celsius

    def silent(self, now_ms: int) -> bool:
        """Whether nothing that can be used has come for too long."""
        return self._latest.silent(now_ms)
