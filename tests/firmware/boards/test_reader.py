"""The card reader: every presentation once, whatever the reader does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.boards.drivers.card_gate import AWAY_MS, CardGate
from firmware.boards.drivers.pn532 import ADDRESS, SILENT_MS, Pn532
from firmware.boards.drivers.pn532_frames import answer, frame, uid_of
from tests.firmware.boards.virtual_devices import Time, VirtualI2c, VirtualPn532, pass_time

FOUR, SEVEN, TEN = bytes.fromhex("04A2B3C4"), bytes.fromhex("04112233445566"), bytes(range(0x10, 0x1A))


class Bench:
    def __init__(self) -> None:
        self.time = Time()
        self.bus = VirtualI2c()
        self.chip = VirtualPn532(self.time)
        self.bus.devices[ADDRESS] = self.chip
        self.reader = Pn532(self.bus, 0)

    def run(self, ms: int) -> "list[str]":
        pass_time(self.time, self.reader, ms)
        told = []
        while (uid := self.reader.take()) is not None:
            told.append(uid)
        return told


def test_frames_are_those_of_the_user_manual():
    # UM0701-02: GetFirmwareVersion, and its answer.
    assert frame(b"\x02") == bytes.fromhex("00 00 FF 02 FE D4 02 2A 00")
    assert answer(bytes.fromhex("00 00 FF 06 FA D5 03 32 01 06 07 E8 00"), 2) == bytes.fromhex("32 01 06 07")


@pytest.mark.parametrize("uid", [FOUR, SEVEN, TEN])
def test_uids_of_every_length_are_told_once(uid: bytes):
    bench = Bench()
    assert bench.run(1000) == []
    bench.chip.cards = [uid]
    assert bench.run(300) == [uid.hex().upper()]
    assert bench.run(20_000) == [], "held"
    bench.chip.cards = []
    assert bench.run(AWAY_MS + 500) == []
    bench.chip.cards = [uid]
    assert bench.run(300) == [uid.hex().upper()], "presented again"


def test_a_card_that_is_read_twice_in_a_second_counts_once():
    bench = Bench()
    bench.run(500)
    told = []
    for _ in range(3):
        bench.chip.cards = [FOUR]
        told += bench.run(200)
        bench.chip.cards = []
        told += bench.run(400)
    assert told == ["04A2B3C4"]


def test_two_cards_in_a_purse_are_told_once_each():
    bench = Bench()
    bench.run(500)
    told = []
    for _ in range(10):
        bench.chip.cards = [FOUR]
        told += bench.run(200)
        bench.chip.cards = [SEVEN]
        told += bench.run(200)
    assert told == ["04A2B3C4", "04112233445566"]


def test_an_absent_reader_is_silent_and_is_found_when_it_comes():
    bench = Bench()
    bench.bus.broken = True
    assert not bench.reader.silent(bench.time.now)
    bench.run(SILENT_MS + 100)
    assert bench.reader.silent(bench.time.now)
    assert bench.reader.errors > 2
    bench.bus.broken = False
    bench.chip.cards = [FOUR]
    assert bench.run(2000) == ["04A2B3C4"]
    assert not bench.reader.silent(bench.time.now)


@pytest.mark.parametrize("fault", ["hung", "torn"])
def test_a_reader_that_talks_nonsense_is_silent_and_comes_back(fault: str):
    bench = Bench()
    bench.run(500)
    setattr(bench.chip, fault, True)
    bench.chip.cards = [FOUR]
    assert bench.run(SILENT_MS + 1500) == []
    assert bench.reader.silent(bench.time.now)
    setattr(bench.chip, fault, False)
    assert bench.run(2500) == ["04A2B3C4"]


def test_a_reader_that_was_reset_is_configured_again():
    bench = Bench()
    bench.run(1000)
    bench.chip.restart()
    bench.chip.cards = []
    bench.run(5000)
    assert bench.chip.commands.count(0x32) == 2, "it looks for ever until it is told how often"
    bench.chip.cards = [FOUR]
    assert bench.run(500) == ["04A2B3C4"]


def test_a_poll_does_one_step():
    bench = Bench()
    bench.reader.poll(0)
    assert bench.chip.commands == [0x14]
    bench.reader.poll(0)
    assert bench.chip.commands == [0x14], "its answer is awaited, not waited for"


@given(st.binary(max_size=70))
def test_no_bytes_upset_it(data: bytes):
    found = answer(data, 0x4A)
    if found is not None:
        readable, uid = uid_of(found)
        assert uid is None or (readable and len(uid) in (8, 14, 20))


@given(st.binary(min_size=1, max_size=40), st.integers(0, 400))
def test_a_flipped_bit_is_no_answer(carried: bytes, flip: int):
    body = bytes((0xD5, 0x4B)) + carried
    good = bytes((0, 0, 0xFF, len(body), -len(body) & 0xFF)) + body + bytes((-sum(body) & 0xFF, 0))
    assert answer(good, 0x4A) == carried
    broken = bytearray(good)
    at = 3 + flip // 8 % (len(body) + 3)
    broken[at] ^= 1 << flip % 8
    assert answer(bytes(broken), 0x4A) is None


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 2500), st.sampled_from("ABCDEF")), max_size=60))
def test_the_gate_tells_a_card_at_most_once_a_second(sightings: "list[tuple[int, str]]"):
    gate, now = CardGate(), 0
    told: dict[str, int] = {}
    for wait, uid in sightings:
        now += wait
        if gate.sighted(uid, now):
            assert uid not in told or now - told[uid] > AWAY_MS
            told[uid] = now
