"""The coverage-guided fuzzer finds nothing, and would find what is wrong.

``make -C firmware/cp_pwm/fuzz BUILD=/tmp/fuzz && /tmp/fuzz/cp_fuzz -max_total_time=600 CORPUS_FOLDER`` for longer.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.firmware.cp_pwm.native import MAKE_FOLDER
from tests.missing import missing

FUZZ = MAKE_FOLDER.parent / "fuzz"
SECONDS = int(os.environ.get("CHARGEBUS_FUZZ_S", "30"))
FOUND_WITHIN_S = 240
"""A safety clause that is missing is found in a few seconds, unless something else has the processor."""
CHARGES = bytes((0, 0, 8, 15, 12, 0, 0, 20, 0, 0, 20, 0, 0, 20))
"""A car that charges: a beginning for the fuzzer to vary."""
COMPARED = 60
"""Lives of the corpus, at most, that are also lived millisecond by millisecond."""
MUTATIONS = [
    (
        "cp_mirror.c",
        "mirror->welded = true;",
        "mirror->welded = false;",
        "(outputs->faults & (CP_FAULT_CONTACTOR_WELDED",
    ),
    ("cp_proximity.c", "return !contactor;", "return contactor || true;", "!before->contactor || !outputs->contactor"),
    ("cp_heartbeat.c", "if (coil && !heartbeat->alive)", "if (coil && false)", "now_ms - inputs->heartbeat_ms < 2000"),
]
"""File of the core, a clause in it, what stands there without it, and what the oracle must say then."""

pytestmark = pytest.mark.slow


def build(folder: Path, *variables: str) -> Path:
    if shutil.which("clang") is None or shutil.which("make") is None:
        missing("needs clang with libFuzzer (libclang-rt-dev) and make")
    command = ["make", "-s", "-C", str(FUZZ), f"BUILD={folder}", *variables]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "libclang_rt.fuzzer" in done.stderr:
        missing("needs clang with libFuzzer (libclang-rt-dev)")
    assert done.returncode == 0, done.stderr
    return folder / "cp_fuzz"


def run(program: Path, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [str(program), f"-artifact_prefix={program.parent}/", *arguments]
    return subprocess.run(command, env=os.environ | (environment or {}), capture_output=True, text=True, check=False)


def search(program: Path, corpus: Path, seconds: int) -> subprocess.CompletedProcess[str]:
    """Vary what is in the corpus; of one that is empty, a car that charges."""
    corpus.mkdir()
    (corpus / "charges").write_bytes(CHARGES)
    options = (f"-max_total_time={seconds}", "-max_len=90", "-len_control=0", "-seed=1", "-print_final_stats=1")
    return run(program, *options, str(corpus))


def lives(done: subprocess.CompletedProcess[str]) -> int:
    """Return how many lives were lived."""
    return int(re.findall(r"^#(\d+)", done.stderr, re.MULTILINE)[-1])


def test_nothing_is_found_and_passing_quiet_time_changes_nothing(tmp_path: Path) -> None:
    program, corpus = build(tmp_path), tmp_path / "corpus"
    done = search(program, corpus, SECONDS)
    assert done.returncode == 0, done.stderr[-4_000:]
    print(f"\n{lives(done)} lives in {SECONDS} s")
    assert lives(done) > 50 * SECONDS, "a fuzzer that hardly runs finds nothing"
    found = sorted(corpus.iterdir())
    chosen = [str(path) for path in found[:: len(found) // COMPARED + 1]]
    compared = run(program, *chosen, environment={"CP_FUZZ_COMPARE": "1"})
    assert compared.returncode == 0, compared.stderr[-4_000:]
    assert len(chosen) > COMPARED / 3


@pytest.mark.parametrize(("file", "clause", "without", "wrong"), MUTATIONS)
def test_a_safety_clause_that_is_dropped_is_found(
    file: str, clause: str, without: str, wrong: str, tmp_path: Path
) -> None:
    core = tmp_path / "core"
    shutil.copytree(MAKE_FOLDER.parent / "core", core)
    source = core / file
    text = source.read_text()
    assert text.count(clause) == 1
    source.write_text(text.replace(clause, without))
    done = search(build(tmp_path / "build", f"CORE={core}"), tmp_path / "corpus", FOUND_WITHIN_S)
    assert done.returncode != 0 and f"not so: {wrong}" in done.stderr, done.stderr[-2_000:]
    print(f"\nfound after {lives(done)} lives")
