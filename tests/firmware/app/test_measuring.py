"""The register that never goes back, and other measured values (invariant 11)."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.app.register import BELIEVE_AFTER, Register
from tests.firmware.app.fakes import Bench, FakeReading, MemoryStorage


def test_a_meter_that_is_replaced_goes_on_from_where_the_register_stood() -> None:
    bench = Bench()
    bench.meter.wh = 50_000
    bench.boot()
    bench.meter.wh = 3
    bench.boot()
    assert bench.state()["energy_wh"] is None, "not believed at once"
    bench.run(60)
    assert bench.state()["energy_wh"] == 50_000
    assert [event["kind"] for event in bench.events("security")].count("MeterReplaced") == 1
    bench.charge()
    bench.run(3600)
    bench.send("stop")
    bench.run(1)
    (event,) = bench.events("session_ended")
    assert event["energy_wh"] - event["start_energy_wh"] == 11_040
    bench.boot()
    bench.run(20)
    assert bench.state()["energy_wh"] == 50_000 + 11_040, "the offset survives the reboot"


def test_one_wrong_reading_changes_nothing() -> None:
    bench = Bench()
    bench.charge()
    bench.run(60)
    for wrong in (0, 10**9):
        bench.meter.replaced_by = wrong
        bench.run(2)
        bench.meter.replaced_by = None
        bench.run(60)
    bench.send("stop")
    bench.run(1)
    (event,) = bench.events("session_ended")
    assert event["energy_wh"] == int(bench.meter.wh)
    assert all(state["energy_wh"] < 10_000 for state in bench.of("state"))


def test_a_meter_that_answers_late_loses_no_energy() -> None:
    """The contactor opens after 30 s of silence; what flowed until then is counted."""
    bench = Bench()
    bench.charge()
    bench.run(60)
    bench.meter.silent = True
    bench.run(3600)
    assert not bench.pilot.closed
    bench.meter.silent = False
    bench.run(30)
    assert bench.pilot.closed
    bench.send("stop")
    bench.run(1)
    (event,) = bench.events("session_ended")
    assert event["energy_wh"] == int(bench.meter.wh)


READINGS = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 60_000)), min_size=1, max_size=60)


@settings(max_examples=200, deadline=None)
@given(READINGS, st.integers(0, 10_000), st.lists(st.integers(0, 59), max_size=3))
def test_the_register_never_goes_back(readings: list[tuple[int, int]], floor: int, boots: list[int]) -> None:
    storage = MemoryStorage()
    highest = floor
    now = 0
    register = Register(storage, 22_000)
    register.load(floor)
    for number, (meter_wh, wait) in enumerate(readings):
        if number in boots:
            register = Register(storage, 22_000)
            register.load(highest)
        now += wait
        register.take(meter_wh, now)
        if register.energy_wh is not None:
            assert register.energy_wh >= highest
            highest = register.energy_wh


def test_an_implausible_jump_is_believed_in_the_end_without_counting_it() -> None:
    register = Register(MemoryStorage(), 22_000)
    register.load(0)
    register.take(1000, 0)
    for number in range(BELIEVE_AFTER):
        assert register.energy_wh == 1000
        register.take(900_000 + number, 1000 * (number + 1))
    assert register.energy_wh == 1000
    assert register.jump is not None
    register.take(900_010, 9000)
    assert register.energy_wh == 1000 + 10 - (BELIEVE_AFTER - 1)


def test_a_flash_that_refuses_does_not_believe_the_new_meter_yet() -> None:
    storage = MemoryStorage()
    register = Register(storage, 22_000)
    register.load(0)
    register.take(1000, 0)
    storage.full = True
    for number in range(10):
        register.take(5, number * 1000)
    assert register.energy_wh == 1000
    storage.full = False
    for number in range(10):
        register.take(5, number * 1000)
    register.take(6, 20_000)
    assert register.energy_wh == 1001


BROKEN: list[Any] = [
    FakeReading((float("nan"),) * 3, (1.0,) * 3, 1.0, 2000),
    FakeReading((230.0,) * 3, (-1.0, 0.0, 0.0), 1.0, 2000),
    FakeReading((230.0,) * 3, (float("inf"), 0.0, 0.0), 1.0, 2000),
    FakeReading((1e9,) * 3, (1.0,) * 3, 1.0, 2000),
    FakeReading((230.0,) * 3, (1.0,) * 3, 1.0, -1),
]


@pytest.mark.parametrize("reading", BROKEN)
def test_a_reading_that_cannot_be_is_unknown(reading: Any) -> None:
    bench = Bench()
    bench.charge()
    bench.run(2)
    read = bench.meter.read
    bench.meter.read = lambda: reading  # type: ignore[method-assign]
    bench.run(3)
    telemetry = bench.of("telemetry")[-1]
    assert telemetry.get("voltage_l1_v") is None
    assert telemetry["energy_wh"] < 2000
    bench.meter.read = read  # type: ignore[method-assign]
    bench.run(2)
    assert bench.of("telemetry")[-1]["voltage_l1_v"] == 230.0


@pytest.mark.parametrize("power", [float("nan"), float("inf"), 1e12])
def test_a_power_that_cannot_be_is_unknown(power: float) -> None:
    bench = Bench()
    bench.charge()
    bench.meter.read = lambda: FakeReading((230.0,) * 3, (16.0,) * 3, power, 1000)  # type: ignore[method-assign]
    bench.run(3)
    assert bench.of("telemetry")[-1].get("power_w") is None


@pytest.mark.parametrize(("voltage", "fault"), [(253.1, "over_voltage"), (206.9, "under_voltage")])
def test_voltage_out_of_its_limits_for_five_seconds(voltage: float, fault: str) -> None:
    bench = Bench()
    bench.charge()
    reading = FakeReading((230.0, voltage, 230.0), (16.0,) * 3, 11_000.0, 1000)
    read = bench.meter.read
    bench.meter.read = lambda: reading  # type: ignore[method-assign]
    bench.run(4)
    assert bench.status() == "Charging"
    bench.run(4)
    assert (bench.status(), bench.state()["faults"][0]["fault"]) == ("Faulted", fault)
    bench.run(60)
    assert bench.status() == "Faulted"
    bench.meter.read = read  # type: ignore[method-assign]
    bench.run(20)
    assert bench.status() == "Charging"


def test_telemetry_every_second_while_charging_and_every_minute_otherwise() -> None:
    bench = Bench()
    bench.run(600)
    assert 9 <= len(bench.of("telemetry")) <= 12
    bench.charge()
    before = len(bench.of("telemetry"))
    bench.run(60)
    assert 59 <= len(bench.of("telemetry")) - before <= 61
    bench.send("configure", settings={"telemetry_interval_s": 10})
    before = len(bench.of("telemetry"))
    bench.run(60)
    assert 5 <= len(bench.of("telemetry")) - before <= 7


def test_state_at_least_every_ten_seconds() -> None:
    bench = Bench()
    bench.run(100)
    bench.charge()
    bench.run(100)
    times = [state["uptime_ms"] for state in bench.of("state")]
    assert max(later - earlier for earlier, later in pairwise(times)) <= 10_000


def test_the_charger_says_that_it_lives_often_enough() -> None:
    bench = Bench()
    bench.charge()
    for _ in range(100):
        wait = bench.tick()
        assert wait <= 1000
        bench.clock.now += wait
