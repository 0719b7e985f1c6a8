"""Firmware updates: what is taken, and what is refused and why."""

import base64
import hashlib
from typing import Any

import pytest

from firmware.app import staging
from firmware.app.staging import STALL_MS
from tests.firmware.app.fakes import Bench
from tests.firmware.app.images import image
from tests.firmware.app.ota_bench import NEW, NEW_PAYLOAD, OLD, URL, OtaBench, ScriptedFetch


@pytest.fixture
def bench() -> OtaBench:
    return OtaBench()


def refused(bench: OtaBench, seconds: float = 60, **fields: Any) -> dict[str, Any]:
    """Send the update, see it fail, and see that the charger still works; return the last answer."""
    first = bench.update(**fields)
    assert first["stage"] == "accepted"
    bench.run(seconds)
    answer = bench.replies(first["id"])[-1]
    assert answer["stage"] == "failed", answer
    assert bench.hardware.restarted == []
    assert bench.shown()["reason"] == answer["reason"]
    assert bench.storage.read("update") is None
    assert all(fetch.closed for fetch in bench.opened)
    bench.charge()
    bench.cp("A")
    bench.boot()
    assert bench.ota.version == OLD
    return answer


def test_an_update_is_fetched_verified_installed_and_confirmed(bench: OtaBench) -> None:
    data = image(NEW_PAYLOAD)
    bench.served = ScriptedFetch(data)
    command = bench.update(
        version=NEW, sha256=hashlib.sha256(data).hexdigest(), signature=base64.b64encode(data[128:512]).decode()
    )
    assert command["stage"] == "accepted"
    assert bench.restarts()
    bench.run(1)
    assert bench.statuses() == [
        "Downloading",
        "Downloaded",
        "SignatureVerified",
        "Installing",
        "InstallRebooting",
        "Installed",
    ]
    assert bench.replies(command["id"])[-1]["stage"] == "done"
    assert bench.replies(command["id"])[-1]["reason"] == "version 0.2.0 runs"
    assert bench.of("meta")[-1]["firmware"] == NEW
    boots = [event["detail"] for event in bench.events("security") if event["kind"] == "StartupOfTheDevice"]
    assert boots[-1] == "restarted by a firmware update; version 0.2.0 is on trial"
    assert bench.events("security")[-1]["kind"] == "FirmwareUpdated"
    bench.boot()
    assert bench.ota.version == NEW, "confirmed, so it stays"
    assert "firmware_update" not in bench.state()


def test_progress_is_told_in_steps_of_ten(bench: OtaBench) -> None:
    bench.update()
    assert bench.restarts()
    seen = [s["firmware_update"]["percent"] for s in bench.of("state") if s.get("firmware_update")]
    assert all(percent % 10 == 0 for percent in seen)
    assert len(set(seen)) > 5


