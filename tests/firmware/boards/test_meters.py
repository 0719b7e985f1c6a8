"""Modbus meters: what they tell is what is told, and nothing else ever is."""

import math
import struct
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.boards.drivers.modbus import ANSWER_MS, QUIET_MS, ModbusMaster
from firmware.boards.drivers.modbus_frames import crc16, find_answer, read_request, with_crc
from firmware.boards.drivers.modbus_meter import STALE_MS
from firmware.boards.drivers.pzem import pzem004t
from firmware.boards.drivers.reading import Reading
from firmware.boards.drivers.sdm import sdm120, sdm630, watt_hours
from tests.firmware.boards.virtual_devices import (
    Time,
    VirtualLine,
    pass_time,
    virtual_pzem,
    virtual_sdm120,
    virtual_sdm630,
)

FAULTS = ["silent", "late", "wrong_crc", "wrong_slave", "wrong_length", "partial", "exception"]
SDM630 = Reading((230.0, 231.0, 232.0), (10.0, 11.0, 12.0), 7590.5, 1_234_567)


class Bench:
    def __init__(self, kind: str = "sdm630", phases: int = 3, baud: int = 9600, inverted: bool = False) -> None:
        self.time = Time()
        self.line = VirtualLine(self.time, baud)
        self.master = ModbusMaster(self.line, baud)
        self.slave: Any
        if kind == "sdm630":
            self.slave, self.meter = virtual_sdm630(), sdm630(self.master, 1, phases, inverted, 0)
        elif kind == "sdm120":
            self.slave, self.meter = virtual_sdm120(), sdm120(self.master, 1, inverted, 0)
        else:
            self.slave, self.meter = virtual_pzem(), pzem004t(self.master, 1, 0)
        self.line.slaves.append(self.slave)

    def run(self, ms: int) -> Any:
        pass_time(self.time, self.meter, ms)
        return self.meter.reading(self.time.now)


def test_the_checksum_is_that_of_the_maker_s_example():
    # Eastron, SDM630 Modbus protocol: voltage of phase 1.
    assert read_request(1, 0, 2) == bytes.fromhex("01 04 00 00 00 02 71 CB")
    assert crc16(b"123456789") == 0x4B37


def test_each_meter_tells_what_stands_in_its_registers():
    assert Bench().meter.reading(0) is None, "unknown at first"
    reading = Bench().run(1000)
    assert reading.voltage_v == (230.0, 231.0, 232.0)
    assert reading == SDM630
    assert Bench("sdm630", phases=1).run(1000).voltage_v == (230.0,)
    reading = Bench("sdm120").run(1000)
    assert reading == Reading((229.5,), (15.25,), 3500.0, 42_001)
    assert Bench("pzem").run(1000) == Reading((230.5,), (100.0,), 21970.8, 123_456)


@pytest.mark.parametrize(("kind", "power_at"), [("sdm630", 0x34), ("sdm120", 0x0C)])
def test_a_meter_that_is_connected_the_wrong_way_round_counts_what_it_exports(kind: str, power_at: int):
    bench = Bench(kind, inverted=True)
    bench.slave.set_float(power_at, -7400.0)
    bench.slave.set_float(0x48, 3.0)
    bench.slave.set_float(0x4A, 815.125)
    reading = bench.run(1000)
    assert (reading.power_w, reading.energy_wh) == (7400.0, 815_125)


def test_a_slow_line_is_waited_for():
    assert Bench("sdm630", baud=2400).run(2000) == SDM630


def test_it_is_asked_once_a_second():
    bench = Bench()
    bench.run(10_000)
    assert bench.slave.asked == pytest.approx(20, abs=2), "two questions a second"


@pytest.mark.parametrize("kind", ["sdm630", "sdm120", "pzem"])
@pytest.mark.parametrize(
    "fault", ["silent", "late", "wrong_crc", "wrong_slave", "wrong_length", "partial", "exception"]
)
def test_a_meter_that_answers_wrongly_is_unknown_and_comes_back(kind: str, fault: str):
    bench = Bench(kind)
    good = bench.run(1500)
    assert good is not None and not bench.meter.silent(bench.time.now)
    bench.slave.fault = fault
    assert bench.run(2000) == good, "the last good one, while it is new"
    assert bench.run(STALE_MS) is None
    assert bench.meter.silent(bench.time.now)
    assert bench.run(20_000) is None
    bench.slave.fault = None
    assert bench.run(4000) == good
    assert not bench.meter.silent(bench.time.now)


@pytest.mark.parametrize("fault", ["noise", "foreign_first"])
def test_what_stands_around_an_answer_is_passed_over(fault: str):
    bench = Bench()
    bench.slave.fault = fault
    assert bench.run(2000) == SDM630
    assert bench.master.timeouts == 0
    assert bench.master.discarded > 0


