"""Firmware and diagnostics (OCPP 1.6, 5.9 and 5.19; whitepaper, 5.10 and 5.11)."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from ocpp.v16 import call, datatypes

from agents.ocpp_bridge.v16.firmware_words import steps
from agents.runtime.ocpp import format_time
from bus_schema.charger_messages import FirmwareUpdate
from bus_schema.words import FirmwareStatus, ReplyCode, ReplyStage
from tests.ocpp_bridge.authority import Authority
from tests.ocpp_bridge.stage import Stage, StageClock
from tests.ocpp_bridge.steve import Steve

UNDER_WAY = (ReplyStage.ACCEPTED, ReplyCode.OK, "")
URL = "https://files.example/image.bin"


def words(stage: Stage, action: str = "FirmwareStatusNotification") -> list[str]:
    return [each["status"] for each in stage.steve.got(action)]


async def at(charger, command, status: FirmwareStatus) -> None:
    await charger.state(firmware_update=FirmwareUpdate(command_id=command.id, status=status))
    await charger.stage.pass_time(1)


def test_no_step_is_left_out():
    assert steps("", "Installed", signed=False) == ["Downloading", "Downloaded", "Installing", "Installed"]
    assert steps("Downloading", "InstallationFailed", signed=False) == ["Downloaded", "InstallationFailed"]
    assert steps("Downloading", "DownloadFailed", signed=False) == ["DownloadFailed"]
    assert steps("Downloading", "Downloading", signed=False) == []
    assert steps("Downloaded", "SignatureVerified", signed=True) == ["SignatureVerified"]


async def test_an_update_ends_in_the_charger_s_own_and_is_told_step_by_step():
    async with Stage() as stage:
        charger = await stage.charger()
        charger.answers["update_firmware"] = UNDER_WAY
        at_ms = stage.clock.now_ms() + 60_000
        await stage.steve.call(call.UpdateFirmware(URL, format_time(at_ms)))
        await stage.pass_time(58)
        assert charger.executed("update_firmware") == []
        await stage.pass_time(4)
        (command,) = charger.executed("update_firmware")
        assert command.url == URL and command.sha256 is None
        for status in (
            FirmwareStatus.DOWNLOADING,
            FirmwareStatus.DOWNLOADED,
            FirmwareStatus.INSTALL_SCHEDULED,
            FirmwareStatus.INSTALLING,
            FirmwareStatus.INSTALL_REBOOTING,
            FirmwareStatus.INSTALLED,
            FirmwareStatus.INSTALLED,
        ):
            await at(charger, command, status)
        assert words(stage) == ["Downloading", "Downloaded", "Installing", "Installed"]


async def test_a_failed_download_is_tried_again_as_often_as_asked():
    async with Stage() as stage:
        charger = await stage.charger()
        charger.answers["update_firmware"] = UNDER_WAY
        now = format_time(stage.clock.now_ms())
        await stage.steve.call(call.UpdateFirmware(URL, now, retries=1, retry_interval=30))
        await stage.pass_time(2)
        await at(charger, charger.executed("update_firmware")[-1], FirmwareStatus.DOWNLOAD_FAILED)
        await stage.pass_time(40)
        assert len(charger.executed("update_firmware")) == 2
        await at(charger, charger.executed("update_firmware")[-1], FirmwareStatus.DOWNLOAD_FAILED)
        await stage.pass_time(100)
        assert len(charger.executed("update_firmware")) == 2
        assert words(stage) == ["Downloading", "DownloadFailed"] * 2


@pytest.mark.parametrize("location", ["gopher://x/y", "file:///etc/passwd"])
async def test_a_location_that_no_charger_can_fetch_from_has_failed(location):
    async with Stage() as stage:
        charger = await stage.charger()
        await stage.steve.call(call.UpdateFirmware(location, format_time(stage.clock.now_ms()), retries=3))
        await stage.pass_time(100)
        assert words(stage) == ["Downloading", "DownloadFailed"] and charger.executed("update_firmware") == []


async def test_an_update_that_waits_survives_a_restart(tmp_path):
    url, clock = f"sqlite:///{tmp_path / 'b.sqlite3'}", StageClock()
    steve = Steve(clock)
    async with Stage(url, clock, {"steve": steve}) as stage:
        await stage.charger()
        await stage.steve.call(call.UpdateFirmware(URL, format_time(clock.now_ms() + 30_000)))
    async with Stage(url, clock, {"steve": steve}) as again:
        charger = await again.charger()
        await again.pass_time(40)
        assert len(charger.executed("update_firmware")) == 1


def signed_update(stage: Stage, authority: Authority, image: bytes, signature: bytes | None = None, id: int = 7):
    key, certificate = authority.issue("firmware signing")
    made = key.sign(image, ec.ECDSA(hashes.SHA256())) if signature is None else signature
    firmware = datatypes.Firmware(
        URL, format_time(stage.clock.now_ms()), certificate, signature=base64.b64encode(made).decode()
    )
    return call.SignedUpdateFirmware(id, firmware)


async def test_signed_firmware_is_verified_before_the_charger_is_told():
    async with Stage() as stage:
        charger = await stage.charger()
        charger.answers["update_firmware"] = UNDER_WAY
        authority, image = Authority(stage.clock.now_ms()), b"an image" * 100
        stage.files[URL] = image
        await stage.steve.call(call.InstallCertificate("ManufacturerRootCertificate", authority.root_pem))
        assert (await stage.steve.call(signed_update(stage, authority, image))).status == "Accepted"
        await stage.pass_time(3)
        (command,) = charger.executed("update_firmware")
        assert command.sha256 == hashlib.sha256(image).hexdigest()
        for status in (FirmwareStatus.DOWNLOADING, FirmwareStatus.SIGNATURE_VERIFIED, FirmwareStatus.INSTALLED):
            await at(charger, command, status)
        told = stage.steve.got("SignedFirmwareStatusNotification")
        assert [each["status"] for each in told] == ["Downloading", "Downloaded", "SignatureVerified", "Installed"]
        assert {each["requestId"] for each in told} == {7}


async def test_a_wrong_signature_never_reaches_the_charger():
    async with Stage() as stage:
        charger = await stage.charger()
        authority = Authority(stage.clock.now_ms())
        stage.files[URL] = b"another image"
        await stage.steve.call(call.InstallCertificate("ManufacturerRootCertificate", authority.root_pem))
        assert (await stage.steve.call(signed_update(stage, authority, b"an image"))).status == "Accepted"
        await stage.pass_time(3)
        assert words(stage, "SignedFirmwareStatusNotification")[-1] == "InvalidSignature"
        assert charger.executed("update_firmware") == []
        assert stage.steve.got("SecurityEventNotification")[0]["type"] == "InvalidFirmwareSignature"


async def test_a_signing_certificate_of_somebody_else_is_invalid():
    async with Stage() as stage:
        await stage.charger()
        authority, other = Authority(stage.clock.now_ms()), Authority(stage.clock.now_ms())
        assert (await stage.steve.call(signed_update(stage, authority, b"x"))).status == "InvalidCertificate"
        await stage.steve.call(call.InstallCertificate("ManufacturerRootCertificate", other.root_pem))
        assert (await stage.steve.call(signed_update(stage, authority, b"x"))).status == "InvalidCertificate"
        await stage.pass_time(1)
        kinds = {each["type"] for each in stage.steve.got("SecurityEventNotification")}
        assert kinds == {"InvalidFirmwareSigningCertificate"}


async def test_diagnostics_end_in_the_charger_s_log():
    async with Stage() as stage:
        charger = await stage.charger()
        name = (await stage.steve.call(call.GetDiagnostics("https://files.example/in/"))).file_name
        await stage.pass_time(1)
        (command,) = charger.executed("get_log")
        assert command.url == f"https://files.example/in/{name}"
        assert words(stage, "DiagnosticsStatusNotification") == ["Uploading", "Uploaded"]


async def test_diagnostics_that_fail_are_tried_again_as_often_as_asked():
    async with Stage() as stage:
        charger = await stage.charger()
        charger.answers["get_log"] = (ReplyStage.FAILED, ReplyCode.HARDWARE, "no")
        await stage.steve.call(call.GetDiagnostics("ftp://files.example", retries=1, retry_interval=10))
        await stage.pass_time(20)
        assert len(charger.executed("get_log")) == 2
        assert words(stage, "DiagnosticsStatusNotification") == ["Uploading", "Uploading", "UploadFailed"]


async def test_no_file_name_when_there_is_nothing_to_put():
    async with Stage() as stage:
        charger = await stage.charger()
        assert (await stage.steve.call(call.GetDiagnostics("gopher://nowhere"))).file_name is None
        await charger.online(False)
        assert (await stage.steve.call(call.GetDiagnostics("ftp://files.example"))).file_name is None


async def test_get_log_of_the_whitepaper():
    async with Stage() as stage:
        charger = await stage.charger()
        log = datatypes.LogParameters("https://files.example", oldest_timestamp="2025-12-31T00:00:00Z")
        answer = await stage.steve.call(call.GetLog(log, "DiagnosticsLog", 3))
        assert answer.status == "Accepted" and answer.filename
        await stage.pass_time(1)
        assert charger.executed("get_log")[0].from_ts is not None
        told = stage.steve.got("LogStatusNotification")
        assert [(each["status"], each["requestId"]) for each in told] == [("Uploading", 3), ("Uploaded", 3)]
