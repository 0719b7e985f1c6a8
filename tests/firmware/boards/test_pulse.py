"""The pulse counter: nothing that was counted is lost but what a power loss may cost, and nothing is invented."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.boards.drivers.pulse import KEEP_EVERY_WH, KEEP_IDLE_MS, ZERO_MS, PulseMeter
from tests.firmware.boards.virtual_devices import Kept, Pulses, Time, pass_time


class Bench:
    def __init__(self, kept: Kept | None = None, per_kwh: int = 1000, phases: int = 3) -> None:
        self.time = Time()
        self.pulses = Pulses()
        self.kept = kept or Kept()
        self.meter = PulseMeter(self.pulses, self.kept, per_kwh, phases, 230.0, 0)

    def flow(self, pulses: int, every_ms: int) -> None:
        for _ in range(pulses):
            self.pulses.count += 1
            pass_time(self.time, self.meter, every_ms)


def test_power_is_unknown_then_the_distance_of_pulses():
    bench = Bench()
    assert bench.meter.reading(0) is None
    bench.flow(3, 1000)
    reading = bench.meter.reading(bench.time.now)
    assert reading is not None
    assert reading.power_w == pytest.approx(3600, rel=0.03)
    assert reading.current_a == pytest.approx((3600 / 690,) * 3, rel=0.03)
    assert reading.energy_wh == 3
    assert reading.voltage_v == (230.0,) * 3


def test_power_falls_while_no_pulse_comes_and_ends():
    bench = Bench()
    bench.flow(5, 1000)
    pass_time(bench.time, bench.meter, 9000)
    reading = bench.meter.reading(bench.time.now)
    assert reading is not None and 0 < reading.power_w <= 400
    pass_time(bench.time, bench.meter, ZERO_MS)
    reading = bench.meter.reading(bench.time.now)
    assert reading is not None and reading.power_w == 0


def test_without_a_pulse_it_is_nothing_after_a_while():
    bench = Bench()
    pass_time(bench.time, bench.meter, ZERO_MS)
    reading = bench.meter.reading(bench.time.now)
    assert reading is not None and (reading.power_w, reading.energy_wh) == (0, 0)


def test_the_register_is_kept_seldom_and_to_the_last_pulse_when_idle():
    bench = Bench()
    bench.flow(450, 200)
    assert bench.kept.writes == 2
    assert bench.kept.number == 400
    pass_time(bench.time, bench.meter, KEEP_IDLE_MS)
    assert (bench.kept.number, bench.kept.writes) == (450, 3)
    pass_time(bench.time, bench.meter, 60_000)
    assert bench.kept.writes == 3
    assert Bench(bench.kept).meter.pulses == 450


def test_a_flash_that_refuses_is_tried_again_and_loses_nothing():
    bench = Bench()
    bench.kept.broken = True
    bench.flow(250, 100)
    bench.kept.broken = False
    pass_time(bench.time, bench.meter, 61_000)
    assert bench.kept.number == 250


def test_a_register_that_cannot_be_read_is_no_zero():
    kept = Kept()
    kept.broken = True
    with pytest.raises(OSError):
        Bench(kept)


def test_a_wrong_number_of_pulses_is_refused():
    with pytest.raises(ValueError, match="pulses_per_kwh is 1 to 100000"):
        Bench(per_kwh=0)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(10, 15_000), st.booleans()), min_size=1, max_size=12),
    st.sampled_from([100, 500, 1000, 2000]),
)
def test_the_register_never_goes_back_further_than_it_may(steps: "list[tuple[int, int, bool]]", per_kwh: int):
    kept = Kept()
    bench = Bench(kept, per_kwh)
    true, told = 0, 0
    for pulses, ms, power_lost in steps:
        bench.pulses.count += pulses
        true += pulses
        pass_time(bench.time, bench.meter, ms, 500)
        assert bench.meter.pulses == true
        told = bench.meter.pulses
        if power_lost:
            bench = Bench(kept, per_kwh)
            lost_wh = (told - bench.meter.pulses) * 1000 / per_kwh
            assert 0 <= lost_wh <= KEEP_EVERY_WH + 1000 / per_kwh
            true = bench.meter.pulses
