"""Temperatures: unknown at first, unknown when silent, and never a wrong one."""

from typing import Any

import pytest

from firmware.boards.drivers.ds18b20 import Ds18b20, crc8
from firmware.boards.drivers.lm75 import ADDRESS, Lm75
from firmware.boards.drivers.thermometer import STALE_MS
from tests.firmware.boards.virtual_devices import Time, VirtualDs18b20, VirtualI2c, VirtualLm75, pass_time


def test_the_checksum_of_1_wire():
    # Maxim application note 27.
    assert crc8(bytes.fromhex("02 1C B8 01 00 00 00")) == 0xA2


@pytest.mark.parametrize("celsius", [0.0, 25.5, -10.25, 71.0625, 125.0, -55.0])
def test_each_tells_what_it_measures(celsius: float):
    time, bus = Time(), VirtualI2c()
    bus.devices[ADDRESS] = VirtualLm75(celsius)
    lm75 = Lm75(bus, 0)
    assert lm75.temperature_c(0) is None
    lm75.poll(0)
    assert lm75.temperature_c(0) == celsius
    line = VirtualDs18b20(time)
    line.celsius = celsius
    sensor = Ds18b20(line, 0)
    pass_time(time, sensor, 700)
    assert sensor.temperature_c(time.now) is None, "it converts yet"
    pass_time(time, sensor, 300)
    assert sensor.temperature_c(time.now) == celsius


def test_an_lm75_that_is_absent_or_out_of_range_is_unknown():
    time, bus = Time(), VirtualI2c()
    sensor: Any = Lm75(bus, 0)
    pass_time(time, sensor, STALE_MS + 1100)
    assert sensor.temperature_c(time.now) is None and sensor.silent(time.now)
    bus.devices[ADDRESS] = VirtualLm75(20.0)
    pass_time(time, sensor, 1100)
    assert sensor.temperature_c(time.now) == 20.0
    bus.devices[ADDRESS].celsius = 127.5
    pass_time(time, sensor, 3000)
    assert sensor.temperature_c(time.now) == 20.0, "the last good one"
    pass_time(time, sensor, STALE_MS)
    assert sensor.temperature_c(time.now) is None


@pytest.mark.parametrize("fault", ["absent", "torn", "stuck_low"])
def test_a_ds18b20_that_is_wrong_is_unknown_and_comes_back(fault: str):
    time = Time()
    line = VirtualDs18b20(time)
    sensor = Ds18b20(line, 0)
    pass_time(time, sensor, 3000)
    assert sensor.temperature_c(time.now) == 20.0
    setattr(line, fault, True)
    pass_time(time, sensor, 15_000)
    assert sensor.temperature_c(time.now) is None
    assert sensor.silent(time.now) and sensor.errors > 3
    setattr(line, fault, False)
    pass_time(time, sensor, 5000)
    assert sensor.temperature_c(time.now) == 20.0


def test_the_85_degrees_of_power_on_are_no_temperature():
    time = Time()
    line = VirtualDs18b20(time)
    line.celsius = 85.0
    sensor = Ds18b20(line, 0)
    pass_time(time, sensor, 5000)
    assert sensor.temperature_c(time.now) is None
