"""The log: bounded, readable after power losses, without secrets, and where `get_log` wants it."""

import contextlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.app.log import FLUSH_MS, MAX_WAITING_BYTES, SEGMENT_BYTES, SEGMENTS, RingLog, iso
from firmware.app.url import TransferFailed, Url
from tests.firmware.app.fakes import T0, Bench, MemoryStorage, PowerLost

LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z|date unknown) \+\d+\.\d{3}s .+")


class FakePut:
    def __init__(self, url: str, length: int, pieces: Callable[[], Iterator[bytes]]) -> None:
        Url(url)
        self.url, self.length, self.pieces = url, length, pieces
        self.failure = ""
        self.ready = False
        self.closed = False
        self.body = b""

    def poll(self) -> bool:
        if self.failure:
            raise TransferFailed(self.failure)
        if self.ready:
            self.body = b"".join(self.pieces())
            assert len(self.body) == self.length
        return self.ready

    def close(self) -> None:
        self.closed = True


class LogBench(Bench):
    def __init__(self) -> None:
        self.puts: list[FakePut] = []
        super().__init__()

    def boot(self, connect: bool = True) -> None:
        self.hardware.log = RingLog(self.storage, "c1", self.put, ("topsecret",))
        super().boot(connect)

    def put(self, *arguments: Any) -> FakePut:
        self.puts.append(FakePut(*arguments))
        return self.puts[-1]

    @property
    def log(self) -> RingLog:
        log: RingLog = self.hardware.log
        return log

    def text(self) -> str:
        return "\n".join(self.log.lines())


@given(st.integers(0, 4_102_444_800_000))
def test_dates(ts: int) -> None:
    moment = datetime.fromtimestamp(ts // 1000, UTC)
    assert iso(ts) == moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ts % 1000:03d}Z"


def test_a_life_is_told() -> None:
    bench = LogBench()
    bench.charge(energy_wh=1)
    bench.run(60)
    bench.cp("A")
    bench.send("stop")
    bench.pilot.faults = ["ground_lost"]
    bench.pilot.changed()
    bench.run(1)
    text = bench.text()
    assert all(LINE.fullmatch(line) for line in text.splitlines()), text
    for words in (
        "firmware 0.1.0 on fake: power was lost",
        "connected to the broker",
        "authorize (id-1): done",
        "session_started",
        "session_ended",
        "reason=EVDisconnected",
        "stop (id-2): rejected no_session",
        "fault_raised fault=ground_lost",
    ):
        assert words in text
    assert "04A1" not in text, "who charges is nobody's business"


def test_leases_that_are_renewed_all_the_time_do_not_fill_it() -> None:
    bench = LogBench()
    bench.send("set_limit", current_a=16, valid_for_s=60)
    bench.send("release_limit")
    bench.send("release_limit")
    text = bench.text()
    assert "set_limit" not in text
    assert text.count("release_limit") == 1
    assert "no_lease" in text


def test_nothing_secret_stands_in_it() -> None:
    bench = LogBench()
    bench.send("identify", id="topsecret")
    bench.send("stop", reason="topsecret")
    bench.send("get_log", url="http://joe:pass@host/")
    bench.charger.notes.say("see ftp://anna:geheim@host/x and http://a@b@c/ and topsecret\nsecond line")
    text = bench.text()
    for secret in ("topsecret", "pass@", "geheim", "anna", "a@b"):
        assert secret not in text
    assert "ftp://***@host/x" in text


def test_it_survives_a_reboot_and_is_written_rarely() -> None:
    bench = LogBench()
    writes = bench.storage.writes
    bench.run(300)
    assert not bench.storage.size("log-0")
    bench.run(FLUSH_MS / 1000)
    assert bench.storage.size("log-0")
    assert bench.storage.writes - writes < 5
    first = bench.text()
    bench.boot()
    assert bench.text().startswith(first)


def test_nothing_is_written_while_a_car_is_charged() -> None:
    bench = LogBench()
    bench.charge()
    bench.run(2 * FLUSH_MS / 1000)
    assert not bench.storage.size("log-0")
    bench.cp("A")
    bench.run(11)
    assert bench.storage.size("log-0")


def test_before_a_restart_everything_is_written() -> None:
    bench = LogBench()
    bench.send("reset", kind="soft")
    bench.run(2)
    assert b"restarts: soft" in bench.storage.files["log-0"]


