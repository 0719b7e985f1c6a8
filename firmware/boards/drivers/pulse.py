"""A meter with a pulse output (S0, IEC 62053-31): counts pulses, keeps their lifetime number.

It tells energy, and power by the distance of pulses. It cannot tell voltage and current: voltage is the nominal one and
current is what belongs to the power at that voltage, on all phases alike. Over- and under-voltage are not seen.
"""

from .reading import Reading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class PulseInput(Protocol):
        """Counts pulses by itself, in hardware or in an interrupt."""

        def value(self) -> int:
            """Pulses since it was set up."""

    class LifetimeCounter(Protocol):
        """A number that survives power loss."""

        def load(self) -> int:
            """Return it, 0 if it was never kept. Raises OSError."""

        def keep(self, value: int) -> None:
            """Keep it. Raises OSError."""


ZERO_MS = 20_000
"""No pulse for so long is no power: below 180 W at 1000 pulses/kWh."""
KEEP_EVERY_WH = 200
"""What a power loss may cost at most; the charger's register then goes on from its journal's last sample. At 11 kW it
is a write a minute. NVS of 24 KiB takes 21 million: 126 entries a page, 3 a write, 5 pages, 100,000 erasures each."""
KEEP_IDLE_MS = 10_000
"""When nothing has flowed for so long, the number is kept to the last pulse."""
RETRY_MS = 60_000
"""Distance of attempts after the flash has refused."""


class PulseMeter:
    """A pulse counter."""

    def __init__(
        self,
        pulses: "PulseInput",
        kept: "LifetimeCounter",
        pulses_per_kwh: int,
        phases: int,
        nominal_v: float,
        now_ms: int,
    ) -> None:
        """Raises :class:`OSError` when the number cannot be read: no meter is better than a wrong one."""
        if not 1 <= pulses_per_kwh <= 100_000:
            raise ValueError("pulses_per_kwh is 1 to 100000, not %d" % pulses_per_kwh)
        self._pulses = pulses
        self._kept = kept
        self._per_kwh = pulses_per_kwh
        self._phases = phases
        self._nominal_v = nominal_v
        self._kept_pulses = kept.load()
        self._base = self._kept_pulses - pulses.value()
        self.pulses = self._kept_pulses
        """Lifetime number."""
        self._last_ms = now_ms
        self._power_w: float | None = None
        self._interval_known = False
        self._retry_ms = now_ms

    def poll(self, now_ms: int) -> None:
        """Look at the counter. To be called at least ten times a second while power is to be told well."""
        pulses = self._base + self._pulses.value()
        new, elapsed_ms = pulses - self.pulses, now_ms - self._last_ms
        if new > 0:
            if self._interval_known and elapsed_ms > 0:
                self._power_w = self._power_of(new, elapsed_ms)
            self._interval_known = True
            self.pulses = pulses
            self._last_ms = now_ms
        elif elapsed_ms >= ZERO_MS:
            self._power_w = 0.0
            self._interval_known = False
        elif self._power_w and elapsed_ms > 0:
            # No pulse yet: it cannot be more than if one came now.
            self._power_w = min(self._power_w, self._power_of(1, elapsed_ms))
        self._keep(now_ms)

    def _power_of(self, pulses: int, elapsed_ms: int) -> float:
        return pulses * 3_600_000 * 1000 / self._per_kwh / elapsed_ms

    def _keep(self, now_ms: int) -> None:
        unkept_wh = (self.pulses - self._kept_pulses) * 1000 // self._per_kwh
        idle = self.pulses != self._kept_pulses and now_ms - self._last_ms >= KEEP_IDLE_MS
        if (unkept_wh >= KEEP_EVERY_WH or idle) and now_ms >= self._retry_ms:
            try:
                self._kept.keep(self.pulses)
                self._kept_pulses = self.pulses
            except OSError:
                self._retry_ms = now_ms + RETRY_MS

    def reading(self, now_ms: int) -> "Reading | None":
        """Return the reading, None until the first power is known."""
        if self._power_w is None:
            return None
        current_a = self._power_w / self._nominal_v / self._phases
        energy_wh = self.pulses * 1000 // self._per_kwh
        return Reading((self._nominal_v,) * self._phases, (current_a,) * self._phases, self._power_w, energy_wh)

    def silent(self, now_ms: int) -> bool:
        """Never: a meter without pulses cannot be told from one that is not connected."""
        return False
