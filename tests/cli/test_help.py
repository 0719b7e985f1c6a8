"""The help: complete, true, and fast because commands are imported when they are called."""

import inspect
import subprocess
import sys

import pytest

from agents.cli.exits import MEANINGS, ExitCode
from agents.cli.lazy import load
from agents.cli.main import COMMANDS
from tests.cli.conftest import Run

ASKED_FOR = {
    *("up", "status", "watch", "start", "stop", "limit", "unlock", "reset", "availability", "sessions", "configure"),
    *("schema", "agent", "doctor", "pause", "resume", "identify", "reserve"),
}


def test_every_command_of_the_issue_is_there() -> None:
    assert set(COMMANDS) >= ASKED_FOR


@pytest.mark.parametrize("name", COMMANDS)
def test_overview_says_what_the_command_says(name: str) -> None:
    command = load(name, COMMANDS[name])
    first = inspect.cleandoc(command.help).splitlines()[0]
    assert first.startswith(COMMANDS[name].help.rstrip(".")) or COMMANDS[name].help.startswith(first.rstrip("."))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command(name: str, bare: Run) -> None:
    outcome = bare(name, "--help")
    assert outcome.code == 0
    assert f"chargebus {name}" in outcome.out


def test_help_shows_commands_and_exit_codes(bare: Run) -> None:
    outcome = bare("--help")
    assert outcome.code == 0
    text = " ".join(outcome.out.split())
    for name in COMMANDS:
        assert name in text
    for code, meaning in MEANINGS.items():
        assert f"{code.value} {meaning}" in text
    assert set(MEANINGS) == set(ExitCode)


def test_help_imports_nothing_heavy() -> None:
    program = "import sys\nimport agents.cli.main\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "aiomqtt", "sqlalchemy", "bus_schema", "nicegui"} & set(loaded)


def test_misspelt_command_gets_a_suggestion(bare: Run) -> None:
    outcome = bare("statsu")
    assert outcome.code == 2
    assert "status" in outcome.err


def test_version(bare: Run) -> None:
    assert bare("--version").out.startswith("chargebus 0.")
