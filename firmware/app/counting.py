"""Whether the meter's register counts what its power says: where it does not, energy flows that nobody counts."""

from .contract import FAULT_METER_IMPLAUSIBLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .faults import Faults
    from .register import Register
    from .seam import Reading

JUDGED_WH = 500
"""So much must have flowed, or been counted, before the two are compared: registers have steps of up to 100 Wh (ours).
At 11 kW that is 164 s."""
AGREE = 2
"""They agree if neither is more than so many times the other: this is about a register that stands, a meter that is
connected the wrong way round, or one of another outlet, not about accuracy (ours)."""
GAP_MS = 10_000
"""After a longer time without a reading nobody knows what flowed; it begins again."""


class Counting:
    """Compares the energy of the power that was read with what the register has counted meanwhile."""

    def __init__(self, faults: "Faults") -> None:
        self._faults = faults
        self._at: int | None = None
        self._power_w = 0.0
        self._register_wh = 0
        self._series = 0
        self._flowed_wh = 0.0
        self._counted_wh = 0

    def look(self, reading: "Reading", register: "Register", now: int, session_id: str | None) -> None:
        """Take a reading and the register after it."""
        energy_wh = register.energy_wh
        if energy_wh is None:
            return
        at, self._at = self._at, now
        power_w, self._power_w = self._power_w, reading.power_w
        before_wh, self._register_wh = self._register_wh, energy_wh
        series, self._series = self._series, register.series
        if at is None or now - at > GAP_MS or register.series != series:
            # A register that has come back has counted what was missed, and another one's steps are not known yet.
            self._begin_again()
            if register.came_back:
                self._faults.set(FAULT_METER_IMPLAUSIBLE, False, "", now)
            return
        self._flowed_wh += abs(power_w) * (now - at) / 3_600_000
        self._counted_wh += energy_wh - before_wh
        self._judge(now, session_id)

    def _judge(self, now: int, session_id: str | None) -> None:
        flowed, counted = self._flowed_wh, self._counted_wh
        if flowed < JUDGED_WH and counted < JUDGED_WH:
            return
        if flowed > counted * AGREE or counted > flowed * AGREE:
            detail = "by its power %d Wh have flowed, by its register %d Wh" % (flowed, counted)
            if self._power_w < 0:
                detail = "the power is negative, is it connected the wrong way round? " + detail
            self._faults.set(FAULT_METER_IMPLAUSIBLE, True, detail, now, session_id)
        else:
            self._faults.set(FAULT_METER_IMPLAUSIBLE, False, "", now)
        self._begin_again()

    def _begin_again(self) -> None:
        self._flowed_wh = 0.0
        self._counted_wh = 0
