"""The coverage-guided fuzzer finds nothing, and would find what is wrong.

``make -C firmware/cp_pwm/fuzz BUILD=/tmp/fuzz && /tmp/fuzz/cp_fuzz -max_total_time=600 CORPUS_FOLDER`` for longer.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.firmware.cp_pwm.native import MAKE_FOLDER
from tests.missing import missing

FUZZ = MAKE_FOLDER.parent / "fuzz"
SECONDS = int(os.environ.get("CHARGEBUS_FUZZ_S", "30"))
CHARGES = bytes((0, 0, 8, 15, 12, 0, 0, 20, 0, 0, 20, 0, 0, 20))
"""A car that charges: a beginning for the fuzzer to vary."""
TRIPS = bytes((*CHARGES, 8, 13, 0, 10, 1, 11))
"""The same, and residual current then."""

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


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(program), f"-artifact_prefix={program.parent}/", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_nothing_is_found(tmp_path: Path) -> None:
    program, corpus = build(tmp_path), tmp_path / "corpus"
    corpus.mkdir()
    for name, seed in (("charges", CHARGES), ("trips", TRIPS)):
        (corpus / name).write_bytes(seed)
    options = (f"-max_total_time={SECONDS}", "-max_len=90", "-len_control=0", "-seed=1", "-verbosity=0")
    done = run(program, *options, str(corpus))
    assert done.returncode == 0, done.stderr[-4_000:]


def test_the_oracle_sees_a_contactor_that_stays_closed(tmp_path: Path) -> None:
    """A core that is slow at residual current, and one life in which that matters."""
    core, life = tmp_path / "core", tmp_path / "life"
    life.write_bytes(TRIPS)
    shutil.copytree(MAKE_FOLDER.parent / "core", core)
    source = core / "cp_residual.c"
    text = source.read_text()
    assert text.count("if (closed || certain) {") == 1
    source.write_text(text.replace("if (closed || certain) {", "if (certain) {"))
    done = run(build(tmp_path / "build", f"CORE={core}"), str(life))
    assert done.returncode != 0 and "not so: !inputs->residual_trip" in done.stderr, done.stderr[-2_000:]
