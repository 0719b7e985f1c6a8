"""Reading meters over TCP, serial lines and HTTP, and what is said of those that do not answer as they should."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pymodbus.constants import ExcCodes

from agents.grid_meter.agent import GridMeter
from agents.grid_meter.links import link_to
from agents.grid_meter.measured import Measured, MeterUnreachable
from agents.grid_meter.settings import GridMeterSettings, MeterSettings
from bus_schema.topics import GRID_TELEMETRY
from tests.grid_meter.meters import (
    CURRENTS,
    HTTP,
    MODBUS,
    documents,
    http_meter,
    image,
    meter,
    serial_meter,
    tcp_meter,
)
from tests.runtime.fakes import FakeTransport, ManualClock, make_host
from tests.waiting import eventually

SDM630 = MODBUS["eastron_sdm630"]
SHELLY = HTTP["shelly_pro_3em"]
SHELLY_ANSWERS = dict(zip(SHELLY.paths, documents(SHELLY), strict=True))


async def read_once(settings: MeterSettings) -> Measured:
    link = link_to(settings)
    try:
        return await link.read()
    finally:
        await link.close()


async def test_over_a_serial_line() -> None:
    async with serial_meter(image(SDM630)) as path:
        assert (await read_once(meter("eastron_sdm630", serial=path))).currents_a == CURRENTS


async def test_over_http() -> None:
    async with http_meter(SHELLY_ANSWERS) as port:
        assert (await read_once(meter("shelly_pro_3em", port=port))).currents_a == CURRENTS


async def test_any_json_by_the_names_of_its_values() -> None:
    answer = {"phases": [{"i": "4.5", "u": 230, "p": 1035}], "kwh": 12.5}
    named = {
        "path": "/status",
        "currents": ["phases.0.i"],
        "voltages": ["phases.0.u"],
        "powers": ["phases.0.p"],
        "power": "phases.0.p",
        "import_energy": "kwh",
        "energy_unit": "kWh",
    }
    async with http_meter({"/status": answer}) as port:
        read = await read_once(meter("json_http", port=port, json_values=named))
    assert read == Measured((4.5,), (230.0,), (1035.0,), 1035.0, 12_500.0, None)


@pytest.mark.parametrize(
    ("answers", "status", "words"),
    [
        ({}, 200, "answers 404"),
        (SHELLY_ANSWERS, 401, "wants a password"),
        (SHELLY_ANSWERS, 500, "answers 500"),
        (SHELLY_ANSWERS | {SHELLY.paths[0]: b"<html>"}, 200, "not JSON"),
        (SHELLY_ANSWERS | {SHELLY.paths[0]: b"\xff"}, 200, "not JSON"),
        (SHELLY_ANSWERS | {SHELLY.paths[0]: b"[" * 200_000}, 200, "not JSON"),
        (SHELLY_ANSWERS | {SHELLY.paths[0]: b" " * 300_000}, 200, "more than 256 KiB"),
        (SHELLY_ANSWERS | {SHELLY.paths[0]: {"a_voltage": 1}}, 200, "no 'a_current'"),
    ],
)
async def test_an_http_answer_that_is_of_no_use_is_named(answers: dict[str, Any], status: int, words: str) -> None:
    async with http_meter(answers, status) as port:
        with pytest.raises(MeterUnreachable, match=words):
            await read_once(meter("shelly_pro_3em", port=port))


async def test_nobody_there() -> None:
    for driver in ("eastron_sdm630", "shelly_pro_3em"):
        with pytest.raises(MeterUnreachable, match="host, port and network"):
            await read_once(meter(driver, port=1))
    with pytest.raises(MeterUnreachable, match="the device file and its rights"):
        await read_once(meter("eastron_sdm630", serial="/dev/ttyNONE"))


async def test_a_modbus_meter_that_is_busy_is_named_and_read_again_when_it_is_not() -> None:
    broken = True

    async def answer(*_request: object) -> ExcCodes | None:
        return ExcCodes.DEVICE_FAILURE if broken else None

    async with tcp_meter(image(SDM630), action=answer) as port:
        link = link_to(meter("eastron_sdm630", port=port))
        with pytest.raises(MeterUnreachable, match="refuses registers"):
            await link.read()
        broken = False
        assert (await link.read()).currents_a == CURRENTS
    with pytest.raises(MeterUnreachable, match="check"):
        await link.read()
    await link.close()


async def test_a_modbus_meter_that_hangs_up_after_half_an_answer_gives_no_reading() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        writer.write(b"\x00\x01\x00\x00\x00\x9b\x01\x04\x98\x43")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(MeterUnreachable, match=f"unit 1 at 127.0.0.1:{port}"):
        await read_once(meter("eastron_sdm630", port=port, timeout_s=0.2))
    server.close()


async def test_the_agent_publishes_what_a_meter_says_and_names_one_that_says_nothing() -> None:
    transport = FakeTransport()
    async with tcp_meter(image(SDM630)) as port:
        meters = {"main": meter("eastron_sdm630", port=port), "other": meter("abb_b23", port=port)}
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


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"driver": "sdm"}, "is not a driver; there are eastron_sdm630"),
        ({"driver": "abb_b23"}, "needs either host or serial"),
        ({"driver": "abb_b23", "host": "a", "serial": "/dev/ttyS0"}, "needs either host or serial"),
        ({"driver": "shelly_pro_3em", "serial": "/dev/ttyS0"}, "only for Modbus"),
        ({"driver": "json_http", "host": "a"}, "goes with the driver json_http"),
        ({"driver": "abb_b23", "host": "a", "phase_order": ["L1"]}, "names 1 phases for a meter of 3"),
        ({"driver": "abb_b23", "host": "a", "phase_order": ["L1", "L1", "L2"]}, "names a phase twice"),
        ({"driver": "abb_b23", "host": "http://a/"}, "pattern"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        MeterSettings(**settings)
