"""The real host, on stand-ins for the chip's modules: everything is opened, composed and reported as it should be."""

import asyncio
import json
import ssl
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from firmware.app.version import FIRMWARE
from firmware.boards import esp32_host
from firmware.boards.file_nvs import FileNvs
from firmware.boards.main import Device
from firmware.boards.nvs import Nvs
from tests.firmware.app.fakes import MemoryStorage
from tests.firmware.boards.virtual_devices import VirtualI2c, VirtualLine, VirtualLm75, VirtualPn532, virtual_sdm630
from tests.firmware.boards.virtual_host import IDENTITY, Cable


class TlsContext(ssl.SSLContext):
    """``tls.SSLContext`` of MicroPython, which takes texts where CPython's wants files."""

    def load_verify_locations(self, cadata: str) -> None:  # type: ignore[override]
        super().load_verify_locations(cadata=cadata)

    def load_cert_chain(self, cert: str, key: str) -> None:  # type: ignore[override]
        with NamedTemporaryFile("w", suffix=".pem") as both:
            both.write(key + cert)
            both.flush()
            super().load_cert_chain(both.name)


class Chip:
    """``machine``, ``esp32``, ``network`` and ``cp_pwm`` of one virtual ESP32."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.flash = MemoryStorage()
        self.resets: list[str] = []
        self.lan: dict[str, Any] = {}
        self.init: dict[str, Any] = {}
        self.has_slots = True
        self.cable = Cable()
        self.pixels: list[bytes] = []

        class Pin:
            IN, OUT, IRQ_FALLING = 0, 1, 2

            def __init__(self, number: int, *mode: int) -> None:
                self.number = number

        def uart(number: int, **options: Any) -> VirtualLine:
            line = VirtualLine(self)
            line.slaves.append(virtual_sdm630())
            return line

        def i2c(number: int, **options: Any) -> VirtualI2c:
            bus = VirtualI2c()
            bus.devices = {0x24: VirtualPn532(self), 0x48: VirtualLm75(20.0)}
            return bus

        chip = self

        class Partition:
            RUNNING = 1

            def __init__(self, which: Any) -> None:
                self.which = which

            def get_next_update(self) -> "Partition":
                if not chip.has_slots:
                    raise OSError(-0x105, "ESP_ERR_NOT_FOUND")
                return Partition("ota_1")

            def ioctl(self, command: int, argument: int) -> int:
                return {4: 384, 5: 4096}[command]

            def info(self) -> "tuple[Any, ...]":
                return (0, 16, 0, 0, self.which, False)

        def begin(rated_ma: int, **options: Any) -> None:
            self.init = {"rated_ma": rated_ma} | options

        modules = {
            "machine": SimpleNamespace(
                Pin=Pin,
                UART=uart,
                I2C=i2c,
                bitstream=lambda pin, encoding, timing, data: self.pixels.append(data),
                reset=lambda: self.resets.append("hard"),
                soft_reset=self._soft_reset,
            ),
            "esp32": SimpleNamespace(NVS=lambda namespace: FileNvs(self.flash), Partition=Partition),
            "network": SimpleNamespace(LAN=self._open_lan, PHY_LAN8720="phy"),
            "cp_pwm": _cp_pwm(begin),
            "tls": SimpleNamespace(
                SSLContext=TlsContext, PROTOCOL_TLS_CLIENT=ssl.PROTOCOL_TLS_CLIENT, CERT_REQUIRED=ssl.CERT_REQUIRED
            ),
        }
        for name, module in modules.items():
            monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.delitem(sys.modules, "firmware.boards.native_pilot", raising=False)
        monkeypatch.setattr(esp32_host, "FOLDER", str(folder / "chargebus"))
        monkeypatch.setattr("firmware.app.console.stdin_keys", lambda: lambda: "")
        nvs = Nvs(FileNvs(self.flash))
        nvs.write_object("identity", IDENTITY | {"firmware_keys": ["c0ffee"], "has_mirror": False})
        nvs.write_object("broker", {"address": "127.0.0.1", "port": 1, "password": "very secret"})

    def _soft_reset(self) -> None:
        raise SystemExit

    def _open_lan(self, **options: Any) -> Cable:
        self.lan = options
        return self.cable

    @property
    def now(self) -> int:
        return self.host.clock.ticks_ms()

    def start(self) -> Device:
        self.host = esp32_host.Esp32Host()
        return Device(self.host)


def _cp_pwm(begin: Any) -> ModuleType:
    module = ModuleType("cp_pwm")
    names = "CHANGES STATE COIL CLOSED CABLE_MA OFFERED_MA DERATED_MA DUTY HIGH_MV LOW_MV FAULTS LOCKED UPTIME_MS WORDS"
    for index, name in enumerate(names.split()):
        setattr(module, name, index)
    for name in ("snapshot", "offer", "permit", "available", "heartbeat", "temperature", "disconnect", "clear_faults"):
        setattr(module, name, lambda *arguments: None)
    module.init = begin  # type: ignore[attr-defined]
    return module


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Chip:
    return Chip(monkeypatch, tmp_path)


def test_a_device_is_composed_of_the_chip(chip: Chip, tmp_path: Path):
    device = chip.start()
    assert device.notes == []
    assert chip.init["rated_ma"] == 32_000 and chip.init["has_mirror"] is False and chip.init["has_temperature"] is True
    assert chip.lan["phy_addr"] == 0 and chip.lan["ref_clk"].number == 17
    ota, log = device.hardware.ota, device.hardware.log
    assert ota is not None and log is not None
    assert ota.version == FIRMWARE and ota._keys == (0xC0FFEE,) and ota._board == "olimex_esp32_poe"
    device.charger.boot()
    for _ in range(3):
        device.poll()
        device.charger.tick()
    log.add(None, 0, "login with very secret", 0)
    device.hardware.restart("hard")
    assert chip.resets == ["hard"]
    written = b"".join(path.read_bytes() for path in (tmp_path / "chargebus").iterdir())
    assert b"login with ***" in written and b"very secret" not in written, "written out before the restart"
    assert chip.pixels, "the light shows"


def test_flash_without_a_second_slot_cannot_be_updated_but_charges(chip: Chip, capsys: pytest.CaptureFixture[str]):
    chip.has_slots = False
    device = chip.start()
    assert device.hardware.ota is None and device.hardware.log is not None
    assert "no firmware updates over the bus" in capsys.readouterr().out


def test_a_soft_restart_ends_the_interpreter(chip: Chip):
    device = chip.start()
    with pytest.raises(SystemExit):
        device.hardware.restart("soft")


def test_a_crash_is_in_the_log(chip: Chip, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    printed: list[BaseException] = []
    monkeypatch.setattr(sys, "print_exception", printed.append, raising=False)
    chip.start()
    chip.host.crashed(ValueError("broken very secret"))
    assert [str(error) for error in printed] == ["broken very secret"]
    assert b"crashed: ValueError: broken ***" in (tmp_path / "chargebus" / "log-0").read_bytes()


def test_a_bad_authority_leaves_it_without_a_broker(chip: Chip):
    Nvs(FileNvs(chip.flash)).write_object("broker", {"address": "127.0.0.1", "ca_pem": "no certificate"})
    device = chip.start()
    assert any("without a broker" in note for note in device.notes)


def authority(folder: Path, name: str) -> "tuple[Path, Path]":
    """Make a certificate for ``name`` that signs itself."""
    import subprocess

    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=test"]
    subprocess.run([*command, "-addext", f"subjectAltName=DNS:{name}"], check=True, capture_output=True)
    return key, certificate


@pytest.mark.parametrize(("name", "connects"), [("broker.example", True), ("other.example", False)])
async def test_the_broker_must_be_the_one_that_was_named(chip: Chip, tmp_path: Path, name: str, connects: bool):
    key, certificate = authority(tmp_path, "broker.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    entry = {"address": "127.0.0.1", "port": port, "name": name, "ca_pem": certificate.read_text()}
    Nvs(FileNvs(chip.flash)).write_object("broker", json.loads(json.dumps(entry)))
    device = chip.start()
    assert device.notes == []
    client: Any = device.client
    client.owner = device.charger
    client.backoff_ms = (10_000, 10_000)
    task = asyncio.create_task(client.run())
    for _ in range(200):
        if heard or client.last_error:
            break
        await asyncio.sleep(0.01)
    assert (heard == [b"\x10"]) is connects, client.last_error
    device.poll()
    if not connects:
        assert "not valid for 'other.example'" in client.last_error
        log = device.hardware.log
        assert log is not None
        log.write_out(chip.now)
        assert b"broker: not connected: " in (tmp_path / "chargebus" / "log-0").read_bytes(), "a technician reads why"
    client.stop()
    await asyncio.wait_for(task, 5)
    server.close()


async def test_it_shows_the_broker_its_own_certificate(chip: Chip, tmp_path: Path):
    key, certificate = authority(tmp_path, "broker.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    shown = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown.set_result(writer.get_extra_info("peercert"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    own = {"cert_pem": certificate.read_text(), "key_pem": key.read_text()}
    entry = {"address": "127.0.0.1", "port": port, "name": "broker.example", "ca_pem": certificate.read_text()} | own
    Nvs(FileNvs(chip.flash)).write_object("broker", entry)
    device = chip.start()
    client: Any = device.client
    client.owner = device.charger
    task = asyncio.create_task(client.run())
    assert (await asyncio.wait_for(shown, 10))["subject"] == ((("commonName", "test"),),)
    client.stop()
    await asyncio.wait_for(task, 5)
    server.close()
