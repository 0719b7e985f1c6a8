"""Each rule of the facts page once, with its time."""

import pytest

from firmware.cp_pwm.specification import NO_PLUG_OHM, Board
from firmware.cp_pwm.specification.duty import clamp_ma, duty_permille
from firmware.cp_pwm.specification.faults import NAMES, fault_names
from firmware.cp_pwm.specification.levels import classify
from firmware.cp_pwm.specification.proximity import cable_ma
from tests.firmware.cp_pwm.bench import Bench
from tests.firmware.cp_pwm.traces import Step, changes_of, run_by_events


def faults(bench: Bench) -> tuple[str, ...]:
    return fault_names(bench.out.faults)


def test_fault_names_are_the_contracts() -> None:
    from bus_schema.words import Fault

    assert set(NAMES) <= {fault.value for fault in Fault}


@pytest.mark.parametrize(
    ("high_mv", "state"),
    [
        (12_600, "A"), (11_400, "A"), (9_560, "B"), (8_360, "B"), (6_490, "C"), (5_480, "C"), (3_250, "D"),
        (2_620, "D"), (0, "E"), (-12_000, "F"), (-12_600, "F"), (7_500, "unknown"), (10_500, "unknown"),
        (4_500, "unknown"), (1_500, "unknown"), (-6_000, "unknown"), (20_000, "unknown"),
    ],
)  # fmt: skip
def test_levels(high_mv: int, state: str) -> None:
    assert classify(high_mv, "unknown") == state


def test_hysteresis_keeps_a_level_at_its_edge() -> None:
    assert classify(7_101, "unknown") == "unknown"
    assert classify(7_300, "C") == "C"
    assert classify(7_301, "C") == "unknown"
    assert classify(7_700, "B") == "B"


@pytest.mark.parametrize(
    ("before_mv", "high_mv", "state", "ms"),
    [
        (6_000, 12_000, "A", 25), (9_000, 12_000, "A", 25), (9_000, 6_000, "C", 500), (12_000, 6_000, "C", 500),
        (12_000, 9_000, "B", 250), (6_000, 9_000, "B", 250), (6_000, 3_000, "D", 250), (9_000, 0, "E", 250),
        (9_000, -12_000, "F", 250), (9_000, 7_500, "unknown", 250),
    ],
)  # fmt: skip
def test_rules_of_debounce(before_mv: int, high_mv: int, state: str, ms: int) -> None:
    bench = Bench()
    bench.run(1_000, high_mv=before_mv)
    assert bench.until("cp_state", state, 600, high_mv=high_mv) == ms


def test_a_bounce_begins_the_debounce_anew() -> None:
    bench = Bench()
    bench.run(1_000, high_mv=6_000)
    bench.run(20, high_mv=12_000)
    bench.run(1, high_mv=6_000)
    assert bench.until("cp_state", "A", 100, high_mv=12_000) == 25, "a Leaf bounces from C to A"


def test_duty() -> None:
    assert [duty_permille(ma) for ma in (6_000, 13_000, 16_000, 32_000, 51_000, 52_750, 63_000, 80_000)] == [
        100, 216, 266, 533, 850, 851, 892, 960,
    ]  # fmt: skip
    assert [clamp_ma(ma) for ma in (0, 5_999, 6_000, 51_001, 52_749, 52_750, 99_000)] == [
        0, 0, 6_000, 51_000, 51_000, 52_750, 80_000,
    ]  # fmt: skip


def test_cable_bands() -> None:
    assert [cable_ma(ohm) for ohm in (1_500, 680, 220, 100)] == [13_000, 20_000, 32_000, 63_000]
    assert [cable_ma(ohm) for ohm in (74, 75, 149, 150, 329, 330, 999, 1_000, 2_200, 2_201)] == [
        -1, 63_000, 63_000, 32_000, 32_000, 20_000, 20_000, 13_000, 13_000, 0,
    ]  # fmt: skip


def test_closes_within_3_s_of_c() -> None:
    bench = Bench()
    bench.connect()
    assert 500 <= bench.until("contactor", True, 3_000, high_mv=6_000) <= 3_000


@pytest.mark.parametrize("high_mv", [9_000, 12_000, 3_000, 0, -12_000, 7_500, 1_500, 30_000])
def test_opens_within_100_ms_of_leaving_c(high_mv: int) -> None:
    assert Bench().charge().until("contactor", False, 100, high_mv=high_mv) <= 50


def test_a_single_wrong_sample_opens_nothing() -> None:
    bench = Bench().charge()
    for _ in range(200):
        bench.run(2, high_mv=9_000)
        assert bench.run(8, high_mv=6_000).contactor


