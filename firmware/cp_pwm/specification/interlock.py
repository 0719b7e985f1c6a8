"""When the contactor closes, and everything that opens it."""

from dataclasses import dataclass, field
from typing import NamedTuple

from firmware.cp_pwm.specification.debounce import TO_C_MS, PilotState
from firmware.cp_pwm.specification.instants import LONG_AGO, NEVER, Doubt
from firmware.cp_pwm.specification.levels import C, D, E, F

LEFT_C_MS = 50
"""The coil is off after so much doubt about C. The limit from C to B until the contacts are open is 100 ms (EV, A.6
sequence 8.1); the other 50 ms are the contactor's own. C without its diode is as doubtful as another level (ours: a
pilot that flickers between the two is never right, and neither doubt alone would grow). ms."""

PWM_OFF_MS = 6_000
"""A car that stays in C without PWM is cut off under load after this: 6 s, table A.6 sequence 10.2 of IEC 61851-1 as EV
cites it ("EV does not stop drawing power even if PWM stops"), and SE. The 3 s of WB are the car's own time to stop: a
contactor that opens then would open under load with every car that is just in time. Nothing is at risk meanwhile that
contactor and cable do not carry; a fault, or leaving C, opens at once. ms."""

AGAIN_AFTER_C_MS = 5_000
"""Time between opening and closing again (WB). ms."""

AGAIN_AFTER_REFUSED_MS = 30_000
"""Time between the end of D, E or F and closing (WB). F of the charger's own is not seen: :mod:`state_f`. ms."""


class Conditions(NamedTuple):
    """What the other concerns say in this tick."""

    permit: bool
    """The app lets the contactor close and is alive."""
    offered_ma: int
    """0 for no PWM. mA."""
    offer_changed_ms: int
    """Since when there has been no PWM, if there is none. ms."""
    diode_passed: bool
    diode_bad: bool
    """The diode is missing now."""
    cable_ma: int
    """0 for no cable. mA."""
    faults: int
    """Those that open at once; all of them end the offer."""
    mirror_closed: bool
    ready: bool
    """The residual-current device has passed its test at boot, is not being tested and quiet; earth is there."""


@dataclass(slots=True)
class Interlock:
    """The coil of the contactor. Every way to open it is here; :meth:`_may_close` is the only way to close it."""

    coil: bool = False
    switched_ms: int = 0
    """When the coil last changed; boot counts. ms."""
    _not_before_ms: int = LONG_AGO
    _left_c: Doubt = field(default_factory=lambda: Doubt(LEFT_C_MS))
    _refused: bool = False
    _force_ms: int = NEVER

    def tick(self, now_ms: int, pilot: PilotState, conditions: Conditions) -> None:
        """Open or close."""
        left_c = self._left_c.tick(now_ms, self.coil and (pilot.level != C or conditions.diode_bad))
        refused = pilot.state in (D, E, F)
        if self._refused and not refused:
            self._not_before_ms = now_ms + AGAIN_AFTER_REFUSED_MS
        self._refused = refused
        self._force_ms = NEVER
        if self.coil:
            if not conditions.offered_ma:
                self._force_ms = conditions.offer_changed_ms + PWM_OFF_MS
            if left_c or self._must_open(now_ms, pilot.state, conditions):
                self._switch(now_ms, False)
                self._not_before_ms = now_ms + AGAIN_AFTER_C_MS
        elif self._may_close(now_ms, pilot, conditions):
            self._switch(now_ms, True)

    def _must_open(self, now_ms: int, state: str, conditions: Conditions) -> bool:
        return state != C or conditions.faults != 0 or not conditions.cable_ma or now_ms >= self._force_ms

    def _may_close(self, now_ms: int, pilot: PilotState, conditions: Conditions) -> bool:
        return (
            pilot.state == C
            and pilot.level == C
            and pilot.steady_ms(now_ms) >= TO_C_MS
            and conditions.permit
            and conditions.offered_ma > 0
            and conditions.diode_passed
            and conditions.cable_ma > 0
            and not conditions.faults
            and not conditions.mirror_closed
            and conditions.ready
            and now_ms >= self._not_before_ms
        )

    def _switch(self, now_ms: int, coil: bool) -> None:
        self.coil, self.switched_ms = coil, now_ms

    def deadline_ms(self, now_ms: int) -> int:
        """Instant at which doubt about C, a car that does not stop or a delay opens or closes it."""
        if self.coil:
            return min(self._force_ms, self._left_c.deadline_ms())
        return self._not_before_ms if self._not_before_ms > now_ms else NEVER
