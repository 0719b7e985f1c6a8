"""Core, exchange and the ESP32 port through the compilers of two 32-bit chips: no warning, little flash, little stack.

There is no compiler for ESP32's own LX6 in Debian; LX106 is its nearest relative, Cortex-M3 the next other chip.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.firmware.cp_pwm.test_esp32_port import BOARDS, CP_PWM, PORT, STUBS
from tests.missing import missing

COMPILERS = {
    "arm-none-eabi": ["-mcpu=cortex-m3", "-mthumb"],
    # It comes without a C library.
    "xtensa-lx106-elf": ["-mlongcalls", "-ffreestanding", "-isystem", str(Path(__file__).with_name("freestanding"))],
}
"""How a compiler is asked for a chip's code."""
PACKAGES = {"arm-none-eabi": "gcc-arm-none-eabi, libnewlib-arm-none-eabi", "xtensa-lx106-elf": "gcc-xtensa-lx106"}

MOST_STACK = 512
"""What one function may take. ESP-IDF gives interrupts 1536 by default (CONFIG_FREERTOS_ISR_STACKSIZE). Bytes."""
MOST_FLASH = 8 * 1024
"""Core and exchange lie in IRAM on ESP32, of which there is little. Bytes."""

WARNINGS = [
    *("-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wconversion", "-Wundef", "-Wvla", "-Wformat=2", "-Wlogical-op"),
    *("-Wdouble-promotion", "-Wfloat-conversion", "-Wfloat-equal", "-Wcast-align", "-Wwrite-strings"),
    *("-Wstrict-prototypes", "-Wmissing-prototypes", "-Wpointer-arith", "-Wnull-dereference"),
    *("-Wduplicated-cond", "-Wduplicated-branches", f"-Wstack-usage={MOST_STACK}"),
]


def compiled(chip: str, sources: list[Path], board: str, folder: Path) -> list[Path]:
    """Compile as for the chip and return the object files."""
    if shutil.which(f"{chip}-gcc") is None:
        missing(f"{chip}-gcc ({PACKAGES[chip]})")
    includes = [CP_PWM / "core", CP_PWM / "exchange", CP_PWM / "ports", PORT]
    options = [*COMPILERS[chip], "-std=gnu17", "-Os", *WARNINGS, f"-D{board}", *(f"-I{path}" for path in includes)]
    command = [f"{chip}-gcc", *options, "-isystem", str(STUBS), "-c", *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return [folder / f"{source.stem}.o" for source in sources]


def inner() -> list[Path]:
    """The sources that every port shares."""
    return [*sorted(CP_PWM.glob("core/*.c")), *sorted(CP_PWM.glob("exchange/*.c"))]


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("chip", COMPILERS)
def test_everything_that_runs_on_esp32_compiles_without_a_warning(chip: str, board: str, tmp_path: Path) -> None:
    sources = [*inner(), *sorted(CP_PWM.glob("ports/*.c")), *sorted(PORT.glob("*.c"))]
    assert len(compiled(chip, sources, board, tmp_path)) > 25


@pytest.mark.parametrize("chip", COMPILERS)
def test_core_and_exchange_are_small(chip: str, tmp_path: Path) -> None:
    objects = compiled(chip, inner(), next(iter(BOARDS)), tmp_path)
    command = [f"{chip}-size", "--totals", *map(str, objects)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, data, bss = (int(number) for number in done.stdout.splitlines()[-1].split()[:3])
    print(f"\n{chip}: {code} bytes of code and constants")
    assert code < MOST_FLASH
    assert data == bss == 0, "nothing static: it all belongs to the port"
