"""An agent is healthy while it is on the bus and its loop lives; without either, whoever watches it learns of it."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from agents.runtime.agent import CannotStart
from agents.runtime.reporting.liveness import ALIVE_FILE, NOTIFY_SOCKET, Liveness, listeners
from tests.brokers import free_port, remove_broker, start_broker
from tests.processes import ROOT, start_agent
from tests.runtime.fakes import ManualClock, settle
from tests.waiting import eventually_sync


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[socket.socket]:
    """systemd's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(20)
        yield listening


def healthy(alive: Path) -> bool:
    """Run the health check of deploy/compose.yaml."""
    kind, command = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["x-agent"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL" and "/tmp/chargebus-alive" in command
    shell = command.replace("$$", "$").replace("/tmp/chargebus-alive", str(alive))
    return subprocess.run(["sh", "-c", shell], capture_output=True, timeout=20).returncode == 0


def test_the_containers_are_told_where_the_file_is() -> None:
    agent = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["x-agent"]
    assert agent["environment"] == {ALIVE_FILE: "/tmp/chargebus-alive"} and "/tmp" in agent["tmpfs"]


async def test_it_is_told_each_second(tmp_path: Path, supervisor: socket.socket) -> None:
    alive, clock, on_bus = tmp_path / "alive", ManualClock(), [False]
    liveness = Liveness(listeners({ALIVE_FILE: str(alive), NOTIFY_SOCKET: str(tmp_path / "notify")}))
    task = asyncio.create_task(liveness.run(clock))
    await settle()
    assert supervisor.recv(99) == b"WATCHDOG=1\nSTATUS=not connected to the broker"
    assert not healthy(alive), "it has only just started"
    liveness.watch(lambda: on_bus[0])
    for connected, status in ((True, b"connected"), (False, b"not connected"), (True, b"connected")):
        on_bus[0] = connected
        await clock.advance(1)
        assert supervisor.recv(99) == b"WATCHDOG=1\nSTATUS=" + status + b" to the broker"
        assert healthy(alive) == connected
    task.cancel()
    os.utime(alive, (time.time() - 16, time.time() - 16))
    assert not healthy(alive), "the loop hangs"


async def test_a_name_in_the_abstract_namespace() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0chargebus-{os.getpid()}")
        (tell,) = listeners({NOTIFY_SOCKET: f"@chargebus-{os.getpid()}"})
        tell(True)
        assert listening.recv(99).startswith(b"WATCHDOG=1")


def test_nobody_is_there() -> None:
    assert listeners({}) == () == listeners({ALIVE_FILE: "", NOTIFY_SOCKET: ""})
    (tell,) = listeners({NOTIFY_SOCKET: "/nowhere/at/all"})
    tell(True)


def test_a_file_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"CHARGEBUS_ALIVE_FILE: cannot write .*/none/alive: No such file"):
        listeners({ALIVE_FILE: str(tmp_path / "none/alive")})


@pytest.mark.broker
def test_an_agent_whose_broker_stops_is_unhealthy_and_its_watchdog_is_content(
    tmp_path: Path, supervisor: socket.socket
) -> None:
    port, alive, site = free_port(), tmp_path / "alive", tmp_path / "site.toml"
    site.write_text(f'site = "garage"\n[broker]\nport = {port}\n[influx_logger]\n')
    environment = {ALIVE_FILE: str(alive), NOTIFY_SOCKET: str(tmp_path / "notify")}
    agent = start_agent("influx_logger", site, tmp_path / "log", **environment)
    try:
        told(supervisor, b"STATUS=not connected")
        assert not healthy(alive)
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            broker = start_broker("installed", tmp_path / name, port=port)
            told(supervisor, b"STATUS=connected")
            eventually_sync(lambda: healthy(alive), 20, "the health check passes")
            remove_broker(broker)
            told(supervisor, b"WATCHDOG=1\nSTATUS=not connected")
            eventually_sync(lambda: not healthy(alive), 20, "the health check fails")
        agent.send_signal(signal.SIGSTOP)
        supervisor.settimeout(3)
        with pytest.raises(TimeoutError):
            while supervisor.recv(99):
                pass
        agent.send_signal(signal.SIGCONT)
        assert agent.poll() is None, (tmp_path / "log").read_text()[-2000:]
    finally:
        agent.kill()
        agent.wait(10)


def told(supervisor: socket.socket, words: bytes) -> None:
    ends_s = time.monotonic() + 40
    while words not in supervisor.recv(99):
        assert time.monotonic() < ends_s, words