def test_a_pilot_that_flickers_opens() -> None:
    bench = Bench().charge()
    for _ in range(20):
        bench.run(9, high_mv=9_000)
        bench.run(1, high_mv=6_000)
    assert not bench.out.contactor


def test_closes_again_after_5_s() -> None:
    bench = Bench().charge()
    bench.until("contactor", False, 100, high_mv=9_000)
    assert bench.until("contactor", True, 10_000, high_mv=6_000) == 4_999


@pytest.mark.parametrize(("high_mv", "fault"), [(3_000, "ventilation_required"), (0, "pilot_short")])
def test_d_and_e_are_refused_and_wait_30_s(high_mv: int, fault: str) -> None:
    bench = Bench().charge()
    bench.run(300, high_mv=high_mv)
    assert faults(bench) == (fault,)
    assert not bench.out.contactor and bench.out.duty_permille == 1_000
    back_ms = bench.until("cp_state", "C", 1_000, high_mv=6_000)
    bench.inputs.clear_count += 1
    assert back_ms == 500
    assert bench.until("contactor", True, 40_000) == 30_000 - 1
    assert faults(bench) == ()


def test_ventilation_stays_refused_until_the_car_has_gone() -> None:
    bench = Bench().charge()
    bench.run(300, high_mv=3_000)
    bench.run(60_000, high_mv=9_000)
    assert faults(bench) == ("ventilation_required",) and bench.out.offered_ma == 0
    bench.run(300, high_mv=12_000)
    assert faults(bench) == ()


def test_stays_open_without_permission_offer_or_cable() -> None:
    for refusal in ({"permit": False}, {"offer_ma": 5_999}, {"proximity_ohm": NO_PLUG_OHM}, {"available": False}):
        bench = Bench()
        good: dict[str, object] = {"high_mv": 9_000, "low_mv": -12_000, "offer_ma": 16_000, "permit": True}
        bench.run(1_000, **(good | refusal))
        for _ in range(40):
            assert not bench.run(100, high_mv=6_000).contactor, refusal


def test_a_car_that_stops_is_opened_without_load() -> None:
    bench = Bench().charge()
    assert bench.run(2_000, permit=False).duty_permille == 1_000
    assert bench.out.contactor, "the car has 3 s to stop"
    assert bench.until("contactor", False, 100, high_mv=9_000) <= 50


@pytest.mark.parametrize("end", [{"permit": False}, {"offer_ma": 0}, {"available": False}])
def test_a_car_that_does_not_stop_is_cut_off_after_6_s(end: dict[str, object]) -> None:
    assert Bench().charge().until("contactor", False, 7_000, **end) == 6_000


def test_a_hung_app_opens_after_2_s() -> None:
    bench = Bench().charge()
    bench.beats = False
    assert bench.until("contactor", False, 3_000) == 1_999
    assert faults(bench) == ("heartbeat_lost",)
    bench.beats = True
    bench.run(4_900)
    assert faults(bench) == ("heartbeat_lost",), "the app must be able to see it"
    bench.run(1_000)
    assert faults(bench) == () and bench.out.contactor


def test_an_idle_app_may_sleep() -> None:
    bench = Bench()
    bench.beats = False
    bench.run(10_000, high_mv=9_000)
    assert faults(bench) == ()


def test_raises_wait_and_decreases_do_not() -> None:
    bench = Bench(rated_ma=80_000)
    bench.charge()
    bench.run(5_000)
    assert bench.until("offered_ma", 20_000, 10, offer_ma=20_000) == 0
    assert bench.until("offered_ma", 32_000, 6_000, offer_ma=32_000) == 4_999
    assert bench.until("offered_ma", 10_000, 10, offer_ma=10_000) == 0
    assert bench.until("offered_ma", 6_000, 10, offer_ma=6_000) == 0
    assert bench.until("offered_ma", 16_000, 6_000, offer_ma=16_000) == 4_999


def test_offer_is_within_cable_and_hardware() -> None:
    bench = Bench(rated_ma=25_000)
    bench.charge()
    assert bench.run(5_001, offer_ma=63_000).offered_ma == 25_000
    assert bench.run(300, proximity_ohm=1_500).offered_ma == 13_000
    assert bench.run(6_000, proximity_ohm=100).offered_ma == 13_000, "a cable does not grow while it carries current"


def test_a_shorted_proximity_contact_is_a_fault() -> None:
    bench = Bench().charge()
    assert bench.until("contactor", False, 100, proximity_ohm=10) == 50
    assert faults(bench) == ("cable_short",) and bench.out.cable_ma == 0
    bench.run(300, proximity_ohm=220)
    assert faults(bench) == () and bench.out.cable_ma == 32_000


def test_a_plug_that_is_pulled_opens() -> None:
    assert Bench().charge().until("contactor", False, 100, proximity_ohm=NO_PLUG_OHM) == 50