BAD: dict[str, tuple[bytes, dict[str, Any], str, str]] = {
    "unsigned": (NEW_PAYLOAD, {}, "InvalidSignature", "no signed image"),
    "signed by another": (
        image(NEW_PAYLOAD, signed_by="thief"),
        {},
        "InvalidSignature",
        "which this charger does not trust",
    ),
    "header changed": (
        image(NEW_PAYLOAD)[:48] + b"9" + image(NEW_PAYLOAD)[49:],
        {},
        "InvalidSignature",
        "the signature is wrong",
    ),
    "signature changed": (
        image(NEW_PAYLOAD)[:300] + b"\0\0\0\0" + image(NEW_PAYLOAD)[304:],
        {},
        "InvalidSignature",
        "the signature is wrong",
    ),
    "another signature wanted": (
        image(NEW_PAYLOAD),
        {"signature": "AAAA"},
        "InvalidSignature",
        "not the image's",
    ),
    "wanted signature is no base64": (
        image(NEW_PAYLOAD),
        {"signature": "=%="},
        "InvalidSignature",
        "not the image's",
    ),
    "for another board": (
        image(NEW_PAYLOAD, board="olimex_esp32_poe"),
        {},
        "InstallVerificationFailed",
        "for board olimex_esp32_poe, this is fake",
    ),
    "too big": (
        image(bytes(16 * 256 + 1)),
        {},
        "InstallVerificationFailed",
        "4097 bytes, the slot has room for 4096",
    ),
    "older": (image(NEW_PAYLOAD, version="0.0.9"), {}, "InstallVerificationFailed", "older than 0.1.0"),
    "another version wanted": (
        image(NEW_PAYLOAD),
        {"version": "0.3.0"},
        "InstallVerificationFailed",
        "the image is version 0.2.0, the command wants 0.3.0",
    ),
    "another digest wanted": (
        image(NEW_PAYLOAD),
        {"sha256": "0" * 64},
        "InstallVerificationFailed",
        "not the one of the command",
    ),
    "payload changed": (
        image(NEW_PAYLOAD)[:-1] + b"\1",
        {},
        "InstallVerificationFailed",
        "damaged or changed",
    ),
    "format of the future": (
        image(NEW_PAYLOAD)[:8] + b"\2" + image(NEW_PAYLOAD)[9:],
        {},
        "InstallVerificationFailed",
        "image format 2",
    ),
    "empty": (b"", {}, "DownloadFailed", "ends after 0 bytes"),
    "only half a header": (image(NEW_PAYLOAD)[:400], {}, "DownloadFailed", "ends after 400 bytes"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_image_is_refused_with_its_reason(what: str) -> None:
    bench = OtaBench()
    data, fields, status, words = BAD[what]
    bench.served = ScriptedFetch(data)
    answer = refused(bench, **fields)
    assert words in answer["reason"]
    assert bench.statuses()[-1] == status
    if status == "InvalidSignature":
        assert bench.events("security")[-2]["kind"] == "InvalidFirmwareSignature"
        assert bench.slots is not None
        assert bench.slots.written == [], "nothing unsigned is ever written"


def test_truncated_images_are_refused() -> None:
    data = image(NEW_PAYLOAD)
    for length in (512, 513, 767, 768, 769, len(data) - 1):
        bench = OtaBench()
        bench.served = ScriptedFetch(data[:length], length=None)
        assert f"after {length} of {len(data)} bytes" in refused(bench)["reason"]


@pytest.mark.parametrize(
    ("length", "words"),
    [(5_000_000, "announces 5000000 bytes, the image's header 2512"), (512, "announces 512 bytes")],
)
def test_a_server_that_lies_about_the_length(bench: OtaBench, length: int, words: str) -> None:
    bench.served = ScriptedFetch(image(NEW_PAYLOAD), length=length)
    assert words in refused(bench)["reason"]


def test_a_file_that_goes_on_behind_its_end(bench: OtaBench) -> None:
    bench.served = ScriptedFetch(image(NEW_PAYLOAD) + b"more", length=None)
    assert "goes on behind" in refused(bench)["reason"]


@pytest.mark.parametrize("at", [0, 100, 512, 1500])
def test_a_server_that_stalls(bench: OtaBench, at: int) -> None:
    bench.served.stalls_at = at
    assert "nothing for 30 s" in refused(bench, STALL_MS / 1000 + 10)["reason"]


def test_a_server_that_drips(bench: OtaBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "LONGEST_MS", 300_000)
    bench.served.drips = True
    bench.served.data = image(bytes(4096))
    bench.served.length = None
    bench.served.piece = 1
    original = bench.fetch

    def slow(url: str) -> ScriptedFetch:
        fetch = original(url)
        read, last = fetch.read, [0]

        def one_a_minute(most: int) -> bytes | None:
            if bench.clock.now - last[0] < 20_000:
                return b""
            last[0] = bench.clock.now
            return read(1)

        fetch.read = one_a_minute  # type: ignore[method-assign]
        return fetch

    bench.fetch = slow  # type: ignore[method-assign]
    bench.boot()
    assert "not done after 5 min" in refused(bench, 310)["reason"]


@pytest.mark.parametrize("at", [0, 300, 1200])
def test_a_connection_that_breaks(bench: OtaBench, at: int) -> None:
    bench.served.fails_at = at
    bench.served.piece = 100
    assert "the connection was reset" in refused(bench)["reason"]


@pytest.mark.parametrize(
    ("broken", "words"), [("write", "refuses to be written"), ("read", "cannot be read"), ("boot", "VALIDATE_FAILED")]
)
def test_a_flash_that_refuses(bench: OtaBench, broken: str, words: str) -> None:
    assert bench.slots is not None
    bench.slots.broken = broken
    assert words in refused(bench)["reason"]


def test_a_bit_that_the_flash_has_lost(bench: OtaBench) -> None:
    assert bench.slots is not None
    bench.slots.damage = 1234
    assert "damaged or changed" in refused(bench)["reason"]


def test_a_full_flash_takes_no_command(bench: OtaBench) -> None:
    bench.storage.full = True
    answer = bench.update()
    assert (answer["stage"], answer["code"]) == ("rejected", "hardware")
    assert all(fetch.closed for fetch in bench.opened)


def test_no_key_no_update() -> None:
    bench = OtaBench()
    bench.keys = ()
    bench.boot()
    assert "no key for firmware" in refused(bench)["reason"]


@pytest.mark.parametrize("url", ["ftp://updates.example/a", "mqtt://broker/a", "http://x:99999/a", "ftps://a/b"])
def test_other_addresses_are_rejected(bench: OtaBench, url: str) -> None:
    answer = bench.update(url=url)
    assert (answer["stage"], answer["code"]) == ("rejected", "not_supported")
    assert bench.storage.read("update") is None


def test_without_slots_it_is_not_supported() -> None:
    answer = Bench().send("update_firmware", url=URL)
    assert (answer["stage"], answer["code"]) == ("rejected", "not_supported")


def test_an_older_version_with_leave_to_go_back(bench: OtaBench) -> None:
    bench.served = ScriptedFetch(image(NEW_PAYLOAD, version="0.0.9", may_downgrade=True))
    bench.update()
    assert bench.restarts()


def test_what_runs_already_is_not_installed_again(bench: OtaBench) -> None:
    bench.served = ScriptedFetch(image(NEW_PAYLOAD, version=OLD))
    first = bench.update()
    bench.run(5)
    answer = bench.replies(first["id"])[-1]
    assert answer["stage"] == "done"
    assert "running already" in answer["reason"]
    assert bench.slots is not None
    assert bench.slots.written == []


def test_versions_are_compared_as_numbers() -> None:
    bench = OtaBench()
    bench.served = ScriptedFetch(image(NEW_PAYLOAD, version="0.10.0"))
    bench.update()
    assert bench.restarts(), "0.10.0 is newer than 0.1.0"
