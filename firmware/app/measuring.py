"""Reads meter and temperature, and keeps what was read."""

from .counting import Counting
from .register import Register
from .watch import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .faults import Faults
    from .seam import Hardware, Reading, Storage
    from .settings import Settings

MAX_VOLTAGE_V, MAX_CURRENT_A, MAX_POWER_W = 1500, 1000, 10_000_000
"""The contract's ranges; a reading outside of them is a broken meter's and is not used."""

_VOLTS_FOR_PLAUSIBILITY = 260.0


def plausible(reading: "Reading") -> bool:
    """Whether a reading can be one. NaN compares false with everything, so it is not."""
    voltage, current = reading.voltage_v, reading.current_a
    return (
        min(voltage) >= 0
        and max(voltage) <= MAX_VOLTAGE_V
        and min(current) >= 0
        and max(current) <= MAX_CURRENT_A
        and -MAX_POWER_W <= reading.power_w <= MAX_POWER_W
        and reading.energy_wh >= 0
    )


class Measuring:
    """What the charger measures."""

    def __init__(self, hardware: "Hardware", storage: "Storage", faults: "Faults", settings: "Settings") -> None:
        self._hardware = hardware
        self._meter = hardware.meter
        ratings = hardware.ratings
        self.register = Register(storage, ratings.rated_current_a * ratings.phases * _VOLTS_FOR_PLAUSIBILITY)
        self.watch = Watch(faults, settings, ratings)
        self.counting = Counting(faults)
        self.reading: Reading | None = None
        """The newest reading, None while unknown."""
        self.temperature_c: float | None = None

    def read_meter(self, now: int) -> "Reading | None":
        """Read the meter into the register."""
        try:
            reading = self._meter.read()
        except OSError:
            reading = None
        if reading is not None:
            if plausible(reading):
                self.register.take(reading.energy_wh, now)
            else:
                reading = None
        self.reading = reading
        return reading

    def read_temperature(self) -> None:
        """Read the temperature and hand it to the native module, which derates by it."""
        try:
            temperature = self._hardware.temperature_c()
        except OSError:
            temperature = None
        if temperature is not None and not -100 <= temperature <= 400:
            temperature = None
        self.temperature_c = temperature
        self._hardware.pilot.temperature(temperature)
