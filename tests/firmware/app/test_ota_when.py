"""Firmware updates: when they are installed, and what they wait for."""

import pytest

from tests.firmware.app.fakes import T0
from tests.firmware.app.images import modulus
from tests.firmware.app.ota_bench import NEW, OtaBench


@pytest.fixture
def bench() -> OtaBench:
    return OtaBench()


def test_it_waits_until_no_car_is_charging(bench: OtaBench) -> None:
    bench.charge()
    bench.update()
    bench.run(60)
    assert bench.shown()["status"] == "DownloadPaused"
    assert bench.slots is not None
    assert bench.slots.written == [], "flash is not written while the contactor is closed"
    bench.cp("A")
    assert bench.restarts()
    bench.run(1)
    assert bench.shown()["status"] == "Installed"
    ended = bench.events("session_ended")
    assert [event["reason"] for event in ended] == ["EVDisconnected"]


def test_a_car_that_comes_during_the_download(bench: OtaBench) -> None:
    bench.served.piece = 64
    bench.update()
    bench.run(0.5)
    bench.charge()
    assert bench.opened[0].closed
    bench.run(5)
    assert bench.shown()["status"] == "DownloadPaused"
    bench.cp("A")
    assert bench.restarts()
    assert len(bench.opened) == 2
    assert bench.ota.version == NEW


def test_a_car_that_comes_while_it_waits_is_charged(bench: OtaBench) -> None:
    bench.update(not_before_ts=T0 + 120_000)
    bench.run(60)
    assert bench.shown()["status"] == "InstallScheduled"
    assert "not_before_ts" in bench.shown()["reason"]
    bench.charge()
    bench.run(120)
    assert bench.hardware.restarted == []
    assert bench.shown()["reason"] == "waits until the charger is not in use"
    bench.cp("A")
    assert bench.restarts()


def test_not_before(bench: OtaBench) -> None:
    bench.update(not_before_ts=T0 + 600_000)
    bench.run(595)
    assert bench.hardware.restarted == []
    assert bench.restarts(10)


def test_a_charger_that_knows_no_date_does_not_guess() -> None:
    bench = OtaBench()
    bench.update(not_before_ts=T0 + 120_000)
    bench.run(60)
    bench.clock.offset = None
    bench.run(300)
    assert bench.hardware.restarted == []
    bench.clock.offset = T0
    assert bench.restarts(10)


def test_what_is_scheduled_goes_on_after_a_power_loss(bench: OtaBench) -> None:
    command = bench.update(not_before_ts=T0 + 600_000)
    bench.run(60)
    bench.boot()
    bench.run(60)
    assert bench.shown()["status"] == "InstallScheduled"
    bench.run(470)
    assert bench.hardware.restarted == []
    assert bench.restarts(30)
    bench.run(1)
    assert bench.replies(command["id"])[-1]["stage"] == "done"


def test_what_is_scheduled_is_read_back_again_after_a_power_loss(bench: OtaBench) -> None:
    command = bench.update(not_before_ts=T0 + 3_600_000)
    bench.run(600)
    assert bench.slots is not None
    bench.slots.content["ota_1"][700] ^= 1
    bench.boot()
    bench.run(10)
    assert bench.replies(command["id"])[-1]["stage"] == "failed"
    assert bench.shown()["status"] == "InstallVerificationFailed"


def test_a_key_that_was_taken_away_while_it_waited(bench: OtaBench) -> None:
    command = bench.update(not_before_ts=T0 + 3_600_000)
    bench.run(600)
    bench.keys = (modulus("thief"),)
    bench.boot()
    bench.run(10)
    assert bench.replies(command["id"])[-1]["stage"] == "failed"
    assert bench.shown()["status"] == "InvalidSignature"


def test_a_newer_command_takes_the_place_of_an_older_one(bench: OtaBench) -> None:
    first = bench.update(not_before_ts=T0 + 3_600_000)
    bench.run(600)
    second = bench.update()
    assert bench.restarts()
    bench.run(1)
    assert bench.replies(first["id"])[-1]["stage"] == "failed"
    assert "newer" in bench.replies(first["id"])[-1]["reason"]
    assert bench.replies(second["id"])[-1]["stage"] == "done"


def test_what_is_about_to_boot_is_not_written_any_more(bench: OtaBench) -> None:
    first = bench.update()
    for _ in range(100):
        bench.run(0.1)
        if bench.shown()["status"] == "InstallRebooting":
            break
    second = bench.update()
    assert (second["stage"], second["code"]) == ("rejected", "occupied")
    assert bench.restarts()
    bench.run(1)
    assert bench.replies(first["id"])[-1]["stage"] == "done"


def test_it_does_not_restart_while_somebody_is_awaited(bench: OtaBench) -> None:
    bench.authorize(connection_timeout_s=50)
    bench.update()
    bench.run(45)
    assert bench.hardware.restarted == []
    assert bench.restarts(60)


def test_the_charger_works_during_the_download(bench: OtaBench) -> None:
    bench.served.stalls_at = 1500
    bench.update()
    before = bench.pilot.heartbeats
    bench.run(10)
    assert bench.pilot.heartbeats - before >= 90
    assert bench.send("identify")["stage"] == "done"
