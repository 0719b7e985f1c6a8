"""The stages of `sh tests/run.sh`: what each runs, in which lane, and how long it may take. A new stage is a row here.

Budgets are seconds on a two-core machine that has nothing else to do, with the other lane beside; what a stage takes by
itself is less. Who is over budget is told so at the end; it is no failure, since a slow machine is over every budget.
"""

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = Path("artefacts/results")
MICROPYTHON_32 = Path("firmware/build/micropython32")


class Lane(Enum):
    """What may run at the same time: the first two lanes run beside each other, each other one when those before it
    have ended.
    """

    COMPUTING = "computing"
    """Keeps both cores busy, and gives way to whoever waits for an answer."""
    WAITING = "waiting"
    """Whole processes on ports of their own, which wait for each other most of the time."""
    ANSWERING = "answering"
    """Measures how long an answer takes, and leaves both cores idle for most of the time."""
    ALONE = "alone"
    """Measures what the processor can do."""


ORDER = ((Lane.COMPUTING, Lane.WAITING), (Lane.ANSWERING,), (Lane.ALONE,))
AT_ONCE = {Lane.COMPUTING: 2, Lane.WAITING: 2, Lane.ANSWERING: 2, Lane.ALONE: 1}
"""Steps of a lane that run at the same time."""


@dataclass(frozen=True)
class Step:
    """One command, run in the repository's root. It fails if its exit code is not 0."""

    name: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    runs_tests: bool = False
    """Whether it is pytest, which leaves records (``tests/records.py``) and a JUnit report of this name."""
    apart: str = ""
    """What it shares with other steps that name the same: no two of them run at the same time."""


@dataclass(frozen=True)
class Stage:
    """A part of the tests that can be named on the command line."""

    name: str
    about: str
    lane: Lane
    budget_s: int
    steps: Callable[[], Iterable[Step]]
    needs: Path | None = None
    """A file without which it is skipped by name."""
    by_default: bool = True
    """Whether it runs when no stage is named."""


def python(name: str, *arguments: str, **environment: str) -> Step:
    """A Python module or program: ``python("types", "-m", "mypy")``."""
    return Step(name, (sys.executable, *arguments), tuple(environment.items()))


def suite(
    name: str, *arguments: str, workers: int = 2, dist: str = "worksteal", apart: str = "", **environment: str
) -> Step:
    """Tests, some at once. None of them measures time."""
    report = RESULTS / name
    command = (
        sys.executable, "-m", "pytest", "-q", "-n", str(workers), "--dist", dist,
        "--record", str(report), f"--junitxml={report}.xml", "-o", "junit_family=xunit2", *arguments,
    )  # fmt: skip
    return Step(name, command, tuple(environment.items()), runs_tests=True, apart=apart)


def marked(mark: str, *, below: str = "", not_below: tuple[str, ...] = ()) -> list[str]:
    """Return the files with tests of that mark: to look into all the others takes longer than some suites do."""
    elsewhere = ("tests/integration/", "tests/browser/", "tests/bench/", *not_below)
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        name = str(path.relative_to(ROOT))
        if not name.startswith(below) or name.startswith(elsewhere):
            continue
        if re.search(rf"mark\.{mark}\b", path.read_text()):
            found.append(name)
    return found


NOT_IN_FAST = tuple(f"--ignore=tests/{folder}" for folder in ("integration", "kill", "browser", "bench"))
BROKERS = ("installed", "testcontainers", "embedded")
INTERFACES = "network interfaces"
"""Containers bring network interfaces and take them away; a browser gives up what it is loading at that moment."""

COUNTED = {
    "acn": ("--seeds", "1", "--transformers", "30"),
    "core_cost": ("--traces", "1"),
    "flash_wear": ("--days", "3"),
    "ledger_growth": ("--scale", "0.05"),
    "ocpp_outage": ("--charge-points", "30"),
    "page_memory": ("--gets", "1500", "--settle", "500"),
    "trips": (),
}
"""Programs of tests/bench that count energy, instructions, steps, bytes or simulated time, and their short round: it
does not matter what runs beside them."""

ANSWERED = {
    "balancing": ("--readings", "6", "--steps", "5"),
    "ocpp_stations": ("--stations", "50", "--steady", "2"),
    "answering": ("--chargers", "50", "--commands", "500"),
    # The target of 3 is for an idle machine; without limits the flood's ratio is in the thousands.
    "ledger_flood": ("--rounds", "1", "--at-most", "20"),
    "ocpp_charge_points": ("--starts", "200"),
}
"""Programs that measure how long an answer takes, and their short round, the longest first: each needs a tenth of a
core."""

TIMED = {
    "acn_speed": ("--steps", "8"),
    "committing": ("--events", "20000", "--rounds", "1"),
    "ledger_fairness": ("--rounds", "3", "--at-most", "20"),
    "ocpp_messages": ("--rounds", "3", "--count", "500"),
    "receiving": ("--messages", "20000", "--rounds", "3"),
    "sharing": ("--messages", "4000", "--rounds", "1"),
    "spooling": ("--messages", "20000", "--points", "60000", "--rounds", "1"),
}
"""Programs that measure time, and their short round. They must be alone: processor time too depends on what the other
half of a core does."""

