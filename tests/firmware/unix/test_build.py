"""When the unix port is built again: when something that it is made from has changed, and only then."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.firmware.unix.program import ROOT
from tests.missing import missing

PROGRAMS = {"64": "micropython", "32": "micropython32"}


class Tree:
    """A copy of what it is made from, with something in the program's place."""

    def __init__(self, folder: Path, bits: str) -> None:
        self.firmware = folder / "firmware"
        self.bits = bits
        for name in ("cp_pwm", "app", "boards"):
            unwanted = shutil.ignore_patterns("build", "__pycache__", "*.md", "*.svg")
            shutil.copytree(ROOT / "firmware" / name, self.firmware / name, ignore=unwanted)
        for name in ("build_micropython_unix.sh", "micropython_build.sh", "manifest.py", "__init__.py"):
            shutil.copy(ROOT / "firmware" / name, self.firmware / name)
        (self.firmware / "build").mkdir()
        program = self.firmware / "build" / PROGRAMS[bits]
        program.write_text("")
        program.chmod(0o755)
        self.take_stamp()

    def _run(self, argument: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", str(self.firmware / "build_micropython_unix.sh"), "--bits", self.bits, argument]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def stamp(self) -> str:
        return self._run("--stamp").stdout

    def take_stamp(self) -> None:
        (self.firmware / "build" / f"{PROGRAMS[self.bits]}.stamp").write_text(self.stamp())

    def is_fresh(self) -> bool:
        return self._run("--check").returncode == 0


@pytest.fixture(params=PROGRAMS)
def tree(tmp_path: Path, request: pytest.FixtureRequest) -> Tree:
    return Tree(tmp_path, request.param)


@pytest.mark.micropython
def test_the_binding_compiles_without_the_host_port_too(unix_port: str) -> None:
    """As for ESP32, with the unix port's configuration in the place of ESP32's."""
    port = ROOT / "firmware/build/micropython-unix/source/ports/unix"
    if not port.exists():
        missing("MicroPython's source (firmware/build_micropython_unix.sh fetches it)")
    cp_pwm = ROOT / "firmware/cp_pwm"
    folders = [port, port.parents[1], port / "build-chargebus", port / "variants/standard"]
    folders += [cp_pwm / folder for folder in ("core", "exchange", "ports")]
    flags = ["-std=gnu17", "-fsyntax-only", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-DUNIX"]
    source = cp_pwm / "binding/cp_module.c"
    command = ["cc", *flags, *(f"-I{folder}" for folder in folders), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr


def test_it_is_built_again_when_what_it_is_made_from_changes_and_only_then(tree: Tree) -> None:
    assert tree.is_fresh()
    (tree.firmware / "cp_pwm/specification/levels.py").write_text("")
    assert tree.is_fresh(), "the specification is not compiled in"
    stamps = {tree.stamp()}
    changed = (
        "cp_pwm/core/cp_core.c",
        "cp_pwm/core/cp_types.h",
        "cp_pwm/micropython.mk",
        "micropython_build.sh",
        "app/one_more.py",
        "manifest.py",
    )
    for name in changed:
        with (tree.firmware / name).open("a") as file:
            file.write("\n")
        stamps.add(tree.stamp())
    assert len(stamps) == 1 + len(changed)
    assert not tree.is_fresh()


def test_there_are_programs_of_64_and_32_bits_only() -> None:
    command = ["sh", str(ROOT / "firmware/build_micropython_unix.sh"), "--bits", "16"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "build_micropython_unix.sh: --bits is 64 or 32, not '16'\n")
