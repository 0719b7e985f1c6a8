"""What must hold at every millisecond of every trace, checked from inputs and outputs alone."""

from firmware.cp_pwm.specification import Board, faults
from tests.firmware.cp_pwm.traces import Sample

LATCHED = faults.CONTACTOR_WELDED | faults.RESIDUAL_CURRENT_SELF_TEST


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
        self.bad_diode_ms = 0
        self.good_diode_ms = 0
        self.diode_seen = False
        self.no_pwm_ms = 0
        self.offer_changed_ms = -(10**9)
        self.opened_ms = -(10**9)
        self.refused_ms = -(10**9)
        self.seen_faults = 0
        self.residual_tested = False
        self.closings = 0

    def tick(self, sample: Sample) -> None:
        self._count(sample)
        self._closed_only_when_safe(sample)
        self._opens_in_time(sample)
        self._offer(sample)
        self._latches(sample)
        self._edges(sample)
        self.before = sample

    def _count(self, sample: Sample) -> None:
        _, inputs, outputs = sample
        if self.before is not None and self.before[2].residual_test and inputs.residual_trip:
            self.residual_tested = True
        pwm_before = self.before is not None and self.before[2].offered_ma > 0
        not_c = certainly_not_c(inputs.high_mv)
        self.not_c_ms = self.not_c_ms + 1 if not_c else 0
        self.not_c_window = [*self.not_c_window[-199:], not_c]
        self.c_ms = self.c_ms + 1 if abs(inputs.high_mv - 6_000) <= 1_300 else 0
        bad = inputs.low_mv > -10_000
        self.bad_diode_ms = self.bad_diode_ms + 1 if bad and pwm_before else 0
        self.good_diode_ms = self.good_diode_ms + 1 if not bad and pwm_before else 0
        if outputs.cp_state in "ADEF":
            self.diode_seen = False
        elif self.good_diode_ms >= 100:
            self.diode_seen = True
        self.no_pwm_ms = self.no_pwm_ms + 1 if outputs.contactor and not outputs.offered_ma else 0

    def _closed_only_when_safe(self, sample: Sample) -> None:
        now_ms, inputs, outputs = sample
        if not outputs.contactor:
            return
        assert outputs.cp_state == "C", now_ms
        assert outputs.faults == 0, now_ms
        assert outputs.cable_ma > 0, now_ms
        assert not inputs.residual_trip, now_ms
        assert not outputs.residual_test, now_ms
        assert now_ms - inputs.heartbeat_ms <= 2_000, now_ms
        assert outputs.duty_permille != 0, now_ms

    def _opens_in_time(self, sample: Sample) -> None:
        now_ms, _, outputs = sample
        if not outputs.contactor:
            return
        assert self.not_c_ms <= 50, f"{now_ms}: {self.not_c_ms} ms without C"
        assert sum(self.not_c_window) <= 150, f"{now_ms}: flickers, mostly not C"
        assert self.bad_diode_ms <= 51, f"{now_ms}: no diode for {self.bad_diode_ms} ms"
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
        if outputs.duty_permille == 0:
            assert not inputs.available and not inputs.mirror_closed, now_ms
        if outputs.residual_test:
            assert not outputs.contactor, now_ms

    def _latches(self, sample: Sample) -> None:
        now_ms, inputs, outputs = sample
        assert outputs.faults & self.seen_faults & LATCHED == self.seen_faults & LATCHED, now_ms
        if self.before is not None:
            gone = self.before[2].faults & ~outputs.faults
            asked = inputs.clear_count != self.before[1].clear_count
            if gone & (faults.RESIDUAL_CURRENT | faults.CONTACTOR_STUCK_OPEN):
                assert asked, now_ms
            if gone & (faults.DIODE_MISSING | faults.VENTILATION_REQUIRED):
                assert asked or outputs.cp_state == "A", now_ms
        self.seen_faults |= outputs.faults

    def _edges(self, sample: Sample) -> None:
        now_ms, inputs, outputs = sample
        before = self.before[2] if self.before else None
        if before is not None and before.cp_state in "DE" and outputs.cp_state not in "DE":
            self.refused_ms = now_ms
        closed_before = before is not None and before.contactor
        if outputs.contactor and not closed_before:
            self.closings += 1
            assert inputs.permit and inputs.available and outputs.offered_ma, now_ms
            assert not inputs.mirror_closed, now_ms
            assert self.c_ms > 500, f"{now_ms}: C for {self.c_ms} ms only"
            assert self.diode_seen, now_ms
            assert self.residual_tested or not self.board.has_residual_test, now_ms
            assert now_ms - self.opened_ms >= 5_000, now_ms
            assert now_ms - self.refused_ms >= 30_000, now_ms
        if closed_before and not outputs.contactor:
            self.opened_ms = now_ms
