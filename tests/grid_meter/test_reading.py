"""Registers become the right currents, and what is no measurement is never published as one."""

import asyncio
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from agents.grid_meter.agent import GridMeter
from agents.grid_meter.drivers import DRIVERS
from agents.grid_meter.modbus_link import MeterUnreachable, ModbusLink
from agents.grid_meter.reading import BadReading, reading
from agents.grid_meter.registers import Kind, ModbusDriver, Value, blocks, decode
from agents.grid_meter.settings import GridMeterSettings, MeterSettings
from bus_schema.topics import GRID_TELEMETRY
from tests.runtime.fakes import FakeTransport, ManualClock, make_host
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
CURRENTS = (5.0, 10.0, 15.0)
VOLTAGES = (229.0, 230.0, 231.0)
POWERS = (1145.0, -2300.0, 3465.0)


def put(words: dict[int, int], value: Value, number: float, low_word_first: bool) -> None:
    code, count, _ = value.kind.value
    raw = number / value.scale
    data = struct.pack(f">{code}", raw if value.kind is Kind.FLOAT32 else round(raw))
    parts = list(struct.unpack(f">{count}H", data))
    words.update(enumerate(reversed(parts) if low_word_first else parts, value.address))


def image(driver: ModbusDriver, swapped: bool = False) -> dict[int, int]:
    """Return what a meter of this kind holds: phase 2 feeds in."""
    words = {start + number: 0 for start, count in blocks(driver.values()) for number in range(count)}
    numbers = (*CURRENTS, *VOLTAGES, *POWERS, sum(POWERS), 1_234_000.0, 56_000.0)
    for value, number in zip(driver.values(), numbers, strict=True):
        put(words, value, number, driver.low_word_first != swapped)
    return words


def meter(driver: str, **more: Any) -> MeterSettings:
    return MeterSettings(driver=driver, host="127.0.0.1", **more)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("name", DRIVERS)
def test_each_driver_reads_currents_with_the_sign_of_their_power(name: str, swapped: bool) -> None:
    driver = DRIVERS[name]
    read = reading(driver, image(driver, swapped), meter(name, words_swapped=swapped), 7)
    assert read.ts == 7
    currents = (read.current_l1_a, read.current_l2_a, read.current_l3_a)
    assert currents == pytest.approx((5, -10, 15), abs=0.01)
    assert read.voltage_l2_v == pytest.approx(230, abs=0.1)
    assert read.power_w == pytest.approx(sum(POWERS), abs=0.1)
    assert (read.import_energy_wh, read.export_energy_wh) == (1_234_000, 56_000)


def test_a_meter_that_is_mounted_the_other_way_and_on_other_phases() -> None:
    name = "eastron_sdm630"
    read = reading(DRIVERS[name], image(DRIVERS[name]), meter(name, inverted=True, phase_order=["L2", "L3", "L1"]), 7)
    assert (read.current_l1_a, read.current_l2_a, read.current_l3_a) == (-15, -5, 10)
    assert (read.import_energy_wh, read.export_energy_wh) == (56_000, 1_234_000)


@pytest.mark.parametrize("index", range(10))
def test_a_value_that_is_missing_is_never_zero(index: int) -> None:
    driver = DRIVERS["eastron_sdm630"]
    words = image(driver)
    put(words, driver.values()[index], float("nan"), False)
    with pytest.raises(BadReading, match="no value"):
        reading(driver, words, meter("eastron_sdm630"), 7)


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


def test_a_device_that_answers_with_zeros_is_not_believed() -> None:
    driver = DRIVERS["eastron_sdm630"]
    with pytest.raises(BadReading, match="another device"):
        reading(driver, dict.fromkeys(image(driver), 0), meter("eastron_sdm630"), 7)


@given(st.lists(st.integers(0, 2000).map(lambda at: Value(at, Kind.FLOAT32)), min_size=1, max_size=30))
def test_blocks_cover_every_value_and_fit_a_request(values: list[Value]) -> None:
    found = blocks(values)
    assert all(count <= 125 for _, count in found)
    covered = {at + number for at, count in found for number in range(count)}
    assert all({value.address, value.address + 1} <= covered for value in values)


async def test_the_agent_publishes_what_a_meter_says_and_names_one_that_says_nothing() -> None:
    driver = DRIVERS["eastron_sdm630"]
    data = [
        SimData(address, values=word, datatype=DataType.REGISTERS) for address, word in sorted(image(driver).items())
    ]
    server = ModbusTcpServer(SimDevice(1, simdata=data), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    port = server.transport.sockets[0].getsockname()[1]
    transport = FakeTransport()
    meters = {
        "main": meter("eastron_sdm630", port=port),
        "other": meter("abb_b23", port=port),
    }
    host = make_host(GridMeter, ManualClock(), transport, settings=GridMeterSettings(meters=meters))
    await host.start()
    try:
        await eventually(lambda: bool(transport.messages(GRID_TELEMETRY)), 5, "a reading")
        await eventually(lambda: bool(host.agent.problems()), 5, "a problem")
        assert transport.messages(GRID_TELEMETRY, meter="main")[0].current_l2_a == -10
        assert not transport.messages(GRID_TELEMETRY, meter="other")
        assert "meter other: unit 1 at 127.0.0.1" in host.agent.problems()[0]
    finally:
        await host.stop()
        await server.shutdown()
        await asyncio.sleep(0)


async def test_a_meter_that_hangs_up_in_the_middle_is_named_and_read_again_when_it_is_back() -> None:
    driver = DRIVERS["eastron_sdm630"]
    broken = True

    async def answer(*_request: object) -> ExcCodes | None:
        return ExcCodes.DEVICE_FAILURE if broken else None

    data = [SimData(at, values=word, datatype=DataType.REGISTERS) for at, word in sorted(image(driver).items())]
    server = ModbusTcpServer(SimDevice(1, simdata=data, action=answer), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    link = ModbusLink(driver, meter("eastron_sdm630", port=server.transport.sockets[0].getsockname()[1]))
    try:
        with pytest.raises(MeterUnreachable, match="refuses registers"):
            await link.read()
        broken = False
        assert await link.read() == image(driver)
        await server.shutdown()
        with pytest.raises(MeterUnreachable, match="check"):
            await link.read()
    finally:
        link.close()


async def test_a_meter_that_hangs_up_after_half_an_answer_gives_no_reading() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        writer.write(b"\x00\x01\x00\x00\x00\x9b\x01\x04\x98\x43")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = ModbusLink(DRIVERS["eastron_sdm630"], meter("eastron_sdm630", port=port, timeout_s=0.2))
    with pytest.raises(MeterUnreachable, match=f"unit 1 at 127.0.0.1:{port}"):
        await link.read()
    server.close()


def test_the_page_names_every_driver() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", (ROOT / "docs/meters.md").read_text(), re.MULTILINE))
    assert rows == {name: driver.title for name, driver in DRIVERS.items()}
