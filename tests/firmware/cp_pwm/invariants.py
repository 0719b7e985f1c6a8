"""What must hold at every millisecond of every trace, checked from inputs and outputs alone."""

from firmware.cp_pwm.specification import Board, faults
from tests.firmware.cp_pwm.traces import Sample


def certainly_not_c(high_mv: int) -> bool:
    return abs(high_mv - 6_000) > 1_300


def car_reads_ma(permille: int) -> int:
    """Table A.8 of IEC 61851-1, written down independently of the specification."""
    if 100 <= permille <= 850:
        return permille * 60
    return (permille - 640) * 250 if 850 < permille <= 960 else 0


class Checker:
    """Feed it every tick of a run at 1 ms, in order."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.before: Sample | None = None
        self.not_c_ms = 0
        self.not_c_window: list[bool] = []
        self.c_ms = 0
        self.wrong_ms = 0
        self.good_diode_ms = 0
        self.diode_seen = False
        self.no_pwm_ms = 0
        self.ground_lost_ms = 0
        self.shown_ms = 0
        self.low_ms = 0
        self.away_ms = 0
        self.known_ms = -(10**9)
        self.closed_ms = -(10**9)
        self.offer_changed_ms = -(10**9)
        self.opened_ms = -(10**9)
        self.refused_ms = -(10**9)
        self.seen_locked = 0
        self.residual_tested = False
        self.closings = 0
        self.ticks = 1

    def tick(self, sample: Sample) -> None:
        self._count(sample)
        self._closed_only_when_safe(sample)
        self._opens_in_time(sample)
        self._offer(sample)
        self._derating(sample)
        self._hiding(sample)
        self._latches(sample)
        self._edges(sample)
        self.before = sample
        self.ticks += 1

    def _count(self, sample: Sample) -> None:
        _, inputs, outputs = sample
        if self.before is not None and self.before[2].residual_test and inputs.residual_trip:
            self.residual_tested = True
        pwm_before = self.before is not None and self.before[2].offered_ma > 0
        not_c = certainly_not_c(inputs.high_mv)
        self.not_c_ms = self.not_c_ms + 1 if not_c else 0
        self.not_c_window = [*self.not_c_window[-199:], not_c]
        self.c_ms = self.c_ms + 1 if abs(inputs.high_mv - 6_000) <= 1_300 and self.shown_ms >= 25 else 0
        bad = inputs.low_mv > -10_000
        self.wrong_ms = self.wrong_ms + 1 if not_c or (bad and pwm_before) else 0
        self.good_diode_ms = self.good_diode_ms + 1 if not bad and pwm_before else 0
        if outputs.cp_state in "ADEF" or self.shown_ms < 25:
            self.diode_seen = False
        elif self.good_diode_ms >= 100:
            self.diode_seen = True
        lost = inputs.ground_lost and self.board.has_ground_monitor
        self.ground_lost_ms = self.ground_lost_ms + 1 if lost else 0
        hides = self.before is not None and (not self.before[2].duty_permille or self.before[2].disconnected)
        self.shown_ms = 0 if hides else self.shown_ms + 1
        self.low_ms = self.low_ms + 1 if not outputs.duty_permille and not inputs.disconnect else 0
        self.away_ms = self.away_ms + 1 if outputs.disconnected else 0
        self.no_pwm_ms = self.no_pwm_ms + 1 if outputs.contactor and not outputs.offered_ma else 0

    def _closed_only_when_safe(self, sample: Sample) -> None:
        now_ms, inputs, outputs = sample
        if not outputs.contactor:
            return
        assert outputs.cp_state == "C", now_ms
        assert outputs.faults & ~faults.OVER_TEMPERATURE == 0, now_ms
        assert outputs.cable_ma > 0, now_ms
        assert not inputs.residual_trip, now_ms
        assert not (inputs.emergency_stop and self.board.has_emergency_stop), now_ms
        assert not outputs.residual_test, now_ms
        assert now_ms - inputs.heartbeat_ms < 2_000, now_ms
        assert outputs.duty_permille != 0, now_ms

    def _opens_in_time(self, sample: Sample) -> None:
        now_ms, _, outputs = sample
        if not outputs.contactor:
            return
        assert self.not_c_ms <= 50, f"{now_ms}: {self.not_c_ms} ms without C"
        assert sum(self.not_c_window) <= 150, f"{now_ms}: flickers, mostly not C"
        assert self.wrong_ms <= 51, f"{now_ms}: not C, or C without a diode, for {self.wrong_ms} ms"
        assert self.ground_lost_ms <= 51, f"{now_ms}: no earth for {self.ground_lost_ms} ms"
        assert self.no_pwm_ms <= 6_000, f"{now_ms}: no PWM for {self.no_pwm_ms} ms"

    def _offer(self, sample: Sample) -> None:
        now_ms, inputs, outputs = sample
        offered = outputs.offered_ma
        before = self.before[2].offered_ma if self.before else 0
        if offered:
            assert 6_000 <= offered <= min(inputs.offer_ma, self.board.rated_ma, outputs.cable_ma), now_ms
            assert 100 <= outputs.duty_permille <= 960
            assert offered - 250 < car_reads_ma(outputs.duty_permille) <= offered, now_ms
            assert outputs.cp_state in "BC", now_ms
        else:
            assert outputs.duty_permille in (0, 1_000), now_ms
        if offered > before:
            assert now_ms - self.offer_changed_ms >= 5_000, now_ms
        if offered != before:
            self.offer_changed_ms = now_ms
        if outputs.residual_test:
            assert not outputs.contactor, now_ms

    def _derating(self, sample: Sample) -> None:
        now_ms, inputs, outputs = sample
        rated_ma, derated_ma = self.board.rated_ma, outputs.derated_ma
        assert outputs.offered_ma <= derated_ma, now_ms
        if not self.board.has_temperature:
            assert derated_ma == rated_ma, now_ms
            return
        known = -40_000 <= inputs.temperature_mc <= 125_000
        if known:
            self.known_ms = inputs.temperature_ms
            for from_mc, most_ma in ((71_000, 0), (68_000, rated_ma // 4), (65_000, rated_ma // 2)):
                assert inputs.temperature_mc < from_mc or derated_ma <= most_ma, now_ms
        if now_ms - self.known_ms > 30_000:
            assert derated_ma <= rated_ma // 4, now_ms
        elif known and inputs.temperature_mc <= 62_000:
            assert derated_ma == rated_ma, now_ms
        assert not outputs.faults & faults.OVER_TEMPERATURE or not derated_ma, now_ms

    def _hiding(self, sample: Sample) -> None:
        """State F and the disconnect: harmless, short, and not taken for the car's doing."""
        now_ms, inputs, outputs = sample
        assert self.low_ms <= 4_000, f"{now_ms}: -12 V for {self.low_ms} ms"
        assert self.away_ms <= 60_000, f"{now_ms}: away for {self.away_ms} ms"
        if self.shown_ms < 25 and self.before is not None and self.shown_ms != self.ticks:
            assert outputs.cp_state == self.before[2].cp_state, now_ms
        if outputs.duty_permille and not outputs.disconnected:
            return
        assert not outputs.contactor and not inputs.mirror_closed, now_ms
        asked = inputs.disconnect and not inputs.permit and now_ms - inputs.heartbeat_ms < 2_000
        if outputs.disconnected:
            assert asked and self.board.has_disconnect, now_ms
        else:
            assert not inputs.available or (asked and not self.board.has_disconnect), now_ms

    def _latches(self, sample: Sample) -> None:
        now_ms, inputs, outputs = sample
        assert outputs.locked & outputs.faults & self.seen_locked == self.seen_locked, now_ms
        if self.before is not None:
            gone = self.before[2].faults & ~outputs.faults
            asked = inputs.clear_count != self.before[1].clear_count
            if gone & (faults.RESIDUAL_CURRENT | faults.CONTACTOR_STUCK_OPEN | faults.GROUND_LOST):
                assert asked, now_ms
            if gone & (faults.DIODE_MISSING | faults.VENTILATION_REQUIRED | faults.EMERGENCY_STOP):
                assert asked or outputs.cp_state == "A", now_ms
            if self.before[2].contactor and inputs.residual_trip:
                assert outputs.faults & faults.RESIDUAL_CURRENT, now_ms
                assert now_ms - self.closed_ms > 2_000 or outputs.locked & faults.RESIDUAL_CURRENT, now_ms
        self.seen_locked |= outputs.locked

    def _edges(self, sample: Sample) -> None:
        now_ms, inputs, outputs = sample
        before = self.before[2] if self.before else None
        if before is not None and before.cp_state in "DEF" and outputs.cp_state not in "DEF":
            self.refused_ms = now_ms
        closed_before = before is not None and before.contactor
        if outputs.contactor and not closed_before:
            self.closings += 1
            self.closed_ms = now_ms
            assert not (inputs.ground_lost and self.board.has_ground_monitor), now_ms
            assert inputs.permit and inputs.available and outputs.offered_ma, now_ms
            assert not inputs.mirror_closed, now_ms
            assert self.c_ms > 500, f"{now_ms}: C for {self.c_ms} ms only"
            assert self.diode_seen, now_ms
            assert self.residual_tested or not self.board.has_residual_test, now_ms
            assert now_ms - self.opened_ms >= 5_000, now_ms
            assert now_ms - self.refused_ms >= 30_000, now_ms
        if closed_before and not outputs.contactor:
            self.opened_ms = now_ms
