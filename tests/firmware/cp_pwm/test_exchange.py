"""Exchange and event ring between two threads, under the thread sanitizer."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.missing import missing

CP_PWM = Path(__file__).parents[3] / "firmware/cp_pwm"
SOURCE = Path(__file__).with_name("exchange") / "two_cores.c"


@pytest.mark.parametrize("sanitizer", ["-fsanitize=thread", "-O2"])
def test_no_report_and_no_event_is_of_two_moments(sanitizer: str, tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        missing("a C compiler (cc)")
    program = tmp_path / "two_cores"
    sources = [SOURCE, CP_PWM / "exchange/cp_exchange.c", CP_PWM / "exchange/cp_events.c"]
    # -Wno-tsan: fences are not modelled; the words that they order are atomic, so nothing is missed.
    command = [compiler, "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-Wno-tsan", "-g", sanitizer, "-pthread"]
    command += [f"-I{CP_PWM}/core", f"-I{CP_PWM}/exchange", *map(str, sources), "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    done = subprocess.run([program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
