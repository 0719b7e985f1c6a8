"""compose.yaml's broker, started by compose with a locally made image where none can be pulled."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents.cli.prepare import make
from agents.cli.prepare_files import Kind, wanted
from tests.brokers import free_port, mosquitto
from tests.deploy.site import ROOT, environment
from tests.deploy.test_compose import COMPOSE, SITE_AGENTS
from tests.missing import missing
from tests.waiting import eventually_sync

pytestmark = [pytest.mark.slow, pytest.mark.docker]

IMAGE = COMPOSE["services"]["broker"]["image"]


def run(*command: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment(), **options)  # type: ignore[call-overload]


def make_image(folder: Path) -> None:
    """Import an image of this machine's own Mosquitto, with the user and the folders of the official one."""
    programs = [mosquitto(), shutil.which("mosquitto_sub")]
    if None in programs:
        missing("mosquitto and mosquitto_sub")
    for program in map(str, programs):
        linked = run("ldd", program).stdout.split()
        for path in (program, *(part for part in linked if part.startswith("/"))):
            target = folder / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
    # Compose names the program by the official image's path; the health check finds its own on PATH.
    if not (folder / "usr/sbin/mosquitto").exists():
        shutil.copy2(str(programs[0]), folder / "usr/sbin/mosquitto")
    for name in ("etc", "tmp", "mosquitto/config", "mosquitto/data"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "etc/passwd").write_text("root:x:0:0:root:/:/none\nmosquitto:x:1883:1883:mosquitto:/:/none\n")
    (folder / "etc/group").write_text("root:x:0:\nmosquitto:x:1883:\n")
    os.chown(folder / "mosquitto/data", 1883, 1883)
    archive = folder.with_suffix(".tar")
    assert run("tar", "-C", str(folder), "-cf", str(archive), ".").returncode == 0
    done = run("docker", "import", "-c", 'VOLUME ["/mosquitto/data"]', str(archive), IMAGE)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def image(tmp_path: Path) -> Iterator[None]:
    if shutil.which("docker-compose") is None:
        missing("docker-compose")
    if shutil.which("docker") is None or run("docker", "info").returncode != 0:
        missing("a running Docker engine")
    if run("docker", "image", "inspect", IMAGE).returncode == 0:
        yield
        return
    if os.geteuid() != 0:
        missing(f"the image {IMAGE}")
    (tmp_path / "image").mkdir()
    make_image(tmp_path / "image")
    yield
    run("docker", "image", "rm", IMAGE)


def test_the_broker_becomes_healthy_and_lets_a_charger_in(image: None, tmp_path: Path) -> None:
    folder, port = tmp_path / "garage", free_port()
    list(make(wanted("garage", ["localhost"], Kind.COMPOSE, SITE_AGENTS, ["c1"]), folder, datetime.now(UTC)))
    text = (ROOT / "deploy/compose.yaml").read_text()
    assert text.count('"8883:8883"') == 1
    file = tmp_path / "compose.yaml"
    # Nothing but the port on this machine is changed; the health check needs not wait its half minute.
    file.write_text(text.replace('"8883:8883"', f'"{port}:8883"').replace("interval: 30s", "interval: 2s"))
    compose = (
        "docker-compose", "--project-directory", str(ROOT / "deploy"), "--env-file", str(folder / "compose.env"),
        "-p", f"chargebustest{port}", "-f", str(file),
    )  # fmt: skip
    try:
        up = run(*compose, "up", "-d", "broker")
        assert up.returncode == 0, up.stderr
        container = run(*compose, "ps", "-q", "broker").stdout.strip()

        def healthy() -> bool:
            state = run("docker", "inspect", "-f", "{{.State.Status}} {{.State.Health.Status}}", container).stdout
            assert state.startswith("running"), run("docker", "logs", container).stderr
            return "healthy" in state.split()

        eventually_sync(healthy, 60, "the health check passes: TLS, certificate and access list work")
        pki = folder / "pki"
        login = (
            "mosquitto_sub",
            "--cafile",
            str(pki / "ca.pem"),
            "-h",
            "localhost",
            "-p",
            str(port),
            "-t",
            "x",
            "-W",
            "2",
        )
        # 27 is mosquitto_sub's own: connected and subscribed, and nothing came in time.
        assert run(*login, "--cert", str(pki / "c1.pem"), "--key", str(pki / "c1.key")).returncode == 27
        assert run(*login).returncode not in (0, 27), "without a certificate nobody gets in"
    finally:
        run(*compose, "down", "-v", "-t", "3")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
