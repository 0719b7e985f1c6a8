"""Watches what is measured: derates by temperature, finds currents and voltages that must not be, and silent meters."""

from .contract import (
    FAULT_METER_SILENT,
    FAULT_OVER_CURRENT,
    FAULT_OVER_TEMPERATURE,
    FAULT_OVER_VOLTAGE,
    FAULT_UNDER_VOLTAGE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .faults import Faults
    from .seam import Reading

HALF_C, QUARTER_C, STOP_C, RESTORE_C = 65.0, 68.0, 71.0, 62.0
"""Half the current, a quarter, none; all of it again at the last (OpenEVSE 8.2.3)."""
_SHARES = (1.0, 0.5, 0.25, 0.0)

OVER_CURRENT_FACTOR, OVER_CURRENT_EXTRA_A, OVER_CURRENT_MS = 1.1, 0.5, 7000
"""Over current: more than 110 % + 0.5 A of what is offered for 7 s (EVerest)."""
HOLD_MS = 300_000
"""After a fault of the load the charger tries again, with the same car, no sooner."""

MIN_VOLTAGE_V, MAX_VOLTAGE_V, VOLTAGE_HYSTERESIS_V, VOLTAGE_MS = 207.0, 253.0, 3.0, 5000
"""230 V ± 10 %, for 5 s; cleared 3 V inside."""

BLIND_V = 50.0
"""Less than this is no voltage at all."""

METER_SILENT_MS = 30_000
"""A meter that says nothing for so long is a fault."""


class Derating:
    """How much of the current the temperature allows. Rises in steps, and is given back in one."""

    def __init__(self) -> None:
        self.level = 0
        self.temperature_c: float | None = None

    def take(self, temperature_c: float | None) -> bool:
        """Take a temperature; return whether the level has changed. An unknown one changes nothing."""
        if temperature_c is None or temperature_c != temperature_c:
            return False
        self.temperature_c = temperature_c
        before = self.level
        if temperature_c <= RESTORE_C:
            self.level = 0
        elif temperature_c >= STOP_C:
            self.level = 3
        elif temperature_c >= QUARTER_C:
            self.level = max(self.level, 2)
        elif temperature_c >= HALF_C:
            self.level = max(self.level, 1)
        return self.level != before

    def share(self) -> float:
        """Which part of the full current is allowed, 0 to 1."""
        return _SHARES[self.level]


class Watch:
    """Finds faults in the measured values."""

    def __init__(self, faults: "Faults") -> None:
        self._faults = faults
        self.derating = Derating()
        self._read_at = 0
        self._over_since: int | None = None
        self._held_until = 0
        self._voltage_since: int | None = None

    def begin(self, now: int) -> None:
        """The meter's silence counts from here."""
        self._read_at = now

    def temperature(self, temperature_c: float | None, now: int, session_id: str | None) -> bool:
        """Take a temperature; return whether more or less current is allowed now."""
        if not self.derating.take(temperature_c):
            return False
        too_hot = self.derating.level == 3
        detail = "" if temperature_c is None else "%d °C; charging goes on at %d °C" % (temperature_c, RESTORE_C)
        self._faults.set(FAULT_OVER_TEMPERATURE, too_hot, detail, now, session_id)
        return True

    def meter(self, reading: "Reading | None", now: int, session_id: str | None) -> None:
        """Take whether the meter answers."""
        faults = self._faults
        if reading is not None:
            self._read_at = now
            if faults.stands(FAULT_METER_SILENT):
                faults.set(FAULT_METER_SILENT, False, "", now)
        elif now - self._read_at >= METER_SILENT_MS and not faults.stands(FAULT_METER_SILENT):
            faults.set(FAULT_METER_SILENT, True, "no reading for %d s" % (METER_SILENT_MS // 1000), now, session_id)

    def load(self, reading: "Reading", offered_a: float, now: int, session_id: str | None) -> None:
        """Judge currents and voltages while the outlet is energised."""
        most = max(reading.current_a)
        if most > offered_a * OVER_CURRENT_FACTOR + OVER_CURRENT_EXTRA_A:
            if self._over_since is None:
                self._over_since = now
            elif now - self._over_since >= OVER_CURRENT_MS:
                detail = "the car draws %.1f A, offered are %.1f A" % (most, offered_a)
                self._faults.set(FAULT_OVER_CURRENT, True, detail, now, session_id)
                self._held_until = now + HOLD_MS
        else:
            self._over_since = None
        lowest, highest = min(reading.voltage_v), max(reading.voltage_v)
        if lowest >= MIN_VOLTAGE_V and highest <= MAX_VOLTAGE_V:
            self._voltage_since = None
        elif self._voltage_since is None:
            self._voltage_since = now
        elif now - self._voltage_since >= VOLTAGE_MS:
            high = highest > MAX_VOLTAGE_V
            detail = "%.0f V; allowed are %d to %d V" % (highest if high else lowest, MIN_VOLTAGE_V, MAX_VOLTAGE_V)
            self._held_until = now + HOLD_MS
            self._faults.set(FAULT_OVER_VOLTAGE if high else FAULT_UNDER_VOLTAGE, True, detail, now, session_id)

    def rest(self, reading: "Reading", now: int) -> None:
        """Clear, while the outlet is not energised, what no longer stands."""
        self._over_since = self._voltage_since = None
        faults = self._faults
        if faults.stands(FAULT_OVER_CURRENT) and now >= self._held_until:
            faults.set(FAULT_OVER_CURRENT, False, "", now)
        if faults.stands(FAULT_OVER_VOLTAGE) and max(reading.voltage_v) <= MAX_VOLTAGE_V - VOLTAGE_HYSTERESIS_V:
            faults.set(FAULT_OVER_VOLTAGE, False, "", now)
        if faults.stands(FAULT_UNDER_VOLTAGE):
            # A meter behind the contactor sees no voltage now: it is judged again with the contactor closed.
            blind = max(reading.voltage_v) < BLIND_V and now >= self._held_until
            if blind or min(reading.voltage_v) >= MIN_VOLTAGE_V + VOLTAGE_HYSTERESIS_V:
                faults.set(FAULT_UNDER_VOLTAGE, False, "", now)
