"""Watches what is measured: finds currents and voltages that must not be, and silent meters."""

from .contract import FAULT_METER_SILENT, FAULT_OVER_CURRENT, FAULT_OVER_VOLTAGE, FAULT_UNDER_VOLTAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .faults import Faults
    from .seam import Ratings, Reading
    from .settings import Settings

OVER_CURRENT_FACTOR, OVER_CURRENT_EXTRA_A, OVER_CURRENT_MS = 1.1, 0.5, 7000
"""Over current: more than 110 % + 0.5 A of what is offered for 7 s (EVerest)."""

LOW, HIGH, INSIDE, VOLTAGE_MS = 0.9, 1.1, 0.015, 5000
"""Parts of the setting ``nominal_voltage_v``: 10 % above or below for 5 s is a fault, over 1.5 % inside (ours). A DC
output is judged by what its charger can make (``ratings.dc_range_v``): it is a fault outside of that."""
BLIND_MS = 300_000
"""A meter behind the contactor sees no voltage while it is open: so long after the fault it is tried again."""

BLIND_V = 50.0
"""Less than this is no voltage at all."""

METER_SILENT_MS = 30_000
"""A meter that says nothing for so long is a fault."""


class Watch:
    """Finds faults in the measured values."""

    def __init__(self, faults: "Faults", settings: "Settings", ratings: "Ratings") -> None:
        self._faults = faults
        self._settings = settings
        self._phases = ratings.phases
        self._dc_range_v = ratings.dc_range_v
        self._read_at = 0
        self._over_since: int | None = None
        self._blind_until = 0
        self._voltage_since: int | None = None

    def begin(self, now: int) -> None:
        """The meter's silence counts from here."""
        self._read_at = now

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
        most = self._drawn_a(reading)
        if most > offered_a * OVER_CURRENT_FACTOR + OVER_CURRENT_EXTRA_A:
            if self._over_since is None:
                self._over_since = now
            elif now - self._over_since >= OVER_CURRENT_MS:
                detail = "the car draws %.1f A, offered are %.1f A" % (most, offered_a)
                self._faults.set(FAULT_OVER_CURRENT, True, detail, now, session_id)
        else:
            self._over_since = None
        low_v, high_v = self._allowed_v()
        lowest, highest = min(reading.voltage_v), max(reading.voltage_v)
        if lowest >= low_v and highest <= high_v:
            self._voltage_since = None
        elif self._voltage_since is None:
            self._voltage_since = now
        elif now - self._voltage_since >= VOLTAGE_MS:
            high = highest > high_v
            limits = (highest if high else lowest, low_v, high_v)
            self._blind_until = now + BLIND_MS
            fault = FAULT_OVER_VOLTAGE if high else FAULT_UNDER_VOLTAGE
            self._faults.set(fault, True, "%.0f V; allowed are %.0f to %.0f V" % limits, now, session_id)

    def rest(self, reading: "Reading", now: int) -> None:
        """Clear, while the outlet is not energised, what no longer stands."""
        self._over_since = self._voltage_since = None
        faults = self._faults
        low_v, high_v = self._allowed_v(INSIDE)
        if faults.stands(FAULT_OVER_VOLTAGE) and max(reading.voltage_v) <= high_v:
            faults.set(FAULT_OVER_VOLTAGE, False, "", now)
        if faults.stands(FAULT_UNDER_VOLTAGE):
            # A meter behind the contactor sees no voltage now: it is judged again with the contactor closed.
            blind = max(reading.voltage_v) < BLIND_V and now >= self._blind_until
            if blind or min(reading.voltage_v) >= low_v:
                faults.set(FAULT_UNDER_VOLTAGE, False, "", now)

    def _allowed_v(self, inside: float = 0.0) -> "tuple[float, float]":
        """Return the lowest and the highest voltage that may be, that part of the nominal voltage further inside."""
        if self._dc_range_v is not None:
            low_v, high_v = self._dc_range_v
            return low_v * (1 + inside), high_v * (1 - inside)
        nominal_v = self._settings.nominal_voltage_v
        return nominal_v * (LOW + inside), nominal_v * (HIGH - inside)

    def _drawn_a(self, reading: "Reading") -> float:
        """Return what is drawn from the mains per phase: of a DC output, whose amperes are others, at least so much."""
        if self._dc_range_v is None:
            return max(reading.current_a)
        return reading.power_w / (self._phases * self._settings.nominal_voltage_v)