def test_a_fixed_cable_needs_no_proximity() -> None:
    bench = Bench(tethered=True)
    bench.run(10, proximity_ohm=NO_PLUG_OHM)
    assert bench.out.cable_ma == 32_000
    bench.charge()


def test_no_diode_no_energy() -> None:
    bench = Bench()
    bench.connect()
    bench.inputs.low_mv = -9_999
    for _ in range(50):
        assert not bench.run(100, high_mv=6_000).contactor
    assert faults(bench) == ("diode_missing",)
    bench.run(2_000, high_mv=12_000)
    assert faults(bench) == (), "the next car gets its own check"


def test_a_diode_lost_while_charging_opens() -> None:
    assert Bench().charge().until("contactor", False, 100, low_mv=-6_000) <= 51


def test_a_pilot_that_flickers_between_no_diode_and_no_c_opens() -> None:
    """Each is right every other millisecond, and both together never: found by the fuzzer."""
    bench = Bench().charge()
    for ms in range(60):
        bench.run(1, low_mv=-6_000, high_mv=(6_000, 7_500)[ms % 2])
    assert not bench.out.contactor


def test_the_edge_of_a_good_diode() -> None:
    bench = Bench().charge()
    assert bench.run(200, low_mv=-10_000).contactor
    assert bench.until("contactor", False, 100, low_mv=-9_999) == 50


def test_a_diode_fault_goes_with_the_car_only() -> None:
    bench = Bench().charge()
    bench.run(300, low_mv=-9_999, high_mv=9_000)
    bench.run(10_000, low_mv=-12_000)
    assert faults(bench) == ("diode_missing",)
    bench.run(300, high_mv=12_000)
    assert faults(bench) == ()


def test_the_diode_needs_100_ms() -> None:
    bench = Bench()
    bench.run(1_000, high_mv=6_000, low_mv=-12_000)
    assert bench.until("contactor", True, 1_000, offer_ma=16_000, permit=True) == 101


def test_residual_current_opens_at_once_and_latches() -> None:
    bench = Bench().charge()
    bench.run(2_000)
    assert bench.until("contactor", False, 10, residual_trip=True) == 0
    bench.run(60_000, residual_trip=False)
    assert faults(bench) == ("residual_current",) and not bench.out.contactor
    bench.run(1, residual_trip=True, clear_count=1)
    assert faults(bench) == ("residual_current",), "it still trips"
    bench.run(1, residual_trip=False)
    bench.run(1, clear_count=2)
    assert faults(bench) == ()


def test_welded_contacts_lock() -> None:
    bench = Bench().charge()
    bench.mirror_follows = False
    bench.until("contactor", False, 100, high_mv=9_000)
    assert bench.until("faults", bench.out.faults | 1 << NAMES.index("contactor_welded"), 2_000) == 1_499
    bench.run(10_000, mirror_closed=False, clear_count=1, high_mv=6_000)
    assert faults(bench) == ("contactor_welded",) and not bench.out.contactor


def test_contacts_that_do_not_close_are_a_fault() -> None:
    bench = Bench()
    bench.mirror_follows = False
    bench.connect()
    bench.until("contactor", True, 1_000, high_mv=6_000)
    assert bench.until("contactor", False, 2_000) == 1_499
    assert faults(bench) == ("contactor_stuck_open",)
    bench.run(1, clear_count=1)
    assert faults(bench) == ()


def test_closed_mirror_contact_forbids_closing() -> None:
    bench = Bench()
    bench.mirror_follows = False
    bench.connect()
    bench.run(490, high_mv=6_000)
    assert not bench.run(100, mirror_closed=True).contactor
    assert bench.run(1, mirror_closed=False).contactor


def test_nothing_closes_without_pwm() -> None:
    bench = Bench().charge()
    bench.until("contactor", False, 7_000, offer_ma=5_999)
    assert all(not bench.run(1).contactor for _ in range(10_000)), "the car still asks, but nothing is offered"


def test_every_car_shows_its_diode_anew() -> None:
    bench = Bench().charge()
    bench.run(8_000, high_mv=12_000)
    bench.until("cp_state", "C", 1_000, high_mv=6_000)
    assert bench.until("contactor", True, 1_000) >= 100


def test_c_must_be_steady_again_before_closing() -> None:
    bench = Bench().charge()
    bench.run(200, permit=False, high_mv=6_000)
    bench.until("contactor", False, 7_000)
    bench.run(4_950, permit=True)
    bench.run(10, high_mv=7_500)
    assert bench.out.cp_state == "C"
    assert bench.until("contactor", True, 1_000, high_mv=6_000) == 500


