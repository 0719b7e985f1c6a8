"""Rules about what is wired besides the pilot: temperature, emergency stop, earth, the switch in the pilot's wire."""

import pytest

from firmware.cp_pwm.specification.faults import fault_names
from firmware.cp_pwm.specification.signals import UNKNOWN_MC
from tests.firmware.cp_pwm.bench import Bench


def faults(bench: Bench) -> tuple[str, ...]:
    return fault_names(bench.out.faults)


def locked(bench: Bench) -> tuple[str, ...]:
    return fault_names(bench.out.locked)


class TestDerating:
    def steps(self, *temperatures_mc: int) -> list[int]:
        bench = Bench(rated_ma=32_000)
        return [bench.run(1, temperature_mc=temperature_mc).derated_ma for temperature_mc in temperatures_mc]

    def test_half_quarter_nothing(self) -> None:
        assert self.steps(64_999, 65_000, 67_999, 68_000, 70_999, 71_000) == [
            32_000, 16_000, 16_000, 8_000, 8_000, 0,
        ]  # fmt: skip

    def test_all_is_given_back_at_62(self) -> None:
        assert self.steps(71_000, 64_000, 62_001, 62_000) == [0, 0, 0, 32_000]
        assert self.steps(65_000, 62_001, 62_000) == [16_000, 16_000, 32_000]

    def test_a_car_is_told_less_at_once_and_more_after_5_s(self) -> None:
        bench = Bench().charge()
        bench.run(5_000, offer_ma=32_000)
        assert bench.until("offered_ma", 16_000, 0, temperature_mc=66_000) == 0
        assert bench.until("offered_ma", 32_000, 5_000, temperature_mc=30_000) == 4_999

    def test_a_quarter_below_6_a_is_nothing(self) -> None:
        bench = Bench(rated_ma=16_000).charge()
        assert bench.run(1, temperature_mc=69_000)[3:4] == (0,), "4 A cannot be told to a car"
        assert bench.out.derated_ma == 4_000 and faults(bench) == ()

    def test_too_hot_ends_the_offer_at_once_and_the_contactor_when_the_car_has_stopped(self) -> None:
        bench = Bench().charge()
        assert bench.run(1, temperature_mc=71_000).offered_ma == 0
        assert faults(bench) == ("over_temperature",) and bench.out.contactor
        assert bench.until("contactor", False, 100, high_mv=9_000) <= 50

    def test_too_hot_and_a_car_that_does_not_stop(self) -> None:
        assert Bench().charge().until("contactor", False, 7_000, temperature_mc=71_000) == 6_000

    def test_too_hot_closes_nothing(self) -> None:
        bench = Bench()
        bench.inputs.temperature_mc = 71_000
        bench.connect()
        assert not bench.run(3_000, high_mv=6_000).contactor
        assert bench.run(6_000, temperature_mc=62_000).contactor and faults(bench) == ()

    @pytest.mark.parametrize("temperature_mc", [-40_000, 61_000])
    def test_what_is_plausible_is_known_for_as_long_as_it_is_handed_in(self, temperature_mc: int) -> None:
        assert Bench().run(100_000, temperature_mc=temperature_mc).derated_ma == 32_000

    @pytest.mark.parametrize("temperature_mc", [UNKNOWN_MC, -40_001, 125_001, 2**31 - 1])
    def test_what_is_not_plausible_is_unknown_after_30_s(self, temperature_mc: int) -> None:
        bench = Bench().charge()
        bench.run(6_000, offer_ma=32_000)
        bench.run(1)
        assert bench.until("derated_ma", 8_000, 31_000, temperature_mc=temperature_mc) == 30_000
        assert bench.out.contactor and bench.out.offered_ma == 8_000

    def test_a_temperature_that_nobody_renews_is_unknown(self) -> None:
        bench = Bench().charge()
        bench.measures = False
        assert bench.until("derated_ma", 8_000, 31_000) == 30_000
        bench.measures = True
        assert bench.run(1).derated_ma == 32_000

    def test_unknown_does_not_allow_what_heat_forbade(self) -> None:
        bench = Bench()
        bench.run(1, temperature_mc=71_000)
        assert bench.run(40_000, temperature_mc=UNKNOWN_MC).derated_ma == 0

    def test_nothing_is_known_after_boot(self) -> None:
        bench = Bench()
        bench.measures = False
        assert bench.run(1).derated_ma == 8_000

    def test_a_board_without_a_sensor_declares_it(self) -> None:
        bench = Bench(has_temperature=False)
        assert bench.run(1, temperature_mc=99_000).derated_ma == 32_000


