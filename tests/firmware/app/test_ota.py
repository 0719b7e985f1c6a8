"""Firmware updates: what is refused and why, when it is installed, and a power loss at every write."""

import base64
import contextlib
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.app import staging
from firmware.app.ota import CONFIRM_WITHIN_MS, Ota
from firmware.app.staging import STALL_MS
from firmware.app.url import TransferFailed, Url
from tests.firmware.app.fakes import T0, Bench, PowerLost
from tests.firmware.app.flash_slots import FlashSlots
from tests.firmware.app.images import image, modulus

OLD, NEW = "0.1.0", "0.2.0"
OLD_PAYLOAD = bytes(range(256)) * 6
NEW_PAYLOAD = bytes((i * 7 + i // 256) % 256 for i in range(2000))
URL = "http://updates.example/firmware.cbfw"


class ScriptedFetch:
    """A server that sends ``data`` in pieces, and may lie, stall or break."""

    def __init__(self, data: bytes, piece: int = 700, length: int | None = -1, fails_at: int | None = None) -> None:
        self.data = data
        self.piece = piece
        self.length = len(data) if length == -1 else length
        self.fails_at = fails_at
        self.stalls_at: int | None = None
        self.drips = False
        self.sent = 0
        self.closed = False

    def read(self, most: int) -> bytes | None:
        assert not self.closed
        if self.fails_at is not None and self.sent >= self.fails_at:
            raise TransferFailed("the connection was reset")
        if self.stalls_at is not None and self.sent >= self.stalls_at:
            return b""
        if self.sent == len(self.data):
            return None
        count = 1 if self.drips else min(most, self.piece)
        data = self.data[self.sent : self.sent + count]
        self.sent += len(data)
        return data

    def close(self) -> None:
        self.closed = True


class OtaBench(Bench):
    """A charger with two slots, on a server that gives what a test puts there."""

    def __init__(self, **options: Any) -> None:
        self.slots: FlashSlots | None = None
        self.served: ScriptedFetch = ScriptedFetch(image(NEW_PAYLOAD))
        self.fetched: list[str] = []
        self.opened: list[ScriptedFetch] = []
        self.keys: tuple[int, ...] = (modulus(),)
        super().__init__(**options)

    def boot(self, connect: bool = True) -> None:
        if self.slots is None:
            self.slots = FlashSlots(self.storage, OLD_PAYLOAD)
        slot = self.slots.boot()
        content = self.slots.content[slot]
        version = {OLD_PAYLOAD: OLD, NEW_PAYLOAD: NEW}[
            bytes(content[: len(OLD_PAYLOAD)])
            if content.startswith(OLD_PAYLOAD)
            else bytes(content[: len(NEW_PAYLOAD)])
        ]
        self.hardware.ota = Ota(self.slots, self.fetch, self.storage, "fake", version, self.keys)
        super().boot(connect)

    @property
    def ota(self) -> Ota:
        ota: Ota = self.hardware.ota
        return ota

    def fetch(self, url: str) -> ScriptedFetch:
        Url(url)
        self.fetched.append(url)
        old = self.served
        fresh = ScriptedFetch(old.data, old.piece, old.length, old.fails_at)
        fresh.stalls_at, fresh.drips = old.stalls_at, old.drips
        self.opened.append(fresh)
        return fresh

    def update(self, **fields: Any) -> dict[str, Any]:
        return self.send("update_firmware", **({"url": URL} | fields))

    def restarts(self, seconds: float = 60) -> bool:
        """Let time pass until the charger wants to restart; then let it."""
        for _ in range(int(seconds * 10)):
            self.run(0.1)
            if self.hardware.restarted:
                self.boot()
                return True
        return False

    def statuses(self) -> list[str]:
        seen: list[str] = []
        for state in self.of("state"):
            update = state.get("firmware_update")
            if update is not None and (not seen or seen[-1] != update["status"]):
                seen.append(update["status"])
        return seen

    def shown(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.state()["firmware_update"]
        return shown


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


# --- when ---


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


# --- confirmation ---


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
