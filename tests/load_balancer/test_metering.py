"""Grid meters that are silent, frozen, mad, negative or wired the wrong way round are found out."""

from random import Random

import pytest

from agents.load_balancer.circuits.contract_limits import Schedule
from agents.load_balancer.circuits.site import Circuit, Measures, Meter, SiteCharger, build
from agents.load_balancer.deciding.limits import limits_of
from agents.load_balancer.seeing.metering import CALM_S, FROZEN_S, Drawn, GridMeter
from tests.load_balancer.messages import said

PHASES = ("L1", "L2", "L3")


def drawn(current_a: float) -> dict[str, Drawn]:
    return {phase: Drawn(current_a, current_a, current_a) for phase in PHASES}


def fed(meter: GridMeter, house_a: float, cars_a: float, begin_s: int, seconds: int, *, sign: float = 1.0) -> int:
    """Feed a reading a second; return the second after."""
    random = Random(begin_s)
    for at_s in range(begin_s, begin_s + seconds):
        value = sign * (house_a + cars_a) + random.uniform(0, 0.05)
        meter.take(said((value, value, value), at_s * 1000), at_s * 1000, drawn(cars_a), at_s)
    return begin_s + seconds


def main_meter(**changes: object) -> GridMeter:
    return GridMeter(Meter("main", **changes), 63.0)  # type: ignore[arg-type]


def test_other_loads_are_what_the_chargers_do_not_draw() -> None:
    meter = main_meter()
    end_s = fed(meter, 20, 10, 0, 40)
    assert meter.trouble(end_s) is None
    assert meter.other_a("L1", end_s) == pytest.approx(20, abs=0.1)


def test_more_counts_at_once_and_less_only_after_half_a_minute() -> None:
    meter = main_meter()
    end_s = fed(meter, 20, 10, 0, 40)
    end_s = fed(meter, 30, 10, end_s, 1)
    assert meter.other_a("L1", end_s) == pytest.approx(30, abs=0.1)
    end_s = fed(meter, 5, 10, end_s, 20)
    assert meter.other_a("L1", end_s) == pytest.approx(30, abs=0.1)
    end_s = fed(meter, 5, 10, end_s, int(CALM_S))
    assert meter.other_a("L1", end_s) == pytest.approx(5, abs=0.1)


def test_a_car_that_starts_before_its_charger_has_said_so_is_no_other_load() -> None:
    meter = main_meter()
    end_s = fed(meter, 20, 0, 0, 40)
    ramp = {phase: Drawn(0.0, 16.0, 0.0) for phase in PHASES}
    meter.take(said((36.0, 36.0, 36.0), end_s * 1000), end_s * 1000, ramp, end_s)
    assert meter.other_a("L1", end_s) == pytest.approx(20, abs=0.1)


def test_too_much_is_acted_on_whoever_it_is() -> None:
    meter = main_meter()
    end_s = fed(meter, 20, 10, 0, 5)
    ramp = {phase: Drawn(0.0, 60.0, 10.0) for phase in PHASES}
    assert meter.take(said((70.0, 20.0, 20.0), end_s * 1000), end_s * 1000, ramp, end_s)
    assert meter.other_a("L1", end_s) == 60


