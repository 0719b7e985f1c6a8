"""All concerns together: one tick of the control pilot and interlock."""

from firmware.cp_pwm.specification import faults
from firmware.cp_pwm.specification.contactor import MirrorCheck
from firmware.cp_pwm.specification.debounce import PilotState
from firmware.cp_pwm.specification.derating import Derating
from firmware.cp_pwm.specification.diode import DiodeCheck
from firmware.cp_pwm.specification.disconnect import Disconnect
from firmware.cp_pwm.specification.duty import Duty, duty_permille
from firmware.cp_pwm.specification.emergency import EmergencyStop, GroundMonitor
from firmware.cp_pwm.specification.heartbeat import Heartbeat
from firmware.cp_pwm.specification.instants import LONG_AGO, NEVER
from firmware.cp_pwm.specification.interlock import Conditions, Interlock
from firmware.cp_pwm.specification.levels import UNKNOWN, B, C, E, F
from firmware.cp_pwm.specification.proximity import Proximity
from firmware.cp_pwm.specification.residual_current import ResidualCurrent
from firmware.cp_pwm.specification.signals import STEADY_HIGH, STEADY_LOW, UNKNOWN_MC, Board, Inputs, Outputs
from firmware.cp_pwm.specification.state_f import StateF
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
        self.derating = Derating(board.has_temperature, board.rated_ma)
        self.emergency_stop = EmergencyStop(board.has_emergency_stop)
        self.ground = GroundMonitor(board.has_ground_monitor)
        self.interlock = Interlock(switched_ms=now_ms)
        self.state_f = StateF()
        self.disconnect = Disconnect()
        self.outputs = Outputs(
            UNKNOWN,
            contactor=False,
            duty_permille=STEADY_HIGH,
            offered_ma=0,
            cable_ma=self.proximity.usable_ma,
            faults=0,
            residual_test=False,
            derated_ma=self.derating.derated_ma,
            locked=0,
            disconnected=False,
        )
        self._clear_count = 0
        self._now_ms = now_ms
        self._heartbeat_ms = LONG_AGO
        self._temperature = UNKNOWN_MC, LONG_AGO
        self._changed = True
        self._idle = False
        self._hides = False

    def tick(self, now_ms: int, inputs: Inputs) -> Outputs:
        """Bring everything to ``now_ms``, which never goes back, with what is measured and asked for now."""
        before = self.outputs
        coil = self.interlock.coil
        if inputs.clear_count != self._clear_count:
            self._clear_count = inputs.clear_count
            self._clear(inputs)
        self._observe(now_ms, inputs, before, coil)
        state = self.pilot.state
        found = self._faults(state)
        self.duty.tick(now_ms, self._wanted_ma(state, found, inputs))
        self.interlock.tick(now_ms, self.pilot, self._conditions(found, inputs))
        if coil != self.interlock.coil:
            self.residual.switched(now_ms, not coil)
        if self._hides or inputs.disconnect or not inputs.available:
            self._hide(now_ms, inputs)
        made = self._made(state, found)
        self._changed = made != before
        if self._changed:
            self.outputs = Outputs(*made)
        self._now_ms = now_ms
        self._heartbeat_ms = inputs.heartbeat_ms
        self._temperature = inputs.temperature_mc, inputs.temperature_ms
        return self.outputs

    def _observe(self, now_ms: int, inputs: Inputs, before: Outputs, coil: bool) -> None:
        """Hand every concern what is measured."""
        pilot = self.pilot
        pilot.tick(now_ms, inputs.high_mv, before.duty_permille == STEADY_LOW or before.disconnected)
        state = pilot.state
        self._idle = self.residual.may_test(state, coil)
        self.diode.tick(now_ms, inputs.low_mv, pilot.level, state, before.offered_ma > 0, pilot.hidden)
        self.ventilation.tick(state)
        self.residual.tick(now_ms, inputs.residual_trip, self._idle, coil or inputs.mirror_closed)
        self.proximity.tick(now_ms, inputs.proximity_ohm, coil)
        self.heartbeat.tick(now_ms, inputs.heartbeat_ms, coil, self.disconnect.active)
        self.mirror.tick(now_ms, coil, self.interlock.switched_ms, inputs.mirror_closed)
        self.derating.tick(now_ms, inputs.temperature_mc, inputs.temperature_ms)
        self.emergency_stop.tick(inputs.emergency_stop, state)
        self.ground.tick(now_ms, inputs.ground_lost)

    def _conditions(self, found: int, inputs: Inputs) -> Conditions:
        return Conditions(
            inputs.permit and inputs.available and self.heartbeat.alive,
            self.duty.offered_ma,
            self.duty.changed_ms,
            self.diode.passed,
            self.diode.bad,
            self.proximity.usable_ma,
            found & ~faults.OVER_TEMPERATURE,
            inputs.mirror_closed,
            self.residual.ready and self.ground.ready,
        )

    def _clear(self, inputs: Inputs) -> None:
        """Clear latched faults; one whose cause still stands is found again."""
        self.diode.clear()
        self.ventilation.clear()
        self.residual.clear(inputs.residual_trip)
        self.mirror.clear()
        self.emergency_stop.clear()
        self.ground.clear()

    def _faults(self, state: str) -> int:
        """Return what stands, in the order of :data:`faults.NAMES`."""
        stand = (
            state in (E, F),
            self.diode.fault,
            self.ventilation.required,
            self.proximity.short,
            self.residual.tripped,
            self.residual.test_failed,
            self.mirror.welded,
            self.mirror.stuck_open,
            self.heartbeat.lost,
            self.derating.too_hot,
            self.emergency_stop.pressed,
            self.ground.lost,
        )
        return sum(1 << bit for bit, stands in enumerate(stand) if stands) if True in stand else 0

    def _locked(self) -> int:
        """Return the faults that stay until power is cycled."""
        residual = faults.RESIDUAL_CURRENT if self.residual.locked else 0
        self_test = faults.RESIDUAL_CURRENT_SELF_TEST if self.residual.test_failed else 0
        return residual | self_test | (faults.CONTACTOR_WELDED if self.mirror.welded else 0)

    def _wanted_ma(self, state: str, found: int, inputs: Inputs) -> int:
        """Return the smallest of all limits, 0 where there must be no PWM. mA."""
        if state not in (B, C) or found or not inputs.permit or not inputs.available:
            return 0
        wanted = min(inputs.offer_ma, self.derating.derated_ma, self.proximity.usable_ma)
        if self.pilot.without_b and self.board.simplified_cap_ma:
            wanted = min(wanted, self.board.simplified_cap_ma)
        return wanted

    def _hide(self, now_ms: int, inputs: Inputs) -> None:
        """Show F, or take the pilot away, with coil and contacts open only (ours)."""
        open_ = not self.interlock.coil and not inputs.mirror_closed
        self.state_f.tick(now_ms, open_ and not inputs.available)
        self.disconnect.tick(now_ms, inputs.disconnect, open_ and not inputs.permit and self.heartbeat.alive)
        self._hides = inputs.disconnect or not inputs.available

    def _made(self, state: str, found: int) -> tuple[str, bool, int, int, int, int, bool, int, int, bool]:
        """Return what is made and reported: the fields of :class:`signals.Outputs`."""
        offered_ma = self.duty.offered_ma
        away = self.disconnect.active
        if offered_ma:
            permille = duty_permille(offered_ma)
        elif self.state_f.low or (away and not self.board.has_disconnect):
            permille = STEADY_LOW
        else:
            permille = STEADY_HIGH
        return (
            state,
            self.interlock.coil,
            permille,
            offered_ma,
            self.proximity.usable_ma,
            found,
            self.residual.testing,
            self.derating.derated_ma,
            self._locked() if found else 0,
            away and self.board.has_disconnect,
        )

    def next_deadline_ms(self) -> int:
        """Instant at which to tick again if no input changes; :data:`instants.NEVER` if there is none."""
        app_ms = self.deadline_of_app_ms(self._heartbeat_ms, *self._temperature)
        return max(self._now_ms + 1, min(app_ms, self.deadline_but_app_ms()))

    def deadline_of_app_ms(self, heartbeat_ms: int, temperature_mc: int, temperature_ms: int) -> int:
        """Instant at which the app's silence is noticed, with its last sign of life and temperature so far."""
        silent_ms = self.heartbeat.deadline_ms(heartbeat_ms)
        unknown_ms = self.derating.deadline_ms(temperature_mc, temperature_ms)
        return silent_ms if silent_ms < unknown_ms else unknown_ms

    def deadline_but_app_ms(self) -> int:
        """Like :meth:`next_deadline_ms` without :meth:`deadline_of_app_ms`, which a caller may follow by itself."""
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
                self.ground.deadline_ms(),
                min(self.state_f.deadline_ms(), self.disconnect.deadline_ms()) if self._hides else NEVER,
            ),
        )
