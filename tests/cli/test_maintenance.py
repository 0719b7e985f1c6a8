"""`update-firmware` and `log` with a virtual charger: real broker, real HTTP, real restart."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.cli.commanding.file_server import OneFile, no_browser
from agents.cli.device import signing
from agents.runtime.serving import plain_http
from tests.brokers import RunningBroker
from tests.cli.conftest import Run
from tests.cli.scripted_charger import SITE, ScriptedCharger
from tests.firmware.app.images import key
from tests.waiting import eventually_sync

pytestmark = pytest.mark.broker


@pytest.fixture
def virtual(broker: RunningBroker, chargebus: Run, tmp_path: Path) -> Iterator[Path]:
    """Virtual charger c1, online, that trusts maker.key; return the folder of its data."""
    public, data = tmp_path / "maker.pub", tmp_path / "chargers"
    public.write_text(signing.public_line(key()))
    options = f"--site {SITE} --host {broker.host} --port {broker.port} --chargers 1 --drivers none".split()
    command = [sys.executable, "-m", "firmware.sim", *options, "--data", str(data), "--firmware-key", str(public)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL)
    try:
        eventually_sync(lambda: chargebus("identify", "c1").code == 0, within_s=30, what="c1 answers")
        yield data
    finally:
        process.kill()
        process.wait()


def image(tmp_path: Path, version: str = "9.8.7", signer: str = "maker", board: str = "virtual") -> str:
    path = tmp_path / f"{signer}-{version}.cbfw"
    path.write_bytes(signing.sign(os.urandom(9000), "virtual", version, key(signer)))
    return path.name


def test_a_charger_gets_other_firmware(virtual: Path, chargebus: Run, tmp_path: Path) -> None:
    outcome = chargebus("update-firmware", "c1", image(tmp_path), "--within", "60s")
    assert outcome.code == 0, outcome.err
    assert "version 9.8.7 runs" in outcome.out
    for status in ("Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting"):
        assert f"c1: {status}" in outcome.err
    status = chargebus("status", "c1", "--json").json["chargers"]["c1"]
    assert status["meta"]["firmware"] == "9.8.7"
    assert status["state"]["firmware_update"]["status"] == "Installed"

    log = chargebus("log", "c1")
    assert log.code == 0, log.err
    assert "boot " in log.out
    assert "FirmwareUpdated" in log.out
    assert chargebus("log", "c1", "-o", "c1.log").code == 0
    assert "9.8.7" in (tmp_path / "c1.log").read_text()
    assert chargebus("log", "c1", "--from", "2099-01-01T00:00Z", "--json").json["lines"] == []


def test_a_refused_image_is_told_with_its_reason(virtual: Path, chargebus: Run, tmp_path: Path) -> None:
    outcome = chargebus("update-firmware", "c1", image(tmp_path, signer="thief"))
    assert outcome.code == 1
    assert "which this charger does not trust" in outcome.err
    older = chargebus("update-firmware", "c1", image(tmp_path, version="0.0.1"))
    assert older.code == 1
    assert "older than 0.1.0" in older.err
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    gone = chargebus("update-firmware", "c1", "--url", f"http://127.0.0.1:{port}/x")
    assert gone.code == 1
    assert "failed update_firmware" in gone.err
    ftp = chargebus("log", "c1", "--url", "ftp://host/x")
    assert ftp.code == 1
    assert "http and https only, not ftp" in ftp.err
    assert chargebus("identify", "c1").code == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("update-firmware c1", "give an IMAGE"),
        ("update-firmware c1 nothing.cbfw", "No such file"),
        ("update-firmware c1 text.cbfw", "no firmware image"),
        ("update-firmware c1 --url http://x/ --not-before soon", "is not a time"),
        ("log c1 --from yesterday", "is not a time"),
        ("log c1 --listen 256.0.0.1", "cannot serve at"),
        ("log c1 --listen host:port", "is not HOST"),
    ],
)
def test_bad_input(line: str, words: str, chargebus: Run, charger: ScriptedCharger, tmp_path: Path) -> None:
    (tmp_path / "text.cbfw").write_text("text")
    outcome = chargebus(*line.split())
    assert outcome.code in (1, 2)
    assert words in " ".join(outcome.err.replace("│", " ").split())
    assert charger.commands == []


def test_a_command_with_a_url_needs_no_file(chargebus: Run, charger: ScriptedCharger) -> None:
    assert chargebus("update-firmware", "c1", "--url", "http://x/a", "--not-before", "2030-01-01T00:00Z").code == 0
    (command,) = charger.commands
    assert (command.url, command.not_before_ts, command.version) == ("http://x/a", 1_893_456_000_000, None)


def test_a_charger_that_sends_nothing_is_found_out(chargebus: Run, charger: ScriptedCharger) -> None:
    outcome = chargebus("log", "c1")
    assert outcome.code == 1
    assert "nothing came" in outcome.err


async def test_the_server_of_one_file_gives_it_to_nobody_else() -> None:
    import asyncio

    file = OneFile("a", b"data")
    async with plain_http.serving(file.handle, "127.0.0.1", 0, admits=no_browser) as port:

        async def ask(request: bytes) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            answer = await reader.read()
            writer.close()
            return answer

        assert (await ask(f"GET {file.path} HTTP/1.0\r\n\r\n".encode())).endswith(b"\r\n\r\ndata")
        assert b" 403 " in await ask(f"GET {file.path} HTTP/1.1\r\nOrigin: http://evil.example\r\n\r\n".encode())
        assert b" 404 " in await ask(b"GET / HTTP/1.0\r\n\r\n")
        assert b" 405 " in await ask(f"PUT {file.path} HTTP/1.0\r\nContent-Length: 1\r\n\r\nx".encode())
        taking = OneFile("b")
        file.path, file.offered = taking.path, None
        huge = f"PUT {file.path} HTTP/1.0\r\nContent-Length: 99999999999\r\n\r\n".encode()
        assert b" 413 " in await ask(huge)
        assert b" 413 " in await ask(f"PUT {file.path} HTTP/1.0\r\n\r\n".encode())
        assert b" 201 " in await ask(f"PUT {file.path} HTTP/1.0\r\nContent-Length: 3\r\n\r\nlog".encode())
        assert file.taken == b"log"
