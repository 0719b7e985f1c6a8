"""The ESP32 port without an ESP32: it compiles against ESP-IDF's declarations, and runs on a chip made of nothing."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from firmware.boards.profiles import PROFILES
from tests.missing import missing

ROOT = Path(__file__).parents[3]
CP_PWM = ROOT / "firmware/cp_pwm"
PORT = CP_PWM / "ports/esp32"
STUBS = Path(__file__).with_name("esp_idf_stubs")
BOARDS = {"CP_BOARD_OLIMEX_ESP32_POE": "olimex_esp32_poe", "CP_BOARD_WT32_ETH01": "wt32_eth01"}
WARNINGS = ["-std=gnu17", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wconversion"]
SCENARIOS = 14


def compiler() -> str:
    found = shutil.which("cc")
    if found is None:
        missing("a C compiler (cc)")
    return found


def includes() -> list[str]:
    ours = [CP_PWM / "core", CP_PWM / "exchange", CP_PWM / "ports", PORT, CP_PWM / "ports/host"]
    return [*(f"-I{folder}" for folder in ours), "-isystem", str(STUBS)]


@pytest.mark.parametrize("board", BOARDS)
def test_it_lives_on_a_chip_made_of_nothing(board: str, tmp_path: Path) -> None:
    sources = [*CP_PWM.glob("core/*.c"), *CP_PWM.glob("exchange/*.c"), *CP_PWM.glob("ports/*.c"), *PORT.glob("*.c")]
    sources += [CP_PWM / "ports/host/cp_circuit.c", *STUBS.glob("*.c")]
    program = tmp_path / "esp32_life"
    # One with sanitizers is enough; the boards differ in their pins alone.
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"] if board == next(iter(BOARDS)) else []
    command = [
        compiler(),
        *WARNINGS,
        "-g",
        "-O1",
        *sanitizers,
        f"-D{board}",
        *includes(),
        *map(str, sources),
        "-o",
        str(program),
    ]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    done = subprocess.run([program], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3000:]
    assert len(done.stdout.split()) == SCENARIOS


def pins(board: str) -> dict[str, int]:
    """The pins that the C port has for a board, as the preprocessor sees them."""
    source = '#include "cp_pins.h"\n' + "".join(
        f"{role}: CP_PIN_{role.upper()}\n"
        for role in (
            "contactor",
            "pilot_pwm",
            "pilot_sense",
            "proximity_sense",
            "residual_trip",
            "residual_test",
            "mirror",
        )
    )
    command = [compiler(), "-E", "-P", f"-D{board}", f"-I{PORT}", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=True)
    return {role: int(pin) for role, pin in re.findall(r"(\w+): (\d+)", done.stdout)}


@pytest.mark.parametrize("board", BOARDS)
def test_c_and_python_agree_about_the_pins(board: str) -> None:
    native = pins(board)
    profile = PROFILES[BOARDS[board]].pins
    assert native == {role: profile[role] for role in native}
    assert len(native) == 7


def test_a_board_must_be_named() -> None:
    command = [compiler(), "-E", f"-I{PORT}", "-"]
    done = subprocess.run(command, input='#include "cp_pins.h"\n', capture_output=True, text=True, check=False)
    assert "define CP_BOARD_" in done.stderr


def test_what_the_interrupt_runs_lies_in_iram() -> None:
    """Every file of core and exchange, and every function of the port that the interrupt calls."""
    fragment = (PORT / "cp_pwm.lf").read_text()
    listed = set(re.findall(r"^    (cp_\w+) \(noflash\)", fragment, re.MULTILINE))
    files = {path.stem for folder in ("core", "exchange") for path in (CP_PWM / folder).glob("*.c")}
    # Frames are taken in by a task.
    assert listed == files - {"cp_can"} | {"cp_scale"}
    called = (
        "cp_contactor_set",
        "cp_pilot_pwm_set",
        "cp_sampling_follow_duty",
        "turn",
        "on_early",
        "on_late",
        "on_brake",
    )
    wires = re.findall(r"\b(cp_wires_\w+|is_high|set)\(", (PORT / "cp_wires.h").read_text())
    everything = "".join(path.read_text() for path in PORT.glob("*.c"))
    for name in {*called, *wires} - {"cp_wires_init", "cp_wires_pull_up"}:
        assert re.search(rf"IRAM_ATTR {name}\(", everything), f"{name} may lie in flash"
