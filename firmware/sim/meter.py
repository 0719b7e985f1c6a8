"""The virtual energy meter: a lifetime register that only grows."""

from typing import NamedTuple

SUPPLY_V = 230.0
"""Supply of a virtual charger unless it is given another. V."""


class MeterReading(NamedTuple):
    """What a meter tells at once."""

    voltage_v: tuple[float, ...]
    """Effective voltage per phase. V."""
    current_a: tuple[float, ...]
    """Current per phase. A."""
    power_w: float
    """Active power of all phases. W."""
    energy_wh: int
    """Lifetime register. Wh."""


class VirtualMeter:
    """Counts true energy; its register is the whole watt-hours of it."""

    __slots__ = ("_current_a", "_nothing_a", "power_w", "silent", "source_ohm", "supply_v", "true_wh", "voltage_v")

    def __init__(self, phases: int, true_wh: float = 0.0, supply_v: float = SUPPLY_V, source_ohm: float = 0.05) -> None:
        """Begin at ``true_wh`` with a supply of ``supply_v`` behind ``source_ohm`` on each of ``phases``."""
        self.supply_v = supply_v
        self.source_ohm = source_ohm
        self.true_wh = true_wh
        """Energy counted so far, with its fraction. Wh."""
        self.power_w = 0.0
        """Active power now. W."""
        self.silent = False
        """Set it and the meter answers nothing."""
        self._nothing_a = (0.0,) * phases
        self._current_a = self._nothing_a
        self.voltage_v = (supply_v,) * phases

    def load(self, current_a: float, phases: int) -> None:
        """Draw ``current_a`` on each of the first ``phases`` terminals from now on."""
        if not current_a:
            self.voltage_v = (self.supply_v,) * len(self._nothing_a)
            self._current_a, self.power_w = self._nothing_a, 0.0
            return
        phases = min(phases, len(self._nothing_a))
        volts = round(self.supply_v - self.source_ohm * current_a, 2)
        idle = len(self._nothing_a) - phases
        self.voltage_v = (volts,) * phases + (self.supply_v,) * idle
        self._current_a = (current_a,) * phases + (0.0,) * idle
        self.power_w = volts * current_a * phases

    def count(self, energy_wh: float) -> None:
        """Count energy."""
        self.true_wh += energy_wh

    def read(self) -> MeterReading | None:
        """Return the reading, or None while the meter is silent."""
        if self.silent:
            return None
        return MeterReading(self.voltage_v, self._current_a, self.power_w, int(self.true_wh))
