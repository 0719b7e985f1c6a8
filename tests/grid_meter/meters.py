"""Meters that answer: Modbus over TCP and over a serial line, and JSON over HTTP."""

import asyncio
import json
import os
import struct
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from agents.grid_meter.drivers import DRIVERS
from agents.grid_meter.json_values import Field, HttpDriver
from agents.grid_meter.registers import Kind, ModbusDriver, Value, blocks
from agents.grid_meter.settings import MeterSettings

CURRENTS = (5.0, 10.0, 15.0)
VOLTAGES = (229.0, 230.0, 231.0)
POWERS = (1145.0, -2300.0, 3465.0)
IMPORT_WH, EXPORT_WH = 1_234_000.0, 56_000.0

MODBUS = {name: driver for name, driver in DRIVERS.items() if isinstance(driver, ModbusDriver)}
HTTP = {name: driver for name, driver in DRIVERS.items() if isinstance(driver, HttpDriver)}


def meter(driver: str, **more: Any) -> MeterSettings:
    return MeterSettings(driver=driver, **({} if "serial" in more else {"host": "127.0.0.1"}), **more)


def put(words: dict[int, int], value: Value, number: float, low_word_first: bool) -> None:
    code, count, _ = value.kind.value
    raw = number / value.scale
    data = struct.pack(f">{code}", raw if value.kind in (Kind.FLOAT32, Kind.FLOAT64) else round(raw))
    parts = list(struct.unpack(f">{count}H", data))
    words.update(enumerate(reversed(parts) if low_word_first else parts, value.address))


def image(driver: ModbusDriver, swapped: bool = False, load_a: float = 0.0) -> dict[int, int]:
    """Return what a meter of this kind holds: phase 2 of three feeds in. ``load_a`` is drawn on phase 1 besides."""
    words = {
        start + number: 0 for start, count in blocks(driver.values(), driver.largest_gap) for number in range(count)
    }
    phases = driver.phases
    currents = (CURRENTS[0] + load_a, *CURRENTS[1:])[:phases]
    powers = (POWERS[0] + load_a * VOLTAGES[0], *POWERS[1:])[:phases]
    numbers = (*currents, *VOLTAGES[:phases], *powers, sum(powers), IMPORT_WH, EXPORT_WH)
    for value, number in zip(driver.values(), numbers, strict=True):
        put(words, value, number, driver.low_word_first != swapped)
    return words


def device(words: dict[int, int], **more: Any) -> SimDevice:
    data = [SimData(at, values=word, datatype=DataType.REGISTERS) for at, word in sorted(words.items())]
    return SimDevice(1, simdata=data, **more)


@asynccontextmanager
async def tcp_meter(words: dict[int, int], **more: Any) -> AsyncIterator[int]:
    """Serve one at Modbus TCP; yield its port."""
    server = ModbusTcpServer(device(words, **more), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    try:
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()
        await asyncio.sleep(0)


@asynccontextmanager
async def serial_meter(words: dict[int, int]) -> AsyncIterator[str]:
    """Serve one at a serial line; yield the device at its other end."""
    ends = [os.openpty(), os.openpty()]
    for master, slave in ends:
        tty.setraw(master)
        tty.setraw(slave)
    loop = asyncio.get_running_loop()
    (here, _), (there, _) = ends
    loop.add_reader(here, lambda: os.write(there, os.read(here, 4096)))
    loop.add_reader(there, lambda: os.write(here, os.read(there, 4096)))
    server = ModbusSerialServer(device(words), port=os.ttyname(ends[0][1]), baudrate=9600)
    await server.serve_forever(background=True)
    try:
        yield os.ttyname(ends[1][1])
    finally:
        await server.shutdown()
        for master, slave in ends:
            loop.remove_reader(master)
            os.close(master)
            os.close(slave)


def documents(driver: HttpDriver) -> list[Any]:
    """Return what a meter of this kind answers: phase 2 feeds in."""
    found: list[Any] = [{} for _ in driver.paths]
    fields: list[Field | None] = [*driver.currents, *driver.voltages, *driver.phase_powers, driver.power]
    numbers = [*CURRENTS, *VOLTAGES, *POWERS, sum(POWERS), IMPORT_WH, EXPORT_WH]
    for field, number in zip([*fields, driver.import_energy, driver.export_energy], numbers, strict=True):
        if field is not None:
            *outside, last = field.path.split(".")
            place = found[field.document]
            for key in outside:
                place = place.setdefault(key, {})
            place[last] = number / field.scale
    return found


@asynccontextmanager
async def http_meter(answers: dict[str, bytes | Any], status: int = 200) -> AsyncIterator[int]:
    """Serve these answers by their paths; yield the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                while (await reader.readline()).strip():
                    pass
                answer = answers.get(line.split()[1].decode())
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                code = 404 if answer is None else status
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (code, len(body)) + body)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
