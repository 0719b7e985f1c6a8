"""The serial console: its keys, its line every ten seconds, and that it goes around no rule."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.app.console import MAX_KEYS, Console
from firmware.app.log import RingLog
from tests.firmware.app.fakes import Bench, Identity


class Battery:
    def __init__(self) -> None:
        self.soc: float | None = None

    def soc_percent(self, now_ms: int) -> float | None:
        return self.soc

    def reading(self, now_ms: int) -> Any:
        return None


class Person:
    """A charger with somebody at its serial port."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.bench.hardware.log = RingLog(self.bench.storage, "c1")
        self.typed = ""
        self.lines: list[str] = []
        self.bench.boot()
        self.console = Console(self.bench.charger, Identity(), self.keys, self.lines.append)

    def keys(self) -> str:
        typed, self.typed = self.typed, ""
        return typed

    def press(self, keys: str) -> list[str]:
        """Press keys; return what was printed at once, without the status line."""
        self.lines.clear()
        self.typed = keys
        self.console.poll()
        self.bench.tick()
        return [line for line in self.lines if not line.startswith("V=")]

    def watch(self, seconds: float) -> list[str]:
        self.lines.clear()
        for _ in range(int(seconds * 10)):
            self.bench.run(0.1)
            self.console.poll()
        return list(self.lines)


@pytest.fixture
def person() -> Person:
    return Person()


def test_a_status_line_every_ten_seconds(person: Person) -> None:
    lines = person.watch(60)
    assert len(lines) == 6
    assert lines[-1] == "V=230.0  I=0.0  SOC=-  Wh=1000  Available"


def test_the_status_line_tells_of_the_car(person: Person) -> None:
    battery = Battery()
    person.bench.hardware.battery = battery
    battery.soc = 56.0
    person.bench.charge()
    lines = person.watch(31)
    assert lines[-1].startswith("V=230.0  I=16.0  SOC=56.0  Wh=10")
    assert "session" in lines[-1]
    assert lines[-1].endswith("Charging")


def test_what_is_unknown_is_not_zero(person: Person) -> None:
    person.bench.meter.silent = True
    person.bench.boot()
    person.console = Console(person.bench.charger, Identity(), person.keys, person.lines.append)
    person.console.poll()
    assert person.lines == ["V=-  I=-  SOC=-  Wh=-  Available"]


def test_views_are_chosen_and_muted(person: Person) -> None:
    assert person.press("1") == ["BMS: SOC - %"]
    assert person.press("1") == []
    person.press("23")
    lines = [line.split(":")[0] for line in person.watch(3) if not line.startswith("V=")]
    assert lines == ["charger", "output"] * 3
    person.press("5")
    assert {line.split(":")[0] for line in person.watch(2)} >= {"BMS", "charger", "output", "terminal"}
    assert person.press("0") == ["muted"]
    assert all(line.startswith("V=") for line in person.watch(30))


def test_s_and_t_are_commands(person: Person) -> None:
    bench = person.bench
    assert person.press("s") == ["authorize: done: waits 60 s for a car"]
    bench.cp("B")
    bench.cp("C")
    assert bench.status() == "Charging"
    started = bench.events("session_started")[-1]
    assert started["authorized_by"] == "console"
    (stopped,) = person.press("t")
    assert stopped.startswith("stop: done: session ")
    bench.run(1)
    assert "stopped by console: at the serial console" in bench.events("session_ended")[-1]["detail"]


def test_s_goes_around_no_rule(person: Person) -> None:
    bench = person.bench
    bench.send("set_availability", available=False)
    assert person.press("s") == ["authorize: rejected (unavailable): the charger is out of service (set_availability)"]
    bench.send("set_availability", available=True)
    bench.send(
        "reserve",
        reservation_id=1,
        id_token={"type": "rfid", "value": "04A1"},
        expires_ts=bench.clock.now + 1_900_000_000_000,
    )
    assert person.press("s") == ["authorize: rejected (reserved): reserved for another token"]
    bench.send("cancel_reservation", reservation_id=1)
    bench.pilot.faults = ["ground_lost"]
    bench.pilot.changed()
    bench.tick()
    assert "rejected (faulted)" in person.press("s")[0]
    assert not bench.pilot.permitted
    assert "rejected (no_session)" in person.press("t")[0]


def test_the_limits_hold_for_the_console_too(person: Person) -> None:
    bench = person.bench
    bench.send("set_limit", current_a=8, valid_for_s=600)
    person.press("s")
    bench.cp("B")
    bench.cp("C")
    assert bench.state()["offered_current_a"] == 8


def test_the_other_keys(person: Person) -> None:
    (who,) = person.press("i")
    assert who.startswith("site garage  charger c1  board fake  firmware 0.1.0  boot ")
    assert "s start" in person.press("h")[0]
    assert any("boot " in line for line in person.press("l"))
    assert person.press("x") == ["no such key; h helps"]
    assert person.press("\r\n \x03") == []


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=200))
def test_any_keys_are_survived(keys: str) -> None:
    person = Person()
    person.press(keys)
    person.watch(2)
    assert person.bench.charger.status in ("Available", "Preparing")


def test_a_paste_does_not_keep_the_charger_from_its_work(person: Person) -> None:
    assert len(person.press("i" * 1000)) == MAX_KEYS
