"""Ports, exchange and binding as source: no function is long, cppcheck has nothing to say."""

from tests.firmware.cp_pwm.test_core_quality import CORE, LONGEST_FUNCTION, ROOT, functions, need, run

CP_PWM = CORE.parent
FOLDERS = [CP_PWM / folder for folder in ("exchange", "ports", "binding")]


def test_no_function_is_long() -> None:
    found = {
        f"{path.name}: {name}": lines
        for folder in FOLDERS
        for path in sorted(folder.rglob("*.c"))
        for name, lines in functions(path)
    }
    assert len(found) > 100, "the functions were not recognised"
    assert not {name: lines for name, lines in found.items() if lines > LONGEST_FUNCTION}


def test_cppcheck_is_silent() -> None:
    need("cppcheck")
    stubs = ROOT / "tests/firmware/cp_pwm/esp_idf_stubs"
    includes = [f"-I{CP_PWM / folder}" for folder in ("core", "exchange", "ports", "ports/esp32", "ports/host")]
    checks = ["--enable=warning,style,performance,portability", "--error-exitcode=1", "--std=c11", "--quiet"]
    # The binding is full of MicroPython's macros, which are not at hand here.
    run("cppcheck", *checks, "-DCP_BOARD_WT32_ETH01", *includes, f"-I{stubs}", *map(str, FOLDERS[:2]))
