"""Holds mutants of the core against what the specification says, and what is left against the rules."""

import os
import shutil
import subprocess
import sys
from enum import Enum
from pathlib import Path

from tests.firmware.cp_pwm.mutation.mutator import Mutant, mutants
from tests.firmware.cp_pwm.mutation.recording import record
from tests.firmware.cp_pwm.native import MAKE_FOLDER

ROOT = Path(__file__).parents[4]
CORE = MAKE_FOLDER.parent / "core"
REPLAY = Path(__file__).with_name("replay.c")
RULES = ["tests/firmware/cp_pwm/test_rules.py", "tests/firmware/cp_pwm/test_rules_wired.py"]
WITHIN_S = 20
"""For what takes 0.1 s: a mutant that takes longer does not come back."""
HEADERS_WITH_NUMBERS = ("cp_debounce.h", "cp_proximity.h", "cp_types.h")


class Fate(Enum):
    """What has become of a mutant."""

    NO_PROGRAM = "does not compile"
    THE_SAME = "compiles to the same code"
    KILLED = "killed by a trace that the specification answers otherwise"
    KILLED_BY_RULES = "killed by a test of the rules"
    SURVIVED = "survived"


def all_mutants() -> list[Mutant]:
    """Return every mutant of the core."""
    sources = [*sorted(CORE.glob("*.c")), *(CORE / name for name in HEADERS_WITH_NUMBERS)]
    return [mutant for path in sources for mutant in mutants(path.name, path.read_text())]


class Trial:
    """Everything that does not depend on the mutant, made once."""

    def __init__(self, folder: Path) -> None:
        """Record, and compile the core as it is. Raises AssertionError if not even that is as specified."""
        self._folder = folder
        self.ticks = record(folder / "recording")
        self._whole = folder / "whole"
        self._whole.mkdir()
        self._objects = {path: self._compiled(path, self._whole, CORE) for path in sorted(CORE.glob("*.c"))}
        self._replay = self._compiled(REPLAY, self._whole, CORE)
        assert all(self._objects.values()) and self._replay, "the core does not compile"
        assert self._lives([path for path in self._objects.values() if path]), "the core is not as specified"

    def fate(self, mutant: Mutant) -> Fate:
        """Try a mutant."""
        core = self._folder / "core"
        shutil.rmtree(core, ignore_errors=True)
        shutil.copytree(CORE, core)
        (core / mutant.file).write_text(mutant.applied((CORE / mutant.file).read_text()))
        concerned = [path for path in self._objects if mutant.file in (path.name, *_headers(path))]
        objects = {path: self._compiled(core / path.name, core, core) for path in concerned}
        if not all(objects.values()):
            return Fate.NO_PROGRAM
        if not self._lives([path for path in (self._objects | objects).values() if path]):
            return Fate.KILLED
        if all(self._code(core / path.name, core) == self._code(path, CORE) for path in concerned):
            return Fate.THE_SAME
        return Fate.SURVIVED if self._rules_hold(core) else Fate.KILLED_BY_RULES

    def _compiled(self, source: Path, folder: Path, core: Path) -> Path | None:
        target = folder / f"{source.stem}.o"
        command = ["cc", "-std=gnu11", "-O1", "-w", f"-I{core}", "-c", str(source), "-o", str(target)]
        return target if subprocess.run(command, capture_output=True, check=False).returncode == 0 else None

    def _code(self, source: Path, core: Path) -> bytes:
        """Return the code that a source optimises to."""
        target = self._folder / "code.o"
        command = ["cc", "-std=gnu11", "-O2", "-w", f"-I{core}", "-c", source.name, "-o", str(target)]
        subprocess.run(command, check=True, cwd=core)
        return target.read_bytes()

    def _lives(self, objects: list[Path]) -> bool:
        """Whether a core says what the specification says."""
        program = self._folder / "replay"
        subprocess.run(["cc", str(self._replay), *map(str, objects), "-o", str(program)], check=True)
        try:
            done = subprocess.run([program, self._folder / "recording"], check=False, timeout=WITHIN_S)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def _rules_hold(self, core: Path) -> bool:
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", *RULES]
        environment = os.environ | {"CORE": str(core), "CFLAGS": "-w"}
        return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=False).returncode == 0


def _headers(source: Path) -> set[str]:
    """Return the names of all headers that a source includes, directly or not."""
    command = ["cc", "-MM", f"-I{CORE}", str(source)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {Path(name).name for name in listed.replace("\\\n", " ").split() if name.endswith(".h")}
