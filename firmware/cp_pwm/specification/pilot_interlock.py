"""All concerns together: one tick of the control pilot and interlock."""

from firmware.cp_pwm.specification import faults
from firmware.cp_pwm.specification.contactor import MirrorCheck
from firmware.cp_pwm.specification.debounce import PilotState
from firmware.cp_pwm.specification.diode import DiodeCheck
from firmware.cp_pwm.specification.duty import Duty, duty_permille
from firmware.cp_pwm.specification.heartbeat import Heartbeat
from firmware.cp_pwm.specification.instants import LONG_AGO
from firmware.cp_pwm.specification.interlock import Conditions, Interlock
from firmware.cp_pwm.specification.levels import UNKNOWN, B, C, E
from firmware.cp_pwm.specification.proximity import Proximity
from firmware.cp_pwm.specification.residual_current import ResidualCurrent
from firmware.cp_pwm.specification.signals import STEADY_HIGH, STEADY_LOW, Board, Inputs, Outputs
from firmware.cp_pwm.specification.ventilation import Ventilation


class PilotInterlock:
    """The control pilot and interlock of one charger, from boot on."""

    def __init__(self, board: Board, now_ms: int) -> None:
        """Begin as after power-on: contactor open, steady high level, nothing known."""
        self.board = board
        self.pilot = PilotState()
        self.duty = Duty()
        self.diode = DiodeCheck()
        self.ventilation = Ventilation()
        self.residual = ResidualCurrent(board.has_residual_test)
        self.proximity = Proximity(board.rated_ma if board.tethered else 0)
        self.heartbeat = Heartbeat()
        self.mirror = MirrorCheck(board.has_mirror)
        self.interlock = Interlock(switched_ms=now_ms)
        self.outputs = Outputs(UNKNOWN, False, STEADY_HIGH, 0, self.proximity.usable_ma, 0, False)
        self._clear_count = 0
        self._now_ms = now_ms
        self._heartbeat_ms = LONG_AGO
        self._changed = True
        self._idle = False

    def tick(self, now_ms: int, inputs: Inputs) -> Outputs:
        """Bring everything to ``now_ms``, which never goes back, with what is measured and asked for now."""
        before = self.outputs
        coil = self.interlock.coil
        if inputs.clear_count != self._clear_count:
            self._clear_count = inputs.clear_count
            self._clear()
        self.pilot.tick(now_ms, inputs.high_mv)
        state = self.pilot.state
        self._idle = self.residual.may_test(state, coil)
        self.diode.tick(now_ms, inputs.low_mv, self.pilot.level, state, before.offered_ma > 0)
        self.ventilation.tick(state)
        self.residual.tick(now_ms, inputs.residual_trip, self._idle)
        self.proximity.tick(now_ms, inputs.proximity_ohm, coil)
        self.heartbeat.tick(now_ms, inputs.heartbeat_ms, coil)
        self.mirror.tick(now_ms, coil, self.interlock.switched_ms, inputs.mirror_closed)
        found = self._faults(state)
        self.duty.tick(now_ms, self._wanted_ma(state, found, inputs))
        self.interlock.tick(
            now_ms,
            self.pilot,
            Conditions(
                permit=inputs.permit and inputs.available and self.heartbeat.alive,
                offered_ma=self.duty.offered_ma,
                offer_changed_ms=self.duty.changed_ms,
                diode_passed=self.diode.passed,
                cable_ma=self.proximity.usable_ma,
                faults=found,
                mirror_closed=inputs.mirror_closed,
                residual_ready=self.residual.ready,
            ),
        )
        if coil and not self.interlock.coil:
            self.residual.session_over(now_ms)
        self.outputs = self._outputs(state, found, inputs)
        self._changed = self.outputs != before
        self._now_ms = now_ms
        self._heartbeat_ms = inputs.heartbeat_ms
        return self.outputs

    def _clear(self) -> None:
        """Clear latched faults; one whose cause still stands is found again in the same tick."""
        self.diode.clear()
        self.ventilation.clear()
        self.residual.clear()
        self.mirror.clear()

    def _faults(self, state: str) -> int:
        return (
            (faults.PILOT_SHORT if state == E else 0)
            | (faults.DIODE_MISSING if self.diode.fault else 0)
            | (faults.VENTILATION_REQUIRED if self.ventilation.required else 0)
            | (faults.CABLE_SHORT if self.proximity.short else 0)
            | (faults.RESIDUAL_CURRENT if self.residual.tripped else 0)
            | (faults.RESIDUAL_CURRENT_SELF_TEST if self.residual.test_failed else 0)
            | (faults.CONTACTOR_WELDED if self.mirror.welded else 0)
            | (faults.CONTACTOR_STUCK_OPEN if self.mirror.stuck_open else 0)
            | (faults.HEARTBEAT_LOST if self.heartbeat.lost else 0)
        )

    def _wanted_ma(self, state: str, found: int, inputs: Inputs) -> int:
        """Return the smallest of all limits, 0 where there must be no PWM. mA."""
        if state not in (B, C) or found or not inputs.permit or not inputs.available:
            return 0
        wanted = min(inputs.offer_ma, self.board.rated_ma, self.proximity.usable_ma)
        if self.pilot.without_b and self.board.simplified_cap_ma:
            wanted = min(wanted, self.board.simplified_cap_ma)
        return wanted

    def _outputs(self, state: str, found: int, inputs: Inputs) -> Outputs:
        """Return what is made and reported. State F is shown only with coil and contacts open (ours)."""
        offered_ma = self.duty.offered_ma
        if offered_ma:
            permille = duty_permille(offered_ma)
        elif inputs.available or self.interlock.coil or inputs.mirror_closed:
            permille = STEADY_HIGH
        else:
            permille = STEADY_LOW
        return Outputs(
            state,
            self.interlock.coil,
            permille,
            offered_ma,
            self.proximity.usable_ma,
            found,
            self.residual.testing,
        )

    def next_deadline_ms(self) -> int:
        """Instant at which to tick again if no input changes; :data:`instants.NEVER` if there is none."""
        heartbeat_ms = self.heartbeat.deadline_ms(self._heartbeat_ms)
        return max(self._now_ms + 1, min(heartbeat_ms, self.deadline_but_heartbeat_ms()))

    def deadline_but_heartbeat_ms(self) -> int:
        """Like :meth:`next_deadline_ms` without the heartbeat's, which a caller may follow by itself."""
        now_ms = self._now_ms
        if self._changed:
            return now_ms + 1
        return max(
            now_ms + 1,
            min(
                self.pilot.deadline_ms(now_ms),
                self.diode.deadline_ms(),
                self.residual.deadline_ms(self._idle),
                self.proximity.deadline_ms(),
                self.mirror.deadline_ms(),
                self.duty.deadline_ms(),
                self.interlock.deadline_ms(now_ms),
            ),
        )
