"""The fault table, and what it promises: what each fault forbids, and what ends it."""

import ast
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bus_schema.words import OCPP_ERROR_CODE, Fault
from firmware.app import fault_table
from firmware.app.contract import FAULTS
from firmware.app.fault_table import ENERGY, FAULT_TABLE, ITSELF, NOTHING, RETRIED, SERVICE, START, UNPLUGGED
from firmware.app.retries import MOST, RETRY_MS
from tests.firmware.app.fakes import Bench, FakeReading

RETRY_S = RETRY_MS / 1000
CARD = {"type": "rfid", "value": "04A1"}
NO_CAPS: dict[str, Any] = {"caps": {}, "connection_timeout_s": None, "parent_id_token": None}


def test_no_fault_without_a_row() -> None:
    assert set(FAULT_TABLE) == set(FAULTS)
    for forbids, ends in FAULT_TABLE.values():
        assert forbids in (NOTHING, START, ENERGY)
        assert ends in (ITSELF, UNPLUGGED, RETRIED, SERVICE)


def test_every_row_says_its_ocpp_code_and_its_source() -> None:
    source = Path(fault_table.__file__).read_text()
    rows = re.findall(r"((?:    #[^\n]*\n)+)    (FAULT_\w+):", source)
    told = {}
    for comment, name in rows:
        text = " ".join(line.strip(" #") for line in comment.splitlines())
        code, _, rest = text.partition(".")
        told[Fault(getattr(fault_table, name))] = code
        assert re.search(r"\((ours|ISO|[^)]*\b(OE|SE|WB|EV)\b)", rest), (name, "says no source")
    assert told == OCPP_ERROR_CODE
    assert ast.get_docstring(ast.parse(source))


def of_pilot(bench: Bench, *faults: str) -> None:
    bench.pilot.faults = list(faults)
    bench.pilot.changed()
    bench.tick()


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_fault_forbids(fault: str) -> None:
    bench = Bench()
    bench.charge()
    faults, (forbids, _) = bench.charger.faults, FAULT_TABLE[fault]
    faults.set(fault, True, "", bench.clock.now)
    bench.charger.drive.apply(bench.pilot.snapshot(), bench.clock.now)
    assert bench.pilot.permitted == (forbids != ENERGY)
    idle = Bench()
    idle.charger.faults.set(fault, True, "", idle.clock.now)
    reply = idle.charger.operations.execute(idle.command("authorize", id_token=CARD, **NO_CAPS), idle.clock.now)
    assert (reply[0] == "done") == (forbids == NOTHING)


@pytest.mark.parametrize("fault", [name for name in FAULTS if FAULT_TABLE[name][1] in (UNPLUGGED, RETRIED)])
def test_pulling_the_plug_ends_it(fault: str) -> None:
    bench = Bench()
    bench.charge()
    of_pilot(bench, fault)
    bench.run(30)
    assert bench.status() in ("Faulted", "Finishing")
    bench.cp("A")
    assert bench.state()["faults"] == []


@pytest.mark.parametrize("fault", ["contactor_welded", "residual_current_self_test"])
def test_pulling_the_plug_does_not_end_what_needs_service(fault: str) -> None:
    assert FAULT_TABLE[fault] == (ENERGY, SERVICE)
    bench = Bench()
    bench.charge()
    bench.pilot.locked = [fault]
    of_pilot(bench, fault)
    bench.cp("A")
    bench.run(700)
    assert [row["fault"] for row in bench.state()["faults"]] == [fault]
    assert bench.authorize()["code"] == "faulted"


# --- residual current -------------------------------------------------------------------------------------------------


def trip_again_and_again(bench: Bench, seconds: int) -> int:
    """Let the residual current come back whenever it is cleared; return how often it was cleared."""
    cleared = 0
    for _ in range(seconds):
        bench.run(1)
        if not bench.pilot.faults:
            cleared += 1
            bench.run(5)
            of_pilot(bench, "residual_current")
    return cleared


@pytest.mark.parametrize("retries", [0, 1, 6])
def test_after_a_residual_current_so_many_retries_as_the_site_allows(retries: int) -> None:
    bench = Bench()
    bench.send("configure", settings={"residual_current_retries": retries})
    bench.charge()
    of_pilot(bench, "residual_current")
    assert trip_again_and_again(bench, int(10 * RETRY_S)) == retries
    assert bench.status() == "Faulted"
    bench.cp("A")
    bench.charge()
    of_pilot(bench, "residual_current")
    assert trip_again_and_again(bench, int(10 * RETRY_S)) == retries, "the next car has its own"


def test_no_retry_sooner_than_five_minutes_and_the_session_goes_on() -> None:
    bench = Bench()
    bench.send("configure", settings={"residual_current_retries": 1})
    bench.charge()
    of_pilot(bench, "residual_current")
    bench.run(RETRY_S - 1)
    assert bench.status() == "Faulted"
    bench.run(2)
    assert bench.status() == "Charging"
    assert not bench.events("session_ended")


def test_no_retry_of_what_the_native_module_has_locked() -> None:
    """A trip within 2 s of closing is no accident."""
    bench = Bench()
    bench.send("configure", settings={"residual_current_retries": 6})
    bench.charge()
    bench.pilot.locked = ["residual_current"]
    of_pilot(bench, "residual_current")
    cleared: list[bool] = []
    bench.pilot.clear_faults = lambda: cleared.append(True)  # type: ignore[method-assign]
    bench.run(5 * RETRY_S)
    assert bench.status() == "Faulted" and not cleared