def test_one_reading_above_the_fuse_pauses_nobody_and_a_second_one_does() -> None:
    """C11: one reading of 70 A on 25 A paused both cars for 30 s."""
    circuit = Circuit("main", Schedule(25.0), meter=Meter("main"))
    site = build([circuit], [SiteCharger("c1", "main"), SiteCharger("c2", "main")])

    def limit_a(meter: GridMeter, now_s: float) -> float:
        return limits_of(site, {"main": meter}, 0, now_s, 100)[0].limit

    meter = GridMeter(Meter("main"), 25.0)
    end_s = fed(meter, 4, 16, 0, 40)
    assert limit_a(meter, end_s) == pytest.approx(21, abs=0.1)
    spike = said((70.0, 20.0, 20.0), end_s * 1000)
    assert meter.take(spike, end_s * 1000, drawn(16.0), end_s), "it is acted on at once"
    assert limit_a(meter, end_s) == 12, "both go to 6 A"
    fed(meter, 4, 16, end_s + 1, 1)
    assert limit_a(meter, end_s + 1) == pytest.approx(21, abs=0.1), "the next reading says that it was none"
    for at_s in (end_s + 2, end_s + 3):
        meter.take(said((70.0 + at_s / 1000, 20.0, 20.0), at_s * 1000), at_s * 1000, drawn(16.0), at_s)
    assert limit_a(meter, end_s + 3) == 0
    fed(meter, 4, 16, end_s + 4, 10)
    assert limit_a(meter, end_s + 14) == 0, "a real one counts for half a minute"


def test_silence_and_null_are_unknown_not_zero() -> None:
    meter = main_meter()
    assert "not said anything" in (meter.trouble(0) or "")
    end_s = fed(meter, 20, 0, 0, 5)
    assert meter.trouble(end_s + 9) is None
    assert "silent for 11 s" in (meter.trouble(end_s + 10) or "")
    meter.take(said((None, 1.0, 1.0), 0), 0, {}, end_s + 10)
    assert "silent" in (meter.trouble(end_s + 10) or "")


def test_frozen_and_repeated_readings() -> None:
    meter = main_meter()
    for at_s in range(int(FROZEN_S) + 3):
        meter.take(said((5.0, 6.0, 7.0), at_s * 1000), at_s * 1000, drawn(0), at_s)
    assert "frozen" in (meter.trouble(FROZEN_S + 2) or "")
    meter = main_meter()
    for at_s in range(13):
        meter.take(said((5.0 + at_s, 6.0, 7.0), 1_000), 1_000, drawn(0), at_s)
    assert "repeats a reading of 12 s ago" in (meter.trouble(12) or "")


def test_what_no_fuse_would_survive_is_no_measurement() -> None:
    meter = main_meter()
    end_s = fed(meter, 20, 0, 0, 5)
    assert not meter.take(said((9_000.0, 1.0, 1.0), end_s * 1000), end_s * 1000, drawn(0), end_s)
    assert "cannot be" in (meter.trouble(end_s) or "")
    assert meter.trouble(fed(meter, 20, 0, end_s + 1, 1)) is None


def test_a_meter_that_sees_less_than_the_chargers_draw_is_not_believed() -> None:
    meter = main_meter()
    end_s = fed(meter, -12, 16, 0, 30)
    assert "while the chargers alone draw 16.0 A" in (meter.trouble(end_s) or "")


def test_negative_currents_where_nothing_feeds_in() -> None:
    meter = main_meter(measures=Measures.OTHER_LOADS)
    assert "nothing here feeds in" in (meter.trouble(fed(meter, -8, 0, 0, 30)) or "")
    sunny = main_meter(measures=Measures.OTHER_LOADS, solar=True)
    end_s = fed(sunny, -8, 0, 0, 15)
    assert sunny.trouble(end_s) is None
    assert sunny.export_a["L1"] == pytest.approx(8, abs=0.1)


def test_a_sign_that_is_wrong_is_seen_when_the_cars_change() -> None:
    meter, right = main_meter(solar=True), main_meter(solar=True)
    at_s = 0
    for cars_a in (0.0, 16.0, 0.0, 16.0, 6.0, 16.0, 0.0):
        fed(right, 3, cars_a, at_s, 60)
        at_s = fed(meter, 3, cars_a, at_s, 60, sign=-1.0)
    assert "mounted the other way" in (meter.trouble(at_s) or "")
    assert right.trouble(at_s) is None


