"""The C core as source: every branch is taken, no function is long, cppcheck has nothing to say."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import firmware.cp_pwm.specification
from tests.firmware.cp_pwm.native import MAKE_FOLDER, make
from tests.missing import missing

CORE = MAKE_FOLDER.parent / "core"
ROOT = Path(__file__).parents[3]
LONGEST_FUNCTION = 60
EVENTS = 30_000
"""Ticks at changes and deadlines that take every branch; a few thousand take all but a handful."""


def run(*command: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            missing(f"needs {program}")


def test_every_branch_of_the_core_is_taken(tmp_path: Path) -> None:
    """By the comparison with the specification, so that every branch is one that a trace proves right."""
    need("cc", "make", "gcov")
    library = make(tmp_path, "COVERAGE=1")
    run(sys.executable, "-m", "tests.firmware.cp_pwm.native", str(library), "--events", "--ticks", str(EVENTS))
    branches, untaken = 0, []
    for counts in sorted(tmp_path.glob("cp_*.gcda")):
        if counts.stem == "cp_library":
            continue
        report = run("gcov", "--json-format", "--stdout", "--branch-probabilities", str(counts), cwd=MAKE_FOLDER)
        for line in (line for file in json.loads(report)["files"] for line in file["lines"]):
            branches += len(line["branches"])
            place = f"{counts.stem}.c:{line['line_number']}"
            untaken += [f"{place}, branch {i}" for i, branch in enumerate(line["branches"]) if not branch["count"]]
            if not line["count"]:
                untaken.append(f"{place}, line")
    assert branches > 300, "gcov has counted nothing"
    assert not untaken, "\n".join(untaken)


def functions(source: Path) -> list[tuple[str, int]]:
    """Return name and number of lines of every function of a file in the core's style."""
    found, name, begin = [], "", 0
    for number, line in enumerate(source.read_text().splitlines(), start=1):
        if match := re.match(r"^[a-z].*?\**(\w+)\(", line):
            name, begin = match[1], number
        elif line == "}" and name:
            found.append((name, number - begin + 1))
            name = ""
    return found


def test_no_function_is_long() -> None:
    found = {
        f"{path.name}: {name}": lines
        for folder in ("core", "exchange", "host", "fuzz")
        for path in sorted((CORE.parent / folder).glob("*.c"))
        for name, lines in functions(path)
    }
    assert len(found) > 50, "the functions were not recognised"
    assert not {name: lines for name, lines in found.items() if lines > LONGEST_FUNCTION}


def test_cppcheck_is_silent() -> None:
    need("cppcheck")
    checks = "--enable=warning,style,performance,portability"
    folders = [str(CORE.parent / folder) for folder in ("core", "host", "fuzz")]
    run("cppcheck", checks, "--error-exitcode=1", "--std=c11", "--quiet", f"-I{CORE}", *folders)


def test_the_table_of_rules_names_what_exists() -> None:
    table = firmware.cp_pwm.specification.__doc__ or ""
    rows = re.findall(r"^.{45}  (\w+) +(test_\w+)$", table, re.MULTILINE)
    tests = "".join(path.read_text() for path in sorted(Path(__file__).parent.glob("test_rules*.py")))
    assert len(rows) > 30
    for _, test in rows:
        assert f"def {test}(" in tests, test
    concerns = {path.stem for path in (CORE.parent / "specification").glob("*.py")}
    assert {concern for concern, _ in rows} == concerns - {
        "__init__",
        "faults",
        "instants",
        "pilot_interlock",
        "signals",
    }


def test_each_fault_has_the_same_bit() -> None:
    from firmware.cp_pwm.specification.faults import NAMES

    text = (CORE / "cp_types.h").read_text()
    bits = dict(re.findall(r"#define CP_FAULT_(\w+) \(UINT32_C\(1\) << (\d+)\)", text))
    assert {name.lower(): int(bit) for name, bit in bits.items()} == {name: bit for bit, name in enumerate(NAMES)}