class TestEmergencyStop:
    def test_opens_at_once(self) -> None:
        bench = Bench(has_emergency_stop=True).charge()
        assert bench.until("contactor", False, 10, emergency_stop=True) == 0
        assert faults(bench) == ("emergency_stop",)

    def test_letting_go_starts_nothing(self) -> None:
        bench = Bench(has_emergency_stop=True).charge()
        bench.run(10, emergency_stop=True)
        bench.run(60_000, emergency_stop=False)
        assert faults(bench) == ("emergency_stop",) and not bench.out.contactor
        assert bench.run(1_000, clear_count=1).contactor

    def test_clearing_a_pressed_button_does_nothing(self) -> None:
        bench = Bench(has_emergency_stop=True).charge()
        bench.run(100, emergency_stop=True)
        assert not bench.run(10_000, clear_count=1).contactor
        assert faults(bench) == ("emergency_stop",)

    def test_goes_with_the_car(self) -> None:
        bench = Bench(has_emergency_stop=True).charge()
        bench.run(10, emergency_stop=True)
        bench.run(300, emergency_stop=False, high_mv=12_000)
        assert faults(bench) == ()

    def test_a_button_that_is_not_wired_is_not_looked_at(self) -> None:
        assert Bench().charge().run(100, emergency_stop=True, ground_lost=True).contactor


class TestGround:
    def test_opens_within_100_ms_and_latches(self) -> None:
        bench = Bench(has_ground_monitor=True).charge()
        assert bench.until("contactor", False, 100, ground_lost=True) == 50
        bench.run(60_000, ground_lost=False)
        assert faults(bench) == ("ground_lost",)
        assert bench.run(1_000, clear_count=1).contactor

    def test_a_single_wrong_sample_opens_nothing(self) -> None:
        bench = Bench(has_ground_monitor=True).charge()
        for _ in range(100):
            bench.run(2, ground_lost=True)
            assert bench.run(8, ground_lost=False).contactor

    def test_clearing_while_it_is_lost_closes_nothing(self) -> None:
        bench = Bench(has_ground_monitor=True).charge()
        bench.run(10_000, ground_lost=True)
        for count in range(100):
            assert not bench.run(10, clear_count=count).contactor
        assert not bench.run(100).contactor and faults(bench) == ("ground_lost",)


class TestResidualCurrent:
    def test_a_trip_within_2_s_of_closing_locks(self) -> None:
        bench = Bench()
        bench.connect()
        bench.until("contactor", True, 1_000, high_mv=6_000)
        bench.run(1_999)
        bench.run(1, residual_trip=True)
        bench.run(10_000, residual_trip=False, clear_count=1)
        assert faults(bench) == locked(bench) == ("residual_current",) and not bench.out.contactor

    def test_a_later_one_can_be_cleared(self) -> None:
        bench = Bench()
        bench.connect()
        bench.until("contactor", True, 1_000, high_mv=6_000)
        bench.run(2_000)
        bench.run(1, residual_trip=True)
        assert faults(bench) == ("residual_current",) and locked(bench) == ()
        bench.run(10_000, residual_trip=False)
        assert bench.run(2, clear_count=1).contactor

    def test_with_the_contactor_open_noise_does_not_latch(self) -> None:
        bench = Bench()
        bench.connect()
        assert bench.run(50, residual_trip=True).faults == 0
        bench.run(100, residual_trip=False)
        assert bench.until("faults", 16, 100, residual_trip=True) == 50

    def test_nothing_closes_while_it_trips(self) -> None:
        bench = Bench().charge()
        bench.until("contactor", False, 100, high_mv=9_000)
        bench.run(4_980, high_mv=6_000)
        for _ in range(40):
            assert not bench.run(1, residual_trip=True).contactor
        assert bench.run(1, residual_trip=False).contactor, "it was only noise"

    def test_contacts_that_are_still_closed_count_as_closed(self) -> None:
        bench = Bench().charge()
        bench.run(3_000)
        bench.mirror_follows = False
        bench.until("contactor", False, 100, high_mv=9_000)
        assert bench.run(1, residual_trip=True).faults == 16

    def test_tested_in_a_only_after_a_session(self) -> None:
        bench = Bench(has_residual_test=True)
        bench.until("residual_test", True, 100)
        bench.run(1, residual_trip=True)
        bench.run(10, residual_trip=False)
        bench.charge()
        bench.run(200, high_mv=9_000)
        assert not bench.out.contactor
        for _ in range(100):
            assert not bench.run(100).residual_test
        assert bench.until("residual_test", True, 100, high_mv=12_000) <= 30