def test_the_echo_of_a_transceiver_is_no_answer():
    bench = Bench("sdm120")
    bench.line.echo = True
    assert bench.run(2000) == Reading((229.5,), (15.25,), 3500.0, 42_001)


def test_other_slaves_on_the_line_are_not_listened_to():
    bench = Bench("sdm120")
    other = virtual_sdm120(7)
    other.set_float(0, 111.0)
    bench.line.slaves.insert(0, other)
    assert bench.run(2000).voltage_v == (229.5,)
    assert other.asked == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 501.0])
def test_a_voltage_that_cannot_be_is_not_told(value: float):
    bench = Bench()
    bench.slave.set_float(2, value)
    assert bench.run(3000) is None
    assert bench.meter.invalid > 0


@pytest.mark.parametrize("register, value", [(6, 1e9), (0x34, float("nan")), (0x48, -0.5), (0x48, float("nan"))])
def test_other_values_that_cannot_be_are_not_told(register: int, value: float):
    bench = Bench()
    bench.slave.set_float(register, value)
    assert bench.run(3000) is None


def test_a_pzem_out_of_its_range_is_not_told():
    bench = Bench("pzem")
    bench.slave.registers[0] = 3001
    assert bench.run(3000) is None


def test_a_current_against_the_direction_has_its_size():
    bench = Bench("sdm120")
    bench.slave.set_float(6, -12.5)
    assert bench.run(2000).current_a == (12.5,)


def test_a_reading_is_not_mixed_of_before_and_after_a_silence():
    bench = Bench("sdm120")
    bench.time.now = 20
    bench.meter.poll(20)
    pass_time(bench.time, bench.meter, 100)
    assert bench.slave.asked == 2, "the voltage is known, the current asked for"
    bench.slave.fault = "silent"
    bench.run(3000)
    bench.slave.fault = None
    bench.slave.set_float(0x00, 111.0)
    bench.slave.set_float(0x06, 1.0)
    readings = [reading for reading in (bench.run(20) for _ in range(200)) if reading is not None]
    assert readings
    assert {reading.voltage_v for reading in readings} == {(111.0,)}


def test_wrong_addresses_are_refused():
    with pytest.raises(ValueError, match="1 to 247"):
        sdm630(ModbusMaster(VirtualLine(Time())), 0, 3, False, 0)


@settings(max_examples=60, deadline=None)
@given(delays=st.lists(st.integers(0, ANSWER_MS + QUIET_MS - 100), min_size=5, max_size=30))
def test_a_late_answer_is_never_taken_for_another(delays: "list[int]"):
    """Each register of the SDM120 answers with its own number; no delay may bring them into another's place."""
    bench = Bench("sdm120")
    for register, value in ((0x00, 100.0), (0x06, 6.0), (0x0C, 12.0), (0x48, 72.0)):
        bench.slave.set_float(register, value)
    for delay in delays:
        bench.slave.delay_ms = delay
        reading = bench.run(700)
        assert reading in (None, Reading((100.0,), (6.0,), 12.0, 72_000))


@settings(max_examples=200, deadline=None)
@given(junk=st.binary(max_size=80), tail=st.binary(max_size=20), count=st.integers(1, 20), flip=st.integers(0, 400))
def test_junk_is_no_answer_and_hides_none(junk: bytes, tail: bytes, count: int, flip: int):
    registers = bytes(range(2 * count))
    frame = with_crc(struct.pack("BBB", 5, 4, 2 * count) + registers)
    found, exception = find_answer(junk + frame + tail, 5, count)
    if exception is None:
        assert found == registers
    broken = bytearray(frame)
    broken[flip // 8 % len(frame)] ^= 1 << flip % 8
    assert find_answer(bytes(broken), 5, count) == (None, None)
    assert find_answer(frame[:-1], 5, count) == (None, None)
    assert find_answer(frame, 6, count) == (None, None)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_random_faults_never_give_a_wrong_reading(data: st.DataObject):
    bench = Bench("sdm630")
    for _ in range(data.draw(st.integers(1, 10))):
        bench.slave.fault = data.draw(st.sampled_from([None, "noise", "foreign_first", *FAULTS]))
        bench.line.transmit(data.draw(st.binary(max_size=40)), data.draw(st.integers(0, 500)))
        assert bench.run(data.draw(st.integers(20, 1500))) in (None, SDM630)
    bench.slave.fault = None
    assert bench.run(5000) == SDM630


@given(st.floats(0, 10_000_000, width=32))
def test_kwh_of_a_float_are_whole_wh_to_the_nearest(energy_kwh: float) -> None:
    exact_wh = Fraction(energy_kwh) * 1000
    assert watt_hours(struct.pack(">f", energy_kwh)) == math.floor(exact_wh + Fraction(1, 2))