def test_a_residual_current_without_a_car_is_tried_again_for_as_long_as_it_takes() -> None:
    """Nothing can close there, so it is no closing again by itself."""
    bench = Bench()
    of_pilot(bench, "residual_current")
    assert trip_again_and_again(bench, int(4.5 * RETRY_S)) == 4
    bench.run(RETRY_S)
    assert bench.status() == "Available"


# --- currents and voltages --------------------------------------------------------------------------------------------


def test_a_car_that_draws_too_much_is_tried_three_more_times() -> None:
    bench = Bench()
    bench.charge()
    bench.meter.drawn_a = lambda: 40.0 if bench.pilot.closed else 0.0  # type: ignore[method-assign]
    bench.run(6 * RETRY_S)
    assert len(bench.events("fault_raised")) == 1 + MOST["over_current"]
    assert bench.status() == "Faulted"
    bench.cp("A")
    assert bench.status() == "Available"


@pytest.mark.parametrize(
    ("nominal", "voltage", "fault"),
    [
        (208.0, 188.0, None),
        (208.0, 187.0, "under_voltage"),
        (208.0, 228.0, None),
        (208.0, 229.0, "over_voltage"),
        (230.0, 208.0, None),
        (230.0, 206.9, "under_voltage"),
        (240.0, 263.9, None),
        (240.0, 264.1, "over_voltage"),
        (277.0, 277.0, None),
    ],
)
def test_the_limits_of_the_voltage_are_ten_percent_of_the_nominal_one(
    nominal: float, voltage: float, fault: str | None
) -> None:
    bench = Bench()
    bench.send("configure", settings={"nominal_voltage_v": nominal})
    bench.charge()
    bench.meter.read = lambda: FakeReading((voltage,) * 3, (10.0,) * 3, 6000.0, 1000)  # type: ignore[method-assign]
    bench.run(10)
    assert [row["fault"] for row in bench.state()["faults"]] == ([] if fault is None else [fault])


def test_a_voltage_fault_ends_well_inside_of_its_limit() -> None:
    bench = Bench()
    bench.charge()
    volts = [206.0]
    bench.meter.read = lambda: FakeReading((volts[0],) * 3, (10.0,) * 3, 6000.0, 1000)  # type: ignore[method-assign]
    bench.run(10)
    assert bench.status() == "Faulted"
    volts[0] = 209.0
    bench.run(60)
    assert bench.status() == "Faulted", "it would flutter"
    volts[0] = 211.0
    bench.run(20)
    assert bench.status() == "Charging"


def dc_bench() -> Bench:
    """A DC charger on one phase of the mains: its meter measures its output."""
    bench = Bench()
    ratings = bench.hardware.ratings
    ratings.phases, ratings.phase_rotation, ratings.dc_range_v = 1, ("L1",), (56.0, 85.5)
    bench.boot()
    bench.charge()
    return bench


@pytest.mark.parametrize(
    ("voltage", "current", "fault"),
    [
        (72.0, 95.0, None),
        (56.0, 16.0, None),
        (85.5, 80.0, None),
        (55.9, 16.0, "under_voltage"),
        (85.6, 16.0, "over_voltage"),
        (72.0, 120.0, "over_current"),
    ],
)
def test_a_dc_output_is_judged_by_its_own_limits(voltage: float, current: float, fault: str | None) -> None:
    """Of the mains it draws what it gives out: 32 A at 230 V are 7360 W, 102 A at 72 V."""
    bench = dc_bench()
    power = voltage * current
    bench.meter.read = lambda: FakeReading((voltage,), (current,), power, 1000)  # type: ignore[method-assign]
    bench.run(10)
    assert [row["fault"] for row in bench.state()["faults"]] == ([] if fault is None else [fault])


# --- the reader, the temperature --------------------------------------------------------------------------------------


def test_a_reader_that_fails_is_a_fault_after_ten_seconds_and_hinders_nobody() -> None:
    bench = Bench()
    broken = [True]
    poll = bench.hardware.reader.poll

    def silent() -> str | None:
        if broken[0]:
            raise OSError(110, "no answer")
        return poll()

    bench.hardware.reader.poll = silent  # type: ignore[method-assign]
    bench.run(8)
    assert bench.state()["faults"] == []
    bench.run(15)
    assert bench.state()["faults"][0]["fault"] == "reader_silent"
    bench.charge()
    broken[0] = False
    bench.run(5)
    assert bench.state()["faults"] == []


def test_the_temperature_is_handed_in_often_enough() -> None:
    """At least every 10 s: the native module forgets it after 30 s."""
    bench = Bench()
    times: list[int] = []
    bench.pilot.temperature = lambda celsius: times.append(bench.clock.now)  # type: ignore[method-assign]
    bench.run(100)
    bench.charge()
    bench.run(100)
    assert max(later - earlier for earlier, later in pairwise(times)) <= 10_000
    assert len(times) > 100


def test_what_the_temperature_allows_is_the_native_modules_word() -> None:
    bench = Bench()
    bench.charge()
    bench.hardware.temperature = None
    bench.run(3)
    bench.pilot.derated_a = 8.0
    bench.pilot.changed()
    bench.run(6)
    state = bench.state()
    assert (state["offered_current_a"], state["limited_by"]) == (8.0, "temperature")
    assert state["limit_reason"] == "8 A: the temperature in the charger is not known"