def test_a_silent_app_closes_nothing() -> None:
    bench = Bench()
    bench.connect()
    bench.beats = False
    bench.run(3_000)
    assert not bench.run(3_000, high_mv=6_000).contactor and faults(bench) == ()
    bench.beats = True
    assert bench.run(1).contactor


def test_f_is_shown_once_the_contactor_is_open() -> None:
    bench = Bench().charge()
    assert bench.run(3_000, available=False).duty_permille == 1_000
    assert bench.until("duty_permille", 0, 4_000) == 3_000 + 1
    assert bench.run(3_999, high_mv=-12_000).cp_state == "C", "what the charger shows itself is no state of the car"


def test_f_waits_for_the_coil_on_a_board_without_mirror_contact() -> None:
    bench = Bench(has_mirror=False)
    bench.mirror_follows = False
    assert bench.charge().run(100, available=False).duty_permille == 1_000


def test_simplified_car_is_capped() -> None:
    bench = Bench(simplified_cap_ma=10_000)
    bench.run(1_000, high_mv=12_000)
    bench.run(2_000, high_mv=6_000, low_mv=-12_000, offer_ma=16_000, permit=True)
    assert bench.out.offered_ma == 10_000 and bench.out.contactor
    bench = Bench(simplified_cap_ma=10_000).charge()
    assert bench.out.offered_ma == 16_000


def test_a_simplified_car_is_offered_nothing_with_a_cap_below_6_a() -> None:
    bench = Bench(simplified_cap_ma=1)
    bench.run(1_000, high_mv=12_000)
    assert bench.run(2_000, high_mv=6_000, low_mv=-12_000, offer_ma=16_000, permit=True).offered_ma == 0


class TestSelfTest:
    def bench(self) -> Bench:
        bench = Bench(has_residual_test=True)
        bench.until("residual_test", True, 100)
        return bench

    def test_passes(self) -> None:
        bench = self.bench()
        assert bench.until("residual_test", False, 100, residual_trip=True) == 0
        bench.run(100, residual_trip=False)
        assert faults(bench) == ()

    def test_comes_again_after_a_session(self) -> None:
        bench = self.bench()
        bench.run(1, residual_trip=True)
        bench.run(10, residual_trip=False)
        bench.charge()
        assert not bench.out.residual_test
        assert bench.until("residual_test", True, 100, high_mv=12_000) <= 30

    def test_a_device_that_does_not_trip_locks(self) -> None:
        bench = self.bench()
        assert bench.until("faults", 1 << NAMES.index("residual_current_self_test"), 600) == 499
        bench.run(100, clear_count=1)
        bench.run(5_000, high_mv=6_000, low_mv=-12_000, permit=True, offer_ma=16_000)
        assert faults(bench) == ("residual_current_self_test",) and not bench.out.contactor

    def test_a_device_that_does_not_let_go_locks(self) -> None:
        bench = self.bench()
        bench.run(1_100, residual_trip=True)
        assert faults(bench) == ("residual_current_self_test",) or "residual_current" in faults(bench)

    def test_nothing_closes_before_the_device_has_let_go(self) -> None:
        bench = self.bench()
        bench.run(1, residual_trip=True, offer_ma=16_000, permit=True)
        for _ in range(9):
            assert not bench.run(100, high_mv=6_000, low_mv=-12_000).contactor
        assert bench.run(50, residual_trip=False).contactor

    def test_a_car_that_comes_ends_a_later_test(self) -> None:
        bench = self.bench()
        bench.run(1, residual_trip=True)
        bench.run(10, residual_trip=False)
        bench.charge()
        bench.until("residual_test", True, 100, high_mv=12_000)
        bench.run(600, high_mv=9_000)
        assert not bench.out.residual_test and faults(bench) == ()

    def test_nothing_closes_before_the_test_at_boot(self) -> None:
        bench = Bench(has_residual_test=True)
        bench.run(1, high_mv=6_000, low_mv=-12_000, offer_ma=16_000, permit=True)
        bench.run(700, residual_trip=False)
        assert faults(bench) == ("residual_current_self_test",) and not bench.out.contactor
        bench = Bench(has_residual_test=True)
        bench.until("residual_test", True, 10, high_mv=6_000, low_mv=-12_000, offer_ma=16_000, permit=True)
        bench.run(1, residual_trip=True)
        assert bench.run(700, residual_trip=False).contactor

    def test_comes_again_after_a_day(self) -> None:
        trace = [
            Step((("high_mv", 12_000),), 100),
            Step((("residual_trip", True),), 100),
            Step((("residual_trip", False),), 25 * 3_600_000),
        ]
        tests = [now_ms for now_ms, outputs in changes_of(run_by_events(Board(), trace)) if outputs.residual_test]
        assert [round(now_ms / 3_600_000) for now_ms in tests if now_ms != 1_025] == [0, 24]
