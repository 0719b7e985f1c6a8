"""What meters say becomes the right currents, and what is no measurement is never published as one."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.grid_meter import json_values
from agents.grid_meter.drivers import DRIVERS
from agents.grid_meter.json_values import Field
from agents.grid_meter.measured import MeterUnreachable
from agents.grid_meter.reading import BadReading, reading
from agents.grid_meter.registers import Kind, Value, blocks, decode, measured
from agents.grid_meter.settings import JSON_HTTP
from bus_schema.balancing import GridTelemetry
from tests.grid_meter.meters import HTTP, MODBUS, POWERS, documents, image, meter, put

ROOT = Path(__file__).parents[2]
SDM630 = MODBUS["eastron_sdm630"]


def currents(read: GridTelemetry) -> tuple[float | None, ...]:
    return (read.current_l1_a, read.current_l2_a, read.current_l3_a)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("name", MODBUS)
def test_each_modbus_meter_gives_currents_with_the_sign_of_their_power(name: str, swapped: bool) -> None:
    driver = MODBUS[name]
    read = reading(measured(driver, image(driver, swapped), swapped), meter(name, words_swapped=swapped), 7)
    assert read.ts == 7
    phases = driver.phases
    assert currents(read)[:phases] == pytest.approx((5, -10, 15)[:phases], abs=0.01)
    assert currents(read)[phases:] == (None,) * (3 - phases), "unknown, not 0"
    assert read.voltage_l1_v == pytest.approx(229, abs=0.1)
    assert read.power_w == pytest.approx(sum(POWERS[:phases]), abs=0.1)
    assert (read.import_energy_wh, read.export_energy_wh) == (1_234_000, 56_000)


@pytest.mark.parametrize("name", HTTP)
def test_each_http_meter_gives_currents_with_the_sign_of_their_power(name: str) -> None:
    driver = HTTP[name]
    read = reading(json_values.measured(driver, documents(driver)), meter(name), 7)
    assert currents(read) == pytest.approx((5, -10, 15))
    assert read.power_w == pytest.approx(sum(POWERS))
    assert (read.import_energy_wh, read.export_energy_wh) == (1_234_000, 56_000)


def test_a_meter_that_is_mounted_the_other_way_and_on_other_phases() -> None:
    settings = meter("eastron_sdm630", inverted=True, phase_order=["L2", "L3", "L1"])
    read = reading(measured(SDM630, image(SDM630), False), settings, 7)
    assert currents(read) == (-15, -5, 10)
    assert (read.import_energy_wh, read.export_energy_wh) == (56_000, 1_234_000)
    one = MODBUS["eastron_sdm120"]
    read = reading(measured(one, image(one), False), meter("eastron_sdm120", phase_order=["L3"]), 7)
    assert currents(read) == (None, None, 5)


@pytest.mark.parametrize("index", range(10))
def test_a_value_that_is_missing_is_never_zero(index: int) -> None:
    words = image(SDM630)
    put(words, SDM630.values()[index], float("nan"), False)
    with pytest.raises(BadReading, match="no value"):
        reading(measured(SDM630, words, False), meter("eastron_sdm630"), 7)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Kind.UINT16, [0xFFFF]),
        (Kind.UINT32, [0xFFFF, 0xFFFF]),
        (Kind.INT32, [0x8000, 0]),
        (Kind.INT32, [0x7FFF, 0xFFFF]),
        (Kind.FLOAT32, [0x7FC0, 0]),
        (Kind.FLOAT32, [0xFF80, 0]),
    ],
)
def test_what_stands_for_no_value_is_none(kind: Kind, words: list[int]) -> None:
    assert decode(Value(0, kind), dict(enumerate(words)), False) is None


def test_words_in_the_wrong_order_and_a_device_of_zeros_are_not_believed() -> None:
    with pytest.raises(BadReading, match="words_swapped"):
        reading(measured(SDM630, image(SDM630, swapped=True), False), meter("eastron_sdm630"), 7)
    with pytest.raises(BadReading, match="another device"):
        reading(measured(SDM630, dict.fromkeys(image(SDM630), 0), False), meter("eastron_sdm630"), 7)


@given(st.lists(st.integers(0, 2000).map(lambda at: Value(at, Kind.FLOAT32)), min_size=1, max_size=30))
def test_blocks_cover_every_value_and_fit_a_request(values: list[Value]) -> None:
    found = blocks(values, 16)
    assert all(count <= 125 for _, count in found)
    covered = {at + number for at, count in found for number in range(count)}
    assert all({value.address, value.address + 1} <= covered for value in values)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab01"), inner, max_size=3),
    max_leaves=10,
)


@given(JSON, st.lists(st.sampled_from("ab01"), min_size=1, max_size=3).map(".".join))
def test_whatever_is_answered_it_is_a_number_or_unknown_or_named(document: Any, path: str) -> None:
    try:
        value = json_values.find(Field(path), document)
    except MeterUnreachable as error:
        assert path in str(error)
    else:
        assert value is None or abs(value) < float("inf")


def test_the_page_names_every_driver() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", (ROOT / "docs/meters.md").read_text(), re.MULTILINE))
    assert rows.pop(JSON_HTTP)
    assert rows == {name: driver.title for name, driver in DRIVERS.items()}