def fill(log: RingLog, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        log.add(T0 + number, number, f"line {number} " + "x" * 50, number)
        log.flush(number, True)


def test_it_is_a_ring() -> None:
    storage = MemoryStorage()
    log = RingLog(storage, "c1")
    fill(log, 2000)
    log.write_out(0)
    assert sum(map(len, storage.files.values())) <= SEGMENTS * SEGMENT_BYTES
    lines = list(log.lines())
    numbers = [int(line.split()[3]) for line in lines]
    assert numbers == list(range(numbers[0], 2000)), "in order, without a gap, the newest kept"
    assert len(numbers) > 250
    again = RingLog(storage, "c1")
    fill(again, 10, 2000)
    assert [int(line.split()[3]) for line in again.lines()][-11:] == list(range(1999, 2010))


def test_ram_is_bounded_when_the_flash_refuses() -> None:
    storage = MemoryStorage()
    storage.full = True
    log = RingLog(storage, "c1")
    fill(log, 1000)
    assert sum(len(line) + 1 for line in log._waiting) <= MAX_WAITING_BYTES
    assert log.dropped > 800
    storage.full = False
    log.flush(10_000_000, True)
    assert list(log.lines())[-1].split()[3] == "999"


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 9000), st.integers(0, 9000))
def test_power_loss_at_any_write(first: int, second: int) -> None:
    storage = MemoryStorage()
    for cut in (first, second):
        log = RingLog(storage, "c1")
        storage.cut(cut)
        with contextlib.suppress(PowerLost):
            fill(log, 100)
            log.write_out(0)
        storage.left = None
    log = RingLog(storage, "c1")
    assert all(LINE.fullmatch(line) for line in log.lines())
    log.add(T0, 0, "it goes on", 0)
    log.write_out(0)
    assert "it goes on" in list(RingLog(storage, "c1").lines())[-1]


@given(st.dictionaries(st.sampled_from([f"log-{n}" for n in range(SEGMENTS)]), st.binary(max_size=200)))
def test_spoilt_files_stop_nothing(files: dict[str, bytes]) -> None:
    storage = MemoryStorage()
    storage.files = dict(files)
    log = RingLog(storage, "c1")
    list(log.lines())
    log.add(T0, 0, "it goes on", 0)
    log.write_out(0)
    assert "it goes on" in list(RingLog(storage, "c1").lines())[-1]


# --- get_log ---


def test_get_log_puts_it_where_it_is_wanted() -> None:
    bench = LogBench()
    first = bench.send("get_log", url="https://host/logs/")
    assert first["stage"] == "accepted"
    (put,) = bench.puts
    assert put.url == "https://host/logs/c1.log"
    bench.send("identify")
    put.ready = True
    bench.run(1)
    last = bench.replies(first["id"])[-1]
    assert (last["stage"], last["reason"]) == ("done", f"{put.length} bytes put to host/logs/c1.log")
    assert put.closed
    assert b"connected to the broker" in put.body
    assert b"identify" not in put.body, "what came later is not in what was announced"
    assert "identify" in bench.text()


def test_get_log_of_a_time() -> None:
    bench = LogBench()
    for hour in range(3):
        bench.charger.notes.say(f"hour {hour}")
        bench.run(3600)
    bench.send("get_log", url="http://host/x", from_ts=T0 + 3_000_000, to_ts=T0 + 4_000_000)
    (put,) = bench.puts
    put.ready = True
    bench.run(1)
    text = put.body.decode()
    assert "hour 1" in text
    assert "hour 0" not in text
    assert "hour 2" not in text


@pytest.mark.parametrize("url", ["ftp://host/x", "ftps://host/x", "mqtt://host/x", "http://host:0/"])
def test_get_log_refuses_other_ways(url: str) -> None:
    bench = LogBench()
    answer = bench.send("get_log", url=url)
    assert (answer["stage"], answer["code"]) == ("rejected", "not_supported")
    assert answer["reason"]


def test_get_log_that_fails_says_why_and_the_log_goes_on() -> None:
    bench = LogBench()
    first = bench.send("get_log", url="http://host/x")
    bench.puts[0].failure = "the server answers 507 Full"
    bench.run(1)
    last = bench.replies(first["id"])[-1]
    assert (last["stage"], last["reason"]) == ("failed", "the server answers 507 Full")
    bench.run(FLUSH_MS / 1000 + 10)
    assert bench.storage.size("log-0"), "written again once nothing is on its way"


def test_without_a_log_it_is_not_supported() -> None:
    answer = Bench().send("get_log", url="http://host/x")
    assert (answer["stage"], answer["code"]) == ("rejected", "not_supported")
