"""`sh tests/run.sh` and its summary: a failure, a test that never ends and a forbidden skip can never look green."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import running, summary
from tests.deploy.site import ROOT
from tests.running import Console, Ended, Lanes
from tests.stages import ANSWERED, COUNTED, STAGES, TIMED, Lane, Stage, Step
from tests.waiting import eventually_sync

GOOD = {"ended": "tests/a/test_x.py::good", "outcome": "passed", "why": "", "wall_s": 2.0, "cpu_s": 1.0}
BAD = GOOD | {"ended": "tests/a/test_x.py::bad", "outcome": "failed"}
GONE = GOOD | {"ended": "tests/a/test_x.py::gone", "outcome": "skipped", "why": "missing: mosquitto"}


def step(folder: Path, name: str, code: int, *tests: dict[str, object], chosen: int = 0, wall_s: float = 1.0) -> None:
    """Leave what a step leaves; a test without an end is one that only began."""
    why = "ok" if code == 0 else "FAILED: stopped"
    said = {"step": name, "stage": name, "code": code, "why": why, "wall_s": wall_s, "cpu_s": 2.0, "skipped": ""}
    (folder / f"{name}.json").write_text(json.dumps(said))
    lines: list[dict[str, object]] = [{"chosen": chosen or len(tests)}]
    for test in tests:
        lines += [{"began": test.get("ended", test.get("began"))}, test]
    if tests:
        (folder / f"{name}.gw0.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(autouse=True)
def nothing_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHARGEBUS_NO_SKIP", raising=False)


def told(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """Return the exit code of the summary and its lines."""
    code = summary.summarise(folder, 10.0)
    return code, capsys.readouterr().out.splitlines()


def test_counts_add_up_and_failures_and_skips_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    step(tmp_path, "fast", 1, GOOD, BAD, GONE)
    step(tmp_path, "lint", 0)
    code, lines = told(tmp_path, capsys)
    assert code == 1
    assert lines[-3:] == [
        "failed: tests/a/test_x.py::bad",
        "skipped 1: tests/a/test_x.py: missing: mosquitto",
        "2 passed, 1 failed, 1 skipped",
    ]


def test_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    step(tmp_path, "fast", 0, GOOD)
    code, lines = told(tmp_path, capsys)
    assert (code, lines[-1]) == (0, "1 passed, 0 failed, 0 skipped")


def test_a_stage_that_was_stopped_names_what_did_not_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its tests that failed and were skipped before are named, too: pytest itself had no time for a report."""
    step(tmp_path, "slow", 124, BAD, GONE, {"began": "tests/b/test_y.py::hangs"}, chosen=9)
    code, lines = told(tmp_path, capsys)
    assert code == 1
    assert lines[-5:] == [
        "failed: tests/a/test_x.py::bad",
        "did not end: tests/b/test_y.py::hangs (slow: FAILED: stopped)",
        "did not begin: 6 tests of slow (FAILED: stopped)",
        "skipped 1: tests/a/test_x.py: missing: mosquitto",
        "0 passed, 2 failed, 1 skipped",
    ]