class TestStateF:
    def test_is_pulsed(self) -> None:
        bench = Bench()
        bench.run(500)
        bench.until("duty_permille", 0, 10, available=False)
        for _ in range(3):
            assert bench.until("duty_permille", 1_000, 5_000, high_mv=-12_000) == 4_000 - 1
            assert bench.until("duty_permille", 0, 5_000, high_mv=12_000) == 1_000 - 1

    @pytest.mark.parametrize(("high_mv", "state"), [(12_000, "A"), (6_000, "C"), (3_000, "D"), (0, "E")])
    def test_whatever_the_car_does_is_seen_within_5_s(self, high_mv: int, state: str) -> None:
        bench = Bench()
        bench.run(500, high_mv=9_000)
        bench.until("duty_permille", 0, 10, available=False)
        bench.until("duty_permille", 1_000, 5_000, high_mv=-12_000)
        assert bench.out.cp_state == "B"
        assert bench.until("cp_state", state, 1_000, high_mv=high_mv) <= 25 + 500 + 1

    def test_its_end_closes_nothing_before_c_has_stood_and_the_diode_was_seen(self) -> None:
        bench = Bench().charge()
        bench.run(300, high_mv=9_000)
        bench.until("duty_permille", 0, 4_000, available=False)
        bench.run(6_000, high_mv=6_000)
        bench.run(2_000, high_mv=-12_000)
        assert bench.out.duty_permille == 0 and bench.out.cp_state == "C"
        assert bench.until("contactor", True, 3_000, available=True, high_mv=6_000, low_mv=-12_000) >= 525

    def test_the_diode_is_looked_at_anew_after_it(self) -> None:
        bench = Bench().charge()
        bench.run(300, high_mv=9_000)
        bench.run(2_000, available=False, offer_ma=0, high_mv=-12_000)
        bench.run(6_000, available=True, high_mv=6_000)
        assert bench.out.cp_state == "C" and not bench.out.contactor
        assert bench.until("contactor", True, 1_000, offer_ma=16_000) == 101

    def test_f_that_the_charger_does_not_make_is_a_fault(self) -> None:
        bench = Bench().charge()
        bench.run(300, high_mv=-12_000)
        assert faults(bench) == ("pilot_short",) and not bench.out.contactor
        bench.until("cp_state", "C", 1_000, high_mv=6_000)
        assert bench.until("contactor", True, 40_000) == 30_000 - 1


class TestDisconnect:
    def test_only_while_not_permitted_and_open(self) -> None:
        bench = Bench().charge()
        assert not bench.run(100, disconnect=True).disconnected and bench.out.contactor
        bench.run(10, permit=False)
        assert bench.out.contactor and not bench.out.disconnected, "it is still closed"
        bench.until("contactor", False, 7_000)
        assert bench.run(2).disconnected

    def test_the_car_is_still_there(self) -> None:
        bench = Bench()
        bench.run(1_000, high_mv=9_000)
        bench.run(30_000, disconnect=True, high_mv=12_000)
        assert bench.out.disconnected and bench.out.cp_state == "B"
        bench.run(24, disconnect=False)
        assert bench.run(500, high_mv=9_000).cp_state == "B"
        bench.run(100, high_mv=12_000)
        assert bench.out.cp_state == "A", "a car that has gone meanwhile is missed then"

    def test_ends_after_a_minute(self) -> None:
        bench = Bench()
        bench.run(1_000, high_mv=9_000)
        bench.run(1, disconnect=True)
        assert bench.until("disconnected", False, 70_000) == 60_000 - 1
        assert not bench.run(60_000).disconnected, "asking anew needs a withdrawal first"
        bench.run(1, disconnect=False)
        assert bench.run(1, disconnect=True).disconnected

    def test_ends_when_the_app_is_silent(self) -> None:
        bench = Bench()
        bench.run(1_000, high_mv=9_000)
        bench.run(10, disconnect=True)
        bench.beats = False
        assert bench.until("disconnected", False, 3_000) == 1_999

    def test_ends_with_a_permission(self) -> None:
        bench = Bench()
        bench.run(1_000, high_mv=9_000, low_mv=-12_000, offer_ma=16_000)
        bench.run(10, disconnect=True)
        assert not bench.run(1, permit=True).disconnected
        assert not bench.run(520, high_mv=6_000).contactor

    def test_without_a_switch_f_is_shown(self) -> None:
        bench = Bench(has_disconnect=False)
        bench.run(1_000, high_mv=9_000)
        assert bench.run(1, disconnect=True).duty_permille == 0
        assert bench.run(10_000, high_mv=-12_000).cp_state == "B" and not bench.out.disconnected
        assert bench.run(1, disconnect=False).duty_permille == 1_000


class TestBoot:
    def test_contacts_that_are_closed_at_boot_lock(self) -> None:
        bench = Bench()
        bench.mirror_follows = False
        bench.run(1_600, mirror_closed=True)
        assert faults(bench) == locked(bench) == ("contactor_welded",)
        bench.run(1_000, mirror_closed=False, clear_count=1)
        assert faults(bench) == ("contactor_welded",)

    def test_a_device_that_fails_its_test_locks(self) -> None:
        bench = Bench(has_residual_test=True)
        bench.run(700)
        assert faults(bench) == locked(bench) == ("residual_current_self_test",)
