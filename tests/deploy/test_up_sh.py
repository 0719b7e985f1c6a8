"""`sh deploy/up.sh`: on a machine with only Python, in a clean copy of the repository."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.site import ROOT, Site
from tests.missing import missing

pytestmark = [pytest.mark.slow, pytest.mark.broker]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as a fresh clone would have it, with what has not been committed yet."""
    folder = tmp_path_factory.mktemp("clone")
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.split(b"\0")
    for name in filter(None, names):
        source, target = ROOT / os.fsdecode(name), folder / os.fsdecode(name)
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return folder


def only(folder: Path, *programs: str) -> str:
    """Make a folder for PATH that holds these programs and nothing else."""
    folder.mkdir()
    for program in programs:
        found = shutil.which(program)
        assert found is not None, program
        (folder / program).symlink_to(found)
    return str(folder)


def test_without_python_it_says_what_to_do(clone: Path, tmp_path: Path) -> None:
    path = only(tmp_path / "bin", "sh", "dirname", "cksum", "cat", "rm")
    (tmp_path / "bin" / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin" / "python3").chmod(0o755)
    done = subprocess.run(
        ["sh", "deploy/up.sh"], cwd=clone, env={"PATH": path}, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 5
    assert "chargebus needs Python 3.11 or newer" in done.stderr
    assert not (clone / ".venv").exists()


@pytest.mark.timeout(900)
def test_a_clean_clone_comes_up_with_python_alone(clone: Path, tmp_path: Path) -> None:
    path = only(tmp_path / "bin", "sh", "dirname", "cksum", "cat", "rm")
    (tmp_path / "bin" / "python3").symlink_to(sys.base_prefix + "/bin/python3")
    program = ("sh", str(clone / "deploy/up.sh"), "--broker-kind", "embedded")
    with Site(tmp_path, program=program, PATH=path) as site:
        try:
            site.wait_ready(480)
        except AssertionError:
            if "No matching distribution found" in site.out or "NewConnectionError" in site.out:
                missing("a package index")
            raise
        assert "6 chargers online, 6 charging" in site.out
        status = subprocess.run(
            [".venv/bin/chargebus", "status"], cwd=clone, env={"PATH": path}, capture_output=True, text=True, timeout=60
        )
        assert status.stdout.count("Charging") >= 6
        assert site.signal(signal.SIGINT) == 0
        assert site.pids() == {}
    # The second time there is nothing to install.
    with Site(tmp_path, "--once-ready", program=program, PATH=path) as site:
        site.wait_ready()
        assert "installing" not in site.out
        assert site.process.wait(30) == 0
