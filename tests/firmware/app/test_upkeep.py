"""Update, log and console on MicroPython and CPython, over real HTTP: the same on both."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.firmware.app.http_server import serving
from tests.firmware.app.images import image, modulus
from tests.missing import missing

ROOT = Path(__file__).parents[3]
LIFE = Path(__file__).with_name("upkeep_life.py")
PAYLOAD = bytes(range(251)) * 120


@pytest.fixture(params=[pytest.param("micropython", marks=pytest.mark.micropython), "cpython"])
def program(request: pytest.FixtureRequest) -> str:
    if request.param == "cpython":
        return sys.executable
    built = ROOT / "firmware/build/micropython"
    found = os.environ.get("MICROPYTHON") or shutil.which("micropython") or (str(built) if built.exists() else None)
    if found is None:
        missing("micropython (firmware/build_micropython_unix.sh makes one)")
    return found


class Server:
    def __init__(self) -> None:
        self.log = b""

    async def answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if head.startswith(b"GET"):
            data = image(PAYLOAD, board="life")
            writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            await writer.drain()
        else:
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            self.log = await reader.readexactly(length)
            writer.write(b"HTTP/1.0 201 Created\r\n\r\n")
            await writer.drain()


async def live(program: str, folder: Path) -> tuple[dict[str, Any], str]:
    server = Server()
    async with serving(server.answer) as url:
        environment = os.environ | {"MICROPYPATH": f"{ROOT}:.frozen", "PYTHONPATH": str(ROOT)}
        pipe, both = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
        (folder / "modulus").write_text(f"{modulus():x}")
        arguments = (str(folder), url + "/image", url + "/logs/")
        process = await asyncio.create_subprocess_exec(
            program, str(LIFE), *arguments, env=environment, stdout=pipe, stderr=both
        )
        output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output.decode()[-2000:]
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found, server.log.decode()


async def test_upkeep_over_http(program: str, tmp_path: Path) -> None:
    found, log = await live(program, tmp_path)
    result = found["result"]
    assert result["statuses"] == [
        "Downloading",
        "Downloaded",
        "SignatureVerified",
        "Installing",
        "InstallRebooting",
        "Installed",
    ]
    assert result["replies"][0] == ["update_firmware", "accepted", ""]
    assert result["replies"][1] == ["update_firmware", "done", "version 0.2.0 runs"]
    assert result["replies"][-1][:2] == ["get_log", "done"]
    assert result["firmware"] == "0.2.0"
    assert result["payload"] >= len(PAYLOAD)
    assert "update_firmware (update_firmware): done version 0.2.0 runs" in log
    assert "restarts: hard" in log
    assert log.startswith("2027-01-15T08:00:0")
    assert result["lines"][0] == "authorize: done: waits 60 s for a car"
    assert result["lines"][1].startswith("site garage  charger c1  board life  firmware 0.2.0  boot ")
    assert "stop: done: nobody is awaited any more" in result["lines"]
    # The heartbeat comes with every tick; verifying the signature is the longest.
    assert found["longest_tick_ms"] < 500, found
