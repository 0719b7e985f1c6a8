"""How a command reaches the running broker: a process, a container or a service, found from the site's folder."""

import os
from pathlib import Path

import pytest

from agents.cli.pki.broker_reload import PID_FILE, ReloadError, reload_broker


def program(folder: Path, name: str, script: str) -> None:
    """Put a program into ``folder`` that notes how it was called."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {folder}/called\n{script}\n')
    (folder / name).chmod(0o755)


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which the programs that stand in for docker and systemctl note their calls."""
    programs = tmp_path / "bin"
    program(programs, "systemctl", "")
    program(programs, "docker", '[ "$1" = kill ] || echo 4711abcd')
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.delenv("COMPOSE_PROJECT_NAME", raising=False)
    return programs / "called"


def test_a_service_is_reloaded(tmp_path: Path, called: Path) -> None:
    assert reload_broker(tmp_path) == "the service mosquitto"
    assert called.read_text() == "systemctl reload mosquitto\n"


def test_a_container_gets_the_signal(tmp_path: Path, called: Path) -> None:
    (tmp_path / "compose.env").write_text("COMPOSE_PROJECT_NAME=chargebus-garage\nCHARGEBUS_FOLDER=/srv\n")
    assert reload_broker(tmp_path) == "container 4711abcd"
    assert called.read_text().splitlines() == [
        "docker ps -q --filter label=com.docker.compose.project=chargebus-garage "
        "--filter label=com.docker.compose.service=broker",
        "docker kill -s HUP 4711abcd",
    ]


def test_a_process_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """A number that the system has given to another since: SIGHUP would end this test."""
    (tmp_path / PID_FILE).write_text(f"{os.getpid()}\n")
    with pytest.raises(ReloadError, match="and no mosquitto"):
        reload_broker(tmp_path)


@pytest.mark.parametrize("text", ["", "x", "999999999"])
def test_a_process_that_is_gone_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / PID_FILE).write_text(text)
    with pytest.raises(ReloadError, match="does not run"):
        reload_broker(tmp_path)


@pytest.mark.parametrize(
    ("name", "script", "words"),
    [
        ("docker", "true", "no broker of chargebus-garage runs"),
        ("docker", "echo permission denied >&2; exit 1", "failed .permission denied.: run it where the broker is"),
        ("systemctl", "echo not loaded >&2; exit 5", "failed .not loaded.: run it where the broker is"),
    ],
)
def test_what_fails_is_told_with_the_command_to_type(
    name: str, script: str, words: str, tmp_path: Path, called: Path
) -> None:
    program(called.parent, name, script)
    if name == "docker":
        (tmp_path / "compose.env").write_text("COMPOSE_PROJECT_NAME=chargebus-garage\n")
    with pytest.raises(ReloadError, match=words):
        reload_broker(tmp_path)


def test_a_machine_without_either_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ReloadError, match="systemctl is not installed here"):
        reload_broker(tmp_path)
