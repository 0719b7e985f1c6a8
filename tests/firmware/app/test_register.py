"""A register that dips and comes back, one that stands still, and meters that count the wrong way (invariant 11)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.app.counting import JUDGED_WH
from firmware.app.register import BELIEVE_AFTER, Register
from tests.firmware.app.fakes import Bench, MemoryStorage, PowerLost


def bench_at(register_wh: float) -> Bench:
    """A charger that is new, with a meter that is not."""
    bench = Bench()
    bench.meter.wh = register_wh
    bench.storage.files.clear()
    bench.boot()
    return bench


def session_wh(bench: Bench) -> int:
    bench.send("stop")
    bench.run(1)
    event = bench.events("session_ended")[-1]
    return int(event["energy_wh"])


@pytest.mark.parametrize("dip_s", [6, 60, 600, 7200])
@pytest.mark.parametrize("dip_wh", [0, 3, 70_000_000])
def test_a_dip_that_returns_loses_nothing(dip_s: int, dip_wh: int) -> None:
    bench = bench_at(8_123_456.0)
    bench.charge()
    bench.run(60)
    bench.meter.replaced_by = dip_wh
    bench.run(dip_s)
    bench.meter.replaced_by = None
    bench.run(60)
    assert bench.pilot.closed
    assert session_wh(bench) == int(bench.meter.wh)


def test_a_dip_over_a_power_loss_loses_nothing_and_bills_no_second_register() -> None:
    for boots in ((True, False), (False, True), (True, True)):
        bench = bench_at(8_123_456.0)
        bench.charge()
        bench.run(60)
        bench.meter.replaced_by = 0
        bench.run(30)
        if boots[0]:
            bench.boot()
            bench.run(30)
        bench.meter.replaced_by = None
        if boots[1]:
            bench.boot()
        bench.run(60)
        assert bench.state()["energy_wh"] == int(bench.meter.wh), boots
        for event in bench.events("session_ended"):
            assert event["energy_wh"] - event["start_energy_wh"] <= 400, boots


def test_a_meter_that_restarts_and_counts_from_zero_for_a_while_is_bridged() -> None:
    bench = bench_at(500_000.0)
    bench.charge()
    bench.run(60)
    before_wh = int(bench.meter.wh)
    read = bench.meter.read

    def since_the_restart():
        reading = read()
        if reading is not None:
            reading.energy_wh -= before_wh
        return reading

    bench.meter.read = since_the_restart  # type: ignore[method-assign]
    bench.run(120)
    bench.meter.read = read  # type: ignore[method-assign]
    bench.run(60)
    assert session_wh(bench) == int(bench.meter.wh)
    assert not bench.events("fault_raised")


def test_another_meter_is_still_another_meter() -> None:
    register = Register(MemoryStorage(), 22_000)
    register.load(0)
    now = 0
    for meter_wh in (90_000, *[7] * BELIEVE_AFTER, 8, 9, 20):
        now += 1000
        register.take(meter_wh, now)
    assert register.energy_wh == 90_000 + 13
    # What comes back below what was counted meanwhile is not the old one going on.
    for _ in range(BELIEVE_AFTER):
        now += 1000
        register.take(90_005, now)
    assert register.energy_wh == 90_000 + 13


def test_a_meter_that_is_connected_the_wrong_way_round_stops_the_charging_and_is_named() -> None:
    bench = Bench()
    bench.charge()
    read = bench.meter.read

    def reversed_meter():
        reading = read()
        if reading is not None:
            reading.power_w, reading.energy_wh = -reading.power_w, 1000
        return reading

    bench.meter.read = reversed_meter  # type: ignore[method-assign]
    bench.run(200)
    (fault,) = bench.events("fault_raised")
    assert fault["fault"] == "meter_implausible"
    assert "the wrong way round" in fault["detail"]
    assert not bench.pilot.closed
    assert bench.meter.wh - 1000 <= JUDGED_WH + 30


def test_a_register_that_stands_stops_the_charging_and_is_tried_again() -> None:
    bench = Bench()
    bench.charge()
    bench.meter.replaced_by = 1000
    bench.run(200)
    assert not bench.pilot.closed
    assert bench.events("fault_raised")[-1]["detail"].startswith("by its power 50")
    bench.run(300)
    assert bench.pilot.closed, "it is tried again"
    bench.run(1300)
    bench.meter.replaced_by = None
    bench.cp("A")
    bench.charge()
    bench.run(600)
    assert bench.pilot.closed, "another car, and the meter is well"


def test_a_coarse_register_and_an_inaccurate_power_are_no_fault() -> None:
    bench = Bench()
    bench.charge()
    read = bench.meter.read

    def coarse():
        reading = read()
        if reading is not None:
            reading.power_w *= 1.4
            reading.energy_wh = reading.energy_wh // 100 * 100
        return reading

    bench.meter.read = coarse  # type: ignore[method-assign]
    bench.run(7200)
    assert not bench.events("fault_raised")


STEPS = st.lists(
    st.tuples(
        st.integers(0, 9),  # what flows in this second, Wh
        st.sampled_from([None, None, None, 0, 5, 10**7]),  # what the meter shows instead
        st.sampled_from(["", "", "", "", "boot", "cut"]),
    ),
    min_size=1,
    max_size=80,
)


@settings(max_examples=300, deadline=None)
@given(STEPS, st.integers(1, 60))
def test_whatever_dips_and_whenever_the_power_goes_it_never_counts_too_much_and_nothing_is_lost(
    steps: list[tuple[int, int | None, str]], cut_at: int
) -> None:
    storage = MemoryStorage()
    true_wh, now, highest = 5_000_000, 0, 0
    register = Register(storage, 22_000)
    register.load(0)
    for _ in range(2):
        register.take(true_wh, now)
    for flows_wh, shows, happens in [*steps, *[(0, None, "")] * 2 * (BELIEVE_AFTER + 1)]:
        now += 1000
        true_wh += flows_wh
        meter_wh = true_wh if shows is None else shows
        if happens == "boot":
            register = Register(storage, 22_000)
            register.load(highest)
        try:
            if happens == "cut":
                storage.cut(cut_at)
            register.take(meter_wh, now)
        except PowerLost:
            storage.cut(10**9)
            register = Register(storage, 22_000)
            register.load(highest)
        if register.energy_wh is not None:
            assert highest <= register.energy_wh <= true_wh
            highest = register.energy_wh
    assert register.energy_wh == true_wh