@pytest.mark.parametrize("tests", [[GOOD], []])
def test_a_step_that_crashed_has_failed(
    tests: list[dict[str, object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step(tmp_path, "fast", 0, GOOD)
    step(tmp_path, "slow", 1, *tests)
    code, lines = told(tmp_path, capsys)
    assert code == 1
    assert lines[-2].startswith("failed: slow") and lines[-1].split(", ")[1] == "1 failed"


def test_a_record_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    step(tmp_path, "slow", 137, GOOD, BAD)
    record = tmp_path / "slow.gw0.jsonl"
    record.write_bytes(record.read_bytes()[:-20])
    code, lines = told(tmp_path, capsys)
    assert code == 1
    assert "did not end: tests/a/test_x.py::bad (slow: FAILED: stopped)" in lines
    assert lines[-1] == "1 passed, 1 failed, 0 skipped"


def test_nothing_ran(tmp_path: Path) -> None:
    assert summary.summarise(tmp_path, 0.0) == 1


def test_who_is_interrupted_is_not_green(tmp_path: Path) -> None:
    step(tmp_path, "fast", 0, GOOD)
    assert summary.summarise(tmp_path, 1.0, whole=False) == 1


def test_a_forbidden_skip_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step(tmp_path, "fast", 0, GOOD, GONE)
    assert summary.summarise(tmp_path, 1.0) == 0
    monkeypatch.setenv("CHARGEBUS_NO_SKIP", "1")
    assert summary.summarise(tmp_path, 1.0) == 1


def test_over_budget_is_said_loudly_and_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    budget_s = next(stage.budget_s for stage in STAGES if stage.name == "types")
    step(tmp_path, "types", 0, wall_s=budget_s + 40.0)
    step(tmp_path, "lint", 0)
    code, lines = told(tmp_path, capsys)
    assert code == 0
    assert [line for line in lines if line.startswith("types") and "OVER BUDGET by 40 s" in line]
    assert [line for line in lines if line.startswith("OVER BUDGET: types.")]
    assert (tmp_path / "timings").read_text().splitlines() == lines[2:-1]
    assert (tmp_path / "durations").exists()


def test_the_budgets_leave_ci_below_twenty_minutes() -> None:
    installing_s = 150
    names = {stage.name for stage in STAGES if stage.by_default}
    assert summary.budget_of(names) + installing_s <= 20 * 60


# --- stages and what runs them


def one(
    *command: str, lane: Lane = Lane.COMPUTING, name: str = "s", needs: Path | None = None, apart: str = ""
) -> Stage:
    return Stage(name, "", lane, 10, lambda: [Step(name, command, apart=apart)], needs)


def run(folder: Path, *stages: Stage, silent_s: float = 60.0) -> dict[str, Ended]:
    """Run stages; return how their steps ended."""
    assert Lanes(stages, folder, Console(), dict(os.environ), silent_s).run()
    return {path.stem: Ended(**json.loads(path.read_text())) for path in folder.glob("*.json")}


def test_a_step_leaves_its_output_its_code_and_its_times(tmp_path: Path, capfdbinary: object) -> None:
    busy = "sum(range(3_000_000)); print('done'); raise SystemExit(3)"
    ended = run(tmp_path, one(sys.executable, "-c", busy))["s"]
    assert (ended.code, ended.why) == (3, "FAILED with exit code 3")
    assert 0.02 < ended.cpu_s < 5 and ended.wall_s > 0.02
    assert (tmp_path / "s.log").read_text() == "done\n"


def test_a_step_that_falls_silent_is_stopped_with_all_that_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "GRACE_S", [(number, 0.3) for number, _ in running.GRACE_S])
    pid = tmp_path / "pid"
    # The step ends by the first signal, what it has started by none but the last.
    stubborn = tmp_path / "stubborn"
    stubborn.write_text(f"trap '' INT TERM\necho $$ >{pid}\nwhile :; do sleep 0.05; done\n")
    ended = run(tmp_path, one("sh", "-c", f"sh {stubborn} & trap 'exit 1' INT; wait"), silent_s=0.5)["s"]
    assert ended.code != 0 and "had printed nothing" in ended.why
    eventually_sync(lambda: not Path(f"/proc/{pid.read_text().strip()}").exists(), 5, "it is gone")


def test_lanes_run_beside_each_other_and_what_measures_time_runs_after_them(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    meet = "touch {0}; while [ ! -e {1} ]; do sleep 0.02; done"
    after = f"[ -e {tmp_path}/c.json ] && [ -e {tmp_path}/w.json ]"
    ended = run(
        tmp_path,
        one("sh", "-c", after, lane=Lane.ALONE, name="a"),
        one("sh", "-c", meet.format(there, here), lane=Lane.COMPUTING, name="c"),
        one("sh", "-c", meet.format(here, there), lane=Lane.WAITING, name="w"),
    )
    assert {name: each.code for name, each in ended.items()} == {"a": 0, "c": 0, "w": 0}


def test_steps_that_share_something_never_run_at_the_same_time_and_keep_nobody_else_waiting(tmp_path: Path) -> None:
    alone = "mkdir {0}/shared && touch {0}/{1} && while [ ! -e {0}/third ]; do sleep 0.02; done; rmdir {0}/shared"
    ended = run(
        tmp_path,
        one("sh", "-c", alone.format(tmp_path, "first"), lane=Lane.WAITING, name="f", apart="it"),
        one("sh", "-c", alone.format(tmp_path, "second"), lane=Lane.WAITING, name="s", apart="it"),
        # Runs beside the first although the second was there before it, else nothing would ever end.
        one("touch", f"{tmp_path}/third", lane=Lane.WAITING, name="t"),
    )
    assert {name: each.code for name, each in ended.items()} == {"f": 0, "s": 0, "t": 0}
    assert (tmp_path / "second").exists()


def test_a_stage_without_what_it_needs_is_skipped_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, one("false", name="micropython32", needs=Path("no/such/file")))
    _, lines = told(tmp_path, capsys)
    assert lines[-2:] == ["skipped 1: micropython32: missing: no/such/file", "0 passed, 0 failed, 1 skipped"]


ENDS_EARLY = """
import os, signal, time, pytest
def test_good(): pass
def test_bad(): assert False
def test_gone(): pytest.skip("missing: a part")
def test_does_not_end():
    os.kill(os.getpid(), signal.{})
    time.sleep(60)
def test_never(): pass
"""


@pytest.mark.parametrize(("by", "code"), [("SIGKILL", -9), ("SIGINT", 2)])
def test_what_did_not_end_is_known_although_pytest_was_killed(
    by: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test_x.py").write_text(ENDS_EARLY.format(by))
    command = (
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.records", "-c", "/dev/null",
        "--rootdir", str(tmp_path), "--record", str(tmp_path / "s"), str(tmp_path / "test_x.py"),
    )  # fmt: skip
    run(tmp_path, one(*command))
    _, lines = told(tmp_path, capsys)
    assert lines[-5:] == [
        "failed: test_x.py::test_bad",
        f"did not end: test_x.py::test_does_not_end (s: FAILED with exit code {code})",
        f"did not begin: 1 tests of s (FAILED with exit code {code})",
        "skipped 1: test_x.py: missing: a part",
        "1 passed, 2 failed, 1 skipped",
    ]


def test_what_cannot_be_collected_is_a_failure_of_that_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_x.py").write_text("import no_such_module\n")
    (tmp_path / "test_y.py").write_text("import pytest\npytest.importorskip('no_such_module_either')\n")
    command = (
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.records", "-c", "/dev/null",
        "--rootdir", str(tmp_path), "--record", str(tmp_path / "s"), str(tmp_path),
    )  # fmt: skip
    run(tmp_path, one(*command))
    _, lines = told(tmp_path, capsys)
    assert "failed: test_x.py" in lines
    assert [line for line in lines if line.startswith("skipped 1: test_y.py: could not import")]
    assert lines[-1] == "0 passed, 1 failed, 1 skipped"


def test_an_interrupted_run_stops_what_runs_and_says_so(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys; from tests import running, stages\n"
        f"running.RESULTS = pathlib.Path({str(tmp_path / 'results')!r})\n"
        "step = stages.Step('s', ('sh', '-c', 'echo begun; exec sleep 60'))\n"
        "running.STAGES = [stages.Stage('s', '', stages.Lane.WAITING, 1, lambda: [step])]\n"
        "sys.exit(running.main([]))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    log = tmp_path / "results/s.log"
    eventually_sync(lambda: log.exists() and log.read_text() == "begun\n", 20, "it has begun")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "failed: s: FAILED: interrupted" in out
    assert out.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"


def test_an_unknown_stage_is_told() -> None:
    done = subprocess.run(["sh", "tests/run.sh", "fats"], cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert "no stage 'fats'; there are: lint types" in done.stderr


def test_the_header_of_run_sh_tells_of_every_stage() -> None:
    rows = re.findall(r"^#   (\w+) +(.+)$", (ROOT / "tests/run.sh").read_text(), re.MULTILINE)
    assert [(name, about.split(":")[0]) for name, about in rows] == [
        (stage.name, stage.about.split(":")[0]) for stage in STAGES
    ]


def test_every_benchmark_is_in_a_stage() -> None:
    runnable = {
        path.stem for path in (ROOT / "tests/bench").glob("*.py") if '__name__ == "__main__"' in path.read_text()
    }
    stages = {stage.name: stage for stage in STAGES}
    in_full = {step.command[2].removeprefix("tests.bench.") for step in stages["figures"].steps()}
    assert runnable == in_full
    # A day in the simulated world is a test of its own.
    assert runnable - {*COUNTED, *ANSWERED, *TIMED} == {"world_day"}


def test_the_seed_comes_from_the_commit_or_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHARGEBUS_SEED", raising=False)
    assert running.seed_of_the_run() == running.seed_of_the_run() < 2**16
    monkeypatch.setenv("CHARGEBUS_SEED", "7")
    assert running.seed_of_the_run() == 7


def test_the_scripts_of_ci_name_no_machine_and_no_package_host() -> None:
    subprocess.run(["bash", "-n", ".ci/run"], cwd=ROOT, check=True)
    for name in ("README.md", ".ci/run"):
        text = (ROOT / name).read_text()
        for word in ("pypi.org", "debian.org", "/work/", "pythonhosted", "docker.io/"):
            assert word not in text, (name, word)