KILLS = {"CHARGEBUS_KILL_ROUNDS": "60"}
"""For every commit; alone, the test does a hundred."""

WHOLE = {"acn": ("--full",)}
"""What makes a program's figure the README's, where that is not how it runs by itself."""


def bench(rounds: dict[str, tuple[str, ...]]) -> list[Step]:
    return [python(f"bench-{name}", "-m", f"tests.bench.{name}", *options) for name, options in rounds.items()]


def micropython(program: Path) -> Step:
    """What is tested on MicroPython, on this one."""
    marks = (*marked("micropython"), "-m", "micropython")
    return suite(program.name, *marks, MICROPYTHON=str(ROOT / program))


def campaigns() -> list[Step]:
    worlds = ("--processes", "2", "--campaign")
    losses = "tests/firmware/unix/test_power_loss.py"
    return [
        python("campaign-world", "-m", "tests.world", *worlds, "3000"),
        python("campaign-balancing", "-m", "tests.world.balancing", *worlds, "10000"),
        python("campaign-ocpp", "-m", "tests.world.ocpp", "--hours", "24", "--chargers", "3"),
        suite("campaign-power-loss", losses, CHARGEBUS_POWER_LOSSES="1000"),
        suite("campaign-kill", "tests/kill"),
    ]


def figures() -> list[Step]:
    names = (*COUNTED, *ANSWERED, *TIMED, "world_day")
    return [python(f"figure-{name}", "-m", f"tests.bench.{name}", *WHOLE.get(name, ())) for name in names]


def integration() -> list[Step]:
    return [
        suite(
            f"integration-{kind}",
            "tests/integration",
            "--broker",
            kind,
            "-m",
            "not slow",
            workers=4,
            apart=INTERFACES if kind == "testcontainers" else "",
        )
        for kind in BROKERS
    ]


# fmt: off
STAGES = (
    Stage(
        "lint", "ruff's rules and format", Lane.COMPUTING, 5,
        lambda: [python("lint", "-m", "ruff", "check", "."), python("format", "-m", "ruff", "format", "--check", ".")],
    ),
    Stage("types", "mypy, strict", Lane.COMPUTING, 60, lambda: [python("types", "-m", "mypy")]),
    Stage(
        "contract", "every generated file is up to date", Lane.COMPUTING, 5,
        lambda: [python("contract", "-m", "bus_schema", "--check")],
    ),
    Stage(
        "fast", "everything that needs neither broker nor browser, and less than ten seconds", Lane.COMPUTING, 700,
        lambda: [suite("fast", "tests", *NOT_IN_FAST, "-m", "not slow and not broker and not docker and not browser")],
    ),
    Stage(
        "slow", "simulated worlds, bugs that they must catch, fuzzing", Lane.COMPUTING, 450,
        lambda: [
            suite("slow", *marked("slow", not_below=("tests/deploy/",)), "-m", "slow and not broker", workers=1)
        ],
    ),
    Stage("counted", "short rounds of the benchmarks that count", Lane.COMPUTING, 50, lambda: bench(COUNTED)),
    Stage(
        "sites", "whole sites: `up` in a clean clone, the README's lines, compose", Lane.WAITING, 600,
        lambda: [
            suite("sites", *marked("slow", below="tests/deploy/"), "-m", "slow", dist="loadgroup", apart=INTERFACES)
        ],
    ),
    Stage(
        "kill", "kill -9 and power losses, round after round, with a real broker", Lane.WAITING, 200,
        lambda: [
            suite("kill", *marked("slow", not_below=("tests/deploy/",)), "-m", "slow and broker", workers=3, **KILLS)
        ],
    ),
    Stage("integration", "the parts together, on each kind of broker", Lane.WAITING, 195, integration),
    Stage(
        "browser", "the page in a real browser", Lane.WAITING, 110,
        lambda: [suite("browser", "tests/browser", apart=INTERFACES)],
    ),
    Stage(
        "broker", "one part at a time with a real broker", Lane.WAITING, 215,
        lambda: [suite("broker", *marked("broker"), "-m", "broker and not slow", workers=3, dist="loadfile")],
    ),
    Stage(
        "micropython32", "the tests on MicroPython once more, on its build for 32 bits",
        Lane.WAITING, 110,
        lambda: [micropython(MICROPYTHON_32)],
        needs=MICROPYTHON_32,
    ),
    Stage(
        "answers", "short rounds of the benchmarks that wait for answers", Lane.ANSWERING, 170, lambda: bench(ANSWERED)
    ),
    Stage("bench", "short rounds of the benchmarks that measure speed", Lane.ALONE, 65, lambda: bench(TIMED)),
    Stage(
        "figures", "what the README promises, measured in full: an hour; only when it is named", Lane.ALONE, 3600,
        figures, by_default=False,
    ),
    Stage(
        "campaigns", "worlds, kills and power losses by the thousand: four hours; only when it is named", Lane.ALONE,
        14_400, campaigns, by_default=False,
    ),
)
# fmt: on
