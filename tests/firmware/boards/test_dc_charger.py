"""The DC charger on CAN: what cannot be true is discarded and counted, and energy is what flowed."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.boards.drivers.dc_charger import KEEP_EVERY_WH, MOST_PER_POLL, STALE_MS, DcCharger, StateOfCharge
from tests.firmware.boards.virtual_devices import Kept, Time, VirtualCan, pass_time


class Bench:
    def __init__(self, soc: StateOfCharge | None = None, kept: Kept | None = None) -> None:
        self.time = Time()
        self.can = VirtualCan()
        self.kept = kept or Kept()
        self.dc = DcCharger(self.can, self.kept, soc, 0)

    def flow(self, seconds: int, voltage_v: float = 72.0, current_a: float = 100.0) -> None:
        for _ in range(seconds * 2):
            self.can.terminal(voltage_v, current_a)
            pass_time(self.time, self.dc, 500)


def test_the_terminal_frame():
    bench = Bench()
    assert bench.dc.reading(0) is None, "unknown at first"
    # 72.5 V, and 1234.0 / 10 A, byte by byte.
    bench.can.frames.append((0x00433F01, bytes.fromhex("42910000 449A4000")))
    bench.dc.poll(10)
    reading = bench.dc.reading(10)
    assert reading is not None
    assert (reading.voltage_v, reading.current_a) == ((72.5,), (pytest.approx(123.4),))
    assert reading.power_w == pytest.approx(72.5 * 123.4)
    assert bench.dc.terminal(10) == (72.5, pytest.approx(123.4))


def test_it_is_unknown_again_when_it_is_silent():
    bench = Bench()
    bench.flow(2)
    assert not bench.dc.silent(bench.time.now)
    pass_time(bench.time, bench.dc, STALE_MS + 100)
    assert bench.dc.silent(bench.time.now)
    assert bench.dc.reading(bench.time.now) is None


@pytest.mark.parametrize(
    ("voltage_v", "current_a"),
    [
        (float("nan"), 10.0),
        (72.0, float("nan")),
        (float("inf"), 10.0),
        (72.0, float("-inf")),
        (55.9, 10.0),
        (85.6, 10.0),
        (72.0, -0.1),
        (72.0, 300.1),
        (0.0, 0.0),
    ],
)
def test_what_cannot_be_is_discarded_and_counted(voltage_v: float, current_a: float):
    bench = Bench()
    bench.can.terminal(voltage_v, current_a)
    bench.dc.poll(10)
    assert bench.dc.reading(10) is None
    assert (bench.dc.discarded, bench.dc.received) == (1, 0)


@pytest.mark.parametrize(("voltage_v", "current_a"), [(56.0, 0.0), (85.5, 300.0)])
def test_the_ends_of_the_range_are_within(voltage_v: float, current_a: float):
    bench = Bench()
    bench.can.terminal(voltage_v, current_a)
    bench.dc.poll(10)
    assert bench.dc.terminal(10) == (voltage_v, current_a)


@pytest.mark.parametrize("length", range(8))
def test_a_wrong_length_is_discarded_though_its_bytes_would_do(length: int):
    bench = Bench()
    bench.can.terminal(72.0, 100.0, length)
    bench.dc.poll(10)
    assert bench.dc.reading(10) is None
    assert bench.dc.discarded == 1


def test_foreign_frames_are_counted():
    bench = Bench()
    bench.can.frames.append((0x00433F02, bytes(8)))
    bench.dc.poll(10)
    assert (bench.dc.foreign, bench.dc.discarded) == (1, 0)


def test_a_babbling_bus_does_not_hold_a_poll():
    bench = Bench()
    for _ in range(100):
        bench.can.terminal(72.0, 1.0)
    bench.dc.poll(10)
    assert len(bench.can.frames) == 100 - MOST_PER_POLL


def test_energy_is_what_flowed_and_is_kept():
    bench = Bench()
    bench.flow(3600)
    assert bench.dc.energy_wh == pytest.approx(7200, abs=2)
    assert bench.dc.energy_wh - bench.kept.number < KEEP_EVERY_WH
    pass_time(bench.time, bench.dc, STALE_MS + 1000)
    assert bench.kept.number == bench.dc.energy_wh, "kept to the last when it has ended"
    assert Bench(kept=bench.kept).dc.energy_wh == bench.dc.energy_wh


def test_what_flowed_in_a_gap_is_not_invented():
    bench = Bench()
    bench.flow(10)
    before = bench.dc.energy_wh
    pass_time(bench.time, bench.dc, 3_600_000, 1000)
    bench.flow(1)
    assert bench.dc.energy_wh - before <= 1


def test_frames_three_seconds_apart_count_nothing():
    bench = Bench()
    for _ in range(100):
        bench.can.terminal(72.0, 300.0)
        pass_time(bench.time, bench.dc, 3000)
    assert bench.dc.energy_wh == 0 and bench.dc.received == 100


def test_the_state_of_charge_is_unknown_unless_its_frame_is_named():
    bench = Bench()
    bench.can.frames.append((0x123, b"\x37"))
    bench.dc.poll(10)
    assert bench.dc.soc_percent(10) is None
    bench = Bench(StateOfCharge(0x123, 1, 0.5))
    for data in (b"\x00\x6e", b"\x00", b"\x00\xff"):
        bench.can.frames.append((0x123, data))
    bench.dc.poll(10)
    assert bench.dc.soc_percent(10) == 55
    assert bench.dc.discarded == 2, "too short, and 127.5 %"
    with pytest.raises(ValueError, match="byte 0 to 7"):
        StateOfCharge(1, 8)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from([0x00433F01, 0x123, 0]), st.binary(max_size=8)), max_size=40))
def test_no_frame_upsets_it_or_gets_through(frames: "list[tuple[int, bytes]]"):
    bench = Bench(StateOfCharge(0x123, 0))
    for now, frame in enumerate(frames):
        bench.can.frames.append(frame)
        bench.dc.poll(now * 100)
        terminal = bench.dc.terminal(now * 100)
        assert terminal is None or (56 <= terminal[0] <= 85.5 and 0 <= terminal[1] <= 300)
        assert bench.dc.soc_percent(now * 100) in [None, *range(101)]
    assert bench.dc.received + bench.dc.discarded + bench.dc.foreign == len(frames)
    good = [f for f in frames if f[0] == 0x00433F01 and len(f[1]) == 8 and struct.unpack(">f", f[1][:4])[0] >= 56]
    assert len(good) >= (bench.dc.terminal(len(frames) * 100) is not None)
