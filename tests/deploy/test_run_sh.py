"""`sh tests/run.sh` and its summary: a failure, a timeout and a forbidden skip can never look green."""

import subprocess
from pathlib import Path

import pytest

from tests import summary
from tests.deploy.site import ROOT

REPORT = """<testsuites><testsuite>
<testcase classname="tests.a.test_x" name="good"/>
<testcase classname="tests.a.test_x" name="bad"><failure message="no"/></testcase>
<testcase classname="tests.a.test_x" name="ugly"><error message="no"/></testcase>
<testcase classname="tests.a.test_x" name="gone"><skipped message="missing: mosquitto"/></testcase>
</testsuite></testsuites>"""
GOOD = '<testsuites><testsuite><testcase classname="t" name="good"/></testsuite></testsuites>'


def step(folder: Path, name: str, code: int, report: str | None = None) -> None:
    (folder / f"{name}.code").write_text(str(code))
    if report is not None:
        (folder / f"{name}.xml").write_text(report)


@pytest.fixture(autouse=True)
def nothing_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHARGEBUS_NO_SKIP", raising=False)


def test_counts_add_up_and_skips_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    step(tmp_path, "fast", 1, REPORT)
    step(tmp_path, "lint", 0)
    assert summary.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out == "skipped 1: tests.a: missing: mosquitto\n2 passed, 2 failed, 1 skipped\n"


def test_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    step(tmp_path, "fast", 0, GOOD)
    assert summary.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "1 passed, 0 failed, 0 skipped\n"


@pytest.mark.parametrize("report", [GOOD, None])
def test_a_step_that_crashed_or_timed_out_has_failed(report: str | None, tmp_path: Path) -> None:
    step(tmp_path, "fast", 0, GOOD)
    step(tmp_path, "slow", 124, report)
    assert summary.main([str(tmp_path)]) == 1


def test_a_broken_report_is_a_failure(tmp_path: Path) -> None:
    step(tmp_path, "fast", 0, GOOD)
    step(tmp_path, "slow", 137, GOOD[:40])
    assert summary.main([str(tmp_path)]) == 1


def test_nothing_ran(tmp_path: Path) -> None:
    assert summary.main([str(tmp_path)]) == 1


def test_a_forbidden_skip_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step(tmp_path, "fast", 0, REPORT.replace("<failure", "<ignored").replace("<error", "<ignored"))
    assert summary.main([str(tmp_path)]) == 0
    monkeypatch.setenv("CHARGEBUS_NO_SKIP", "1")
    assert summary.main([str(tmp_path)]) == 1


def test_an_unknown_stage_is_told() -> None:
    done = subprocess.run(["sh", "tests/run.sh", "fats"], cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert "no stage 'fats'; there are: lint types" in done.stderr


def test_the_scripts_of_ci_name_no_machine_and_no_package_host() -> None:
    subprocess.run(["bash", "-n", ".ci/run"], cwd=ROOT, check=True)
    for name in ("README.md", ".ci/run"):
        text = (ROOT / name).read_text()
        for word in ("pypi.org", "debian.org", "/work/", "pythonhosted", "docker.io/"):
            assert word not in text, (name, word)