def test_without_the_meter_a_stated_share_is_left_and_with_the_sun_never_more_than_the_fuse() -> None:
    def limit(circuit: Circuit, meter: GridMeter, now_s: float) -> tuple[float, str]:
        site = build([circuit], [SiteCharger("c1", "main"), SiteCharger("c2", "main")])
        found = limits_of(site, {"main": meter}, 0, now_s, 100)
        return found[0].limit, found[0].words

    meter = Meter("main", solar=True)
    plain = Circuit("main", Schedule(63.0), meter=meter)
    share = Circuit("main", Schedule(63.0), meter=meter, blind_limit_a=20.0)
    assert limit(plain, main_meter(), 0)[0] == 12
    assert limit(share, main_meter(), 0) == (20, "20 A because grid meter main has not said anything yet")
    sunny = main_meter(solar=True)
    end_s = fed(sunny, -30, 0, 0, 5)
    assert limit(plain, sunny, end_s)[0] == 63
    busy = main_meter()
    assert limit(plain, busy, fed(busy, 41, 0, 0, 5))[0] == pytest.approx(22, abs=0.1)


def test_what_was_read_before_the_newest_is_no_reading_and_a_clock_set_back_costs_no_more_than_a_silence() -> None:
    meter = main_meter()
    end_s = fed(meter, 20, 0, 0, 20)
    for at_s in range(end_s, end_s + 9):
        meter.take(said((3.0, 3.0, 3.0), (at_s - 10) * 1000), at_s * 1000, drawn(0), at_s)
        assert meter.newest_a("L1") == pytest.approx(20, abs=0.1)
        assert meter.trouble(at_s) is None
    for at_s in range(end_s + 9, end_s + 30):
        meter.take(said((30.0 + at_s / 50, 30.0, 30.0), (at_s - 10) * 1000), at_s * 1000, drawn(0), at_s)
    assert meter.trouble(end_s + 30) is None
    assert meter.other_a("L1", end_s + 30) >= 30


def test_what_was_read_earlier_is_no_reading_and_said_so() -> None:
    meter = main_meter()
    end_s = fed(meter, 20, 0, 0, 5)
    for at_s in range(end_s, end_s + 13):
        meter.take(said((3.0, 3.0, 3.0), 0), at_s * 1000 + 20_000, drawn(0), at_s)
    assert meter.newest_a("L1") != 3.0
    assert "s old; is its clock right?" in (meter.trouble(end_s + 12) or "")


def test_a_house_that_draws_the_same_whole_amperes_is_alive_as_long_as_anything_moves() -> None:
    """C5: Dutch P1 meters give whole amperes."""
    meter = main_meter()
    for at_s in range(0, 2 * int(FROZEN_S), 10):
        for more in ({"power_w": 4_000.0 + at_s % 70}, {"import_energy_wh": 1_000 + at_s}):
            meter.take(said((17.0, 1.0, 1.0), at_s * 1000, **more), at_s * 1000, drawn(0), at_s)
        assert meter.trouble(at_s) is None
    for at_s in range(2 * int(FROZEN_S), 3 * int(FROZEN_S) + 20, 10):
        meter.take(said((17.0, 1.0, 1.0), at_s * 1000, power_w=4_000.0), at_s * 1000, drawn(0), at_s)
    assert "frozen" in (meter.trouble(3 * FROZEN_S + 15) or "")


def test_currents_without_signs_get_those_of_the_power() -> None:
    """C6: 12 A of sun were taken for 12 A of load."""
    meter = main_meter(solar=True)
    for at_s in range(20):
        meter.take(said((12.0, 0.0, 0.0), at_s * 1000, power_w=-2_800.0), at_s * 1000, drawn(0), at_s)
    assert meter.export_a["L1"] == 12 and meter.directions_by_power
    meter.take(said((12.0, 0.0, 0.0), 20_000, power_w=2_800.0), 20_000, drawn(0), 20)
    assert meter.export_a["L1"] == 0 and not meter.directions_by_power
    fixed = main_meter()
    fixed.take(said((12.0, 0.0, 0.0), 0, power_w=-2_800.0), 0, drawn(0), 0)
    assert fixed.export_a["L1"] == 0, "nothing feeds in here"
