"""The C core equals the specification: every output at every tick, and no undefined behaviour on the way."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings

from firmware.cp_pwm.specification import Board
from firmware.cp_pwm.specification.duty import clamp_ma, duty_permille
from firmware.cp_pwm.specification.levels import STATES, classify
from tests.firmware.cp_pwm.native import Native, make, random_board
from tests.firmware.cp_pwm.traces import BOARDS, CLOSING, DIRECTED, DIRECTED_BOARDS, TESTED, TRACES, Step, random_trace

TICKS = int(os.environ.get("CHARGEBUS_NATIVE_TICKS", "100000"))

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None or shutil.which("make") is None, reason="needs a C compiler (cc) and make"
)


@given(BOARDS, TRACES)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equal_on_drawn_traces(native: Native, board: Board, trace: list[Step]) -> None:
    native.compare(board, trace)


def test_equal_on_long_random_traces(native: Native) -> None:
    ticks = seed = 0
    while ticks < TICKS:
        random = Random(f"test {seed}")
        ticks += native.compare(random_board(random), random_trace(random, 30))
        seed += 1


def test_equal_on_many_traces_by_events(native: Native) -> None:
    for seed in range(TICKS // 1_000):
        random = Random(f"events {seed}")
        native.compare_events(random_board(random), random_trace(random, 40))


@pytest.mark.parametrize("name", DIRECTED)
def test_equal_on_directed_traces(native: Native, name: str) -> None:
    for board in DIRECTED_BOARDS:
        if sum(step.wait_ms for step in DIRECTED[name]) < 20_000:
            native.compare(board, list(DIRECTED[name]))
        native.compare_events(board, list(DIRECTED[name]))


def test_equal_for_a_day(native: Native) -> None:
    """The residual-current device is tested once a day, to the millisecond."""
    ticks = native.compare_events(Board(), [*TESTED, Step((("high_mv", 12_000),), 25 * 3_600_000)])
    assert ticks < 100


def test_every_current_and_every_voltage(native: Native) -> None:
    library = native.library
    library.cp_duty_permille.restype = ctypes.c_int16
    for current_ma in range(-10, 90_000):
        assert library.cp_duty_clamp_ma(current_ma) == clamp_ma(current_ma), current_ma
    for current_ma in range(6_000, 80_001):
        assert library.cp_duty_permille(current_ma) == duty_permille(current_ma), current_ma
    for before, word in enumerate(STATES):
        for high_mv in range(-14_000, 14_000):
            assert STATES[library.cp_classify(high_mv, before)] == classify(high_mv, word), (high_mv, word)


@pytest.mark.parametrize("extreme", [-(2**31), 2**31 - 1, 0, -1])
def test_equal_on_extreme_inputs(native: Native, extreme: int) -> None:
    for name in ("high_mv", "low_mv", "proximity_ohm", "offer_ma"):
        native.compare(Board(), [*CLOSING, Step(((name, extreme),), 300), Step((("good", True),), 6_000)])


def test_equal_late_in_life(native: Native) -> None:
    """After ten years of uptime."""
    random = Random(3)
    native.compare(Board(), random_trace(random, 20), start_ms=10 * 365 * 86_400_000)


def test_clean_under_sanitizers(tmp_path: Path) -> None:
    library = make(tmp_path, "SANITIZE=1")
    runtime = subprocess.run(
        ["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(runtime).is_absolute():
        pytest.skip("needs libasan (gcc's address sanitizer)")
    environment = os.environ | {"LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0"}
    command = [
        sys.executable,
        "-m",
        "tests.firmware.cp_pwm.native",
        str(library),
        "--events",
        "--ticks",
        str(TICKS // 2),
    ]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3]
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ticks equal" in done.stdout


def test_nothing_in_the_core_allocates_or_keeps_state(tmp_path: Path) -> None:
    """Design: the core has no globals, no input or output, and allocates nothing."""
    make(tmp_path)
    for object_file in sorted(tmp_path.glob("cp_*.o")):
        if object_file.name == "cp_library.o":
            continue
        listed = subprocess.run(["nm", str(object_file)], capture_output=True, text=True, check=True).stdout
        for line in listed.splitlines():
            kind, name = line.split()[-2:]
            assert kind not in "BbDdCGgSs", f"{object_file.name} keeps state in {name}"
            assert kind != "U" or name.startswith(("cp_", "_GLOBAL_OFFSET_TABLE_")), f"{object_file.name} calls {name}"
