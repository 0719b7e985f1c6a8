"""Firmware updates: confirmed or rolled back, also after a power loss at any write."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.app.ota import CONFIRM_WITHIN_MS
from tests.firmware.app.fakes import PowerLost
from tests.firmware.app.ota_bench import NEW, OLD, URL, OtaBench


@pytest.fixture
def bench() -> OtaBench:
    return OtaBench()


def on_trial(bench: OtaBench) -> dict[str, Any]:
    """Update, and boot the new image without the broker."""
    command = bench.update()
    for _ in range(600):
        bench.run(0.1)
        if bench.hardware.restarted:
            bench.boot(connect=False)
            assert bench.ota.version == NEW
            return command
    raise AssertionError("no restart")


def test_without_the_broker_it_is_rolled_back_in_time(bench: OtaBench) -> None:
    command = on_trial(bench)
    bench.run(CONFIRM_WITHIN_MS / 1000 - 1)
    assert bench.hardware.restarted == []
    bench.run(2)
    assert bench.hardware.restarted == ["hard"]
    bench.boot()
    assert bench.ota.version == OLD
    assert bench.replies(command["id"])[-1]["stage"] == "failed"
    assert "rolled back" in bench.replies(command["id"])[-1]["reason"]
    assert bench.shown()["status"] == "InstallationFailed"
    bench.boot()
    assert bench.ota.version == OLD


def test_with_a_failed_self_test_it_is_rolled_back(bench: OtaBench) -> None:
    on_trial(bench)
    bench.charger.settings.damaged = True
    bench.charger.faults.set("self_test", True, "broken", bench.clock.now)
    bench.connect()
    bench.run(CONFIRM_WITHIN_MS / 1000 + 2)
    assert bench.hardware.restarted == ["hard"]
    bench.boot()
    assert bench.ota.version == OLD


def test_a_crash_on_trial_is_rolled_back(bench: OtaBench) -> None:
    command = on_trial(bench)
    bench.run(20)
    bench.boot()
    assert bench.ota.version == OLD
    assert bench.replies(command["id"])[-1]["stage"] == "failed"


def test_a_car_on_trial_is_not_interrupted(bench: OtaBench) -> None:
    on_trial(bench)
    bench.cp("B")
    bench.charger.order("console", "authorize", {"id_token": {"type": "app", "value": "console"}})
    bench.cp("C")
    bench.run(CONFIRM_WITHIN_MS / 1000 + 60)
    assert bench.pilot.closed
    assert bench.hardware.restarted == []
    bench.cp("A")
    bench.run(5)
    assert bench.hardware.restarted == ["hard"]


def test_a_second_update_waits_for_the_trial(bench: OtaBench) -> None:
    on_trial(bench)
    answer = bench.charger.order("console", "update_firmware", {"url": URL})
    assert (answer[0], answer[1]) == ("rejected", "occupied")


def test_a_power_loss_between_confirmation_and_record_loses_nothing(bench: OtaBench) -> None:
    command = on_trial(bench)
    record = bench.storage.files["update"]
    bench.connect()
    bench.run(1)
    bench.storage.files["update"] = record
    bench.boot(connect=False)
    bench.run(CONFIRM_WITHIN_MS / 1000 + 1)
    assert bench.hardware.restarted == ["hard"], "as far as it knows it is on trial still"
    bench.boot()
    assert bench.ota.version == NEW
    assert bench.replies(command["id"])[-1]["stage"] == "done"
    assert bench.storage.read("update") is None


# --- power loss at every write ---


def live(bench: OtaBench) -> None:
    """Update and go through what comes, restarts included."""
    bench.update()
    for _ in range(200):
        bench.run(0.1)
        if bench.hardware.restarted:
            bench.boot()


def written_bytes() -> int:
    bench = OtaBench()
    bench.storage.cut(10**9)
    live(bench)
    assert bench.storage.left is not None
    return 10**9 - bench.storage.left


TOTAL = written_bytes()


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, TOTAL), min_size=1, max_size=4))
def test_power_loss_at_any_write_leaves_an_image_that_runs(cuts: list[int]) -> None:
    bench = OtaBench()
    for cut in cuts:
        bench.storage.cut(cut)
        with contextlib.suppress(PowerLost):
            live(bench)
        bench.storage.left = None
        # boot() looks up what lies in the slot: it fails unless that is the old or the new image as a whole.
        bench.boot()
        bench.run(40)
        while bench.hardware.restarted:
            bench.boot()
            bench.run(20)
        ended = bench.ota.update
        if ended is not None:
            assert ended.status in ("Installed", "InstallationFailed", "DownloadFailed"), ended.status
            assert (ended.status == "Installed") == (bench.ota.version == NEW), (ended.status, bench.ota.version)
        assert bench.storage.read("update") is None
        runs = bench.ota.version
        bench.boot()
        assert bench.ota.version == runs, "what has ended stays as it is"
        if runs == NEW:
            return
    bench.cp("A")
    bench.charge()


def test_every_byte_once() -> None:
    """The same at every single byte of what is written outside the slot, and at some within."""
    seen = set()
    for cut in range(0, TOTAL, 61):
        bench = OtaBench()
        bench.storage.cut(cut)
        try:
            live(bench)
        except PowerLost:
            seen.add(bench.ota.update.status if bench.ota.update else "")
        bench.storage.left = None
        bench.boot()
        bench.run(10)
        assert bench.ota.version in (OLD, NEW)
    assert {"Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting"} - seen <= {
        "Downloaded",
    }, seen


def test_the_state_with_everything_in_it_fits_a_message(bench: OtaBench) -> None:
    update = bench.ota.update
    assert update is None
    bench.update()
    assert bench.ota.update is not None
    bench.ota.update.show("InstallScheduled", "x" * 400)
    for number in range(8):
        bench.send("set_limit", source=f"source-{number}", current_a=16, valid_for_s=600, reason="y" * 400)
    bench.run(1)
    assert max(len(json.dumps(state)) for state in bench.of("state")) < 4096
