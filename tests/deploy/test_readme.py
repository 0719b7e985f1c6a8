"""What the README tells people to type works, and what it says of exit codes is true."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from agents.cli.exits import MEANINGS
from agents.cli.main import COMMANDS
from tests.deploy.site import ROOT, Site, environment
from tests.waiting import eventually_sync

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
ELSEWHERE = {
    "sh deploy/up.sh": "test_up_sh.py runs it in a clean clone",
    "sh tests/run.sh": "runs this test",
}
LINES = [line for block in BLOCKS for line in block.splitlines() if line not in ELSEWHERE]


def test_it_starts_with_the_two_commands() -> None:
    assert [block.strip() for block in BLOCKS if block.strip() in ELSEWHERE] == list(ELSEWHERE)
    assert BLOCKS[0].strip() == "sh deploy/up.sh"


def test_exit_codes_are_those_of_the_table() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| (.+) \|$", README, re.MULTILINE))
    assert rows == {str(code.value): meaning for code, meaning in MEANINGS.items()}


def test_linked_files_exist() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
    for module in re.findall(r"`python -m (tests\.bench\.\w+)`", README):
        assert (ROOT / (module.replace(".", "/") + ".py")).exists(), module


def test_every_command_that_the_issue_names_is_shown() -> None:
    shown = {line.split()[1] for line in LINES if line.startswith("chargebus ")}
    assert shown <= set(COMMANDS)
    named = {"status", "watch", "start", "stop", "limit", "unlock", "reset", "availability", "sessions", "configure"}
    assert shown >= named | {"schema", "agent", "doctor"}


@pytest.mark.slow
@pytest.mark.broker
def test_every_line_works_on_a_running_site(running: Site, tmp_path: Path) -> None:
    # The README's lines are typed in the repository, one after the other.
    venv = Path(sys.prefix)
    (running.folder / ".venv").symlink_to(venv)
    for line in LINES:
        type_in(line, running.folder)


def type_in(line: str, folder: Path) -> None:
    """Type a line as a reader does: slower than this machine, and again if the answer says so."""

    def typed() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", line],
            cwd=folder,
            env=environment(PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
            timeout=120,
        )

    done = [typed()]

    def answered() -> bool:
        if "try again in a few seconds" in done[-1].stderr:
            done.append(typed())
        return "try again in a few seconds" not in done[-1].stderr

    eventually_sync(answered, 30, lambda: f"{line}\n{done[-1].stderr}")
    assert done[-1].returncode == 0, f"{line}\n{done[-1].stdout}\n{done[-1].stderr}"
