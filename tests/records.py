"""Writes down which tests begin and how they end, while they run: what is there after a run that had to be killed.

``--record PREFIX`` writes ``PREFIX.WORKER.jsonl``, one file per process that runs tests, one JSON object a line:
``{"chosen": N}`` once, ``{"began": TEST}`` and ``{"ended": TEST, "outcome": …, "why": …, "wall_s": …, "cpu_s": …}``.
``outcome`` is ``passed``, ``failed`` or ``skipped``; ``why`` is the reason of a skip. ``cpu_s`` counts the process and
those of its children that it has waited for. ``tests/summary.py`` reads it.
"""

import json
import os
import resource
import time
from collections.abc import Generator
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", metavar="PREFIX", default=None, help="write what begins and ends to PREFIX.*.jsonl")


def pytest_configure(config: pytest.Config) -> None:
    prefix = config.getoption("--record")
    # With xdist the controller runs no tests itself.
    if prefix is not None and (not config.getoption("numprocesses", None) or hasattr(config, "workerinput")):
        config.pluginmanager.register(Recorder(Path(f"{prefix}.{os.environ.get('PYTEST_XDIST_WORKER', 'main')}.jsonl")))


def processor_s() -> float:
    """Return what this process and its ended children have used of the processor."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why it was skipped."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


class Recorder:
    """The plugin: one line at the beginning of each test, one at its end."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: what was written is there whatever happens to this process.
        self._file = path.open("ab", buffering=0)
        self._outcome, self._why = "passed", ""

    def _write(self, **line: object) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._write(chosen=len(session.items))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._outcome, self._why = "passed", ""
        self._write(began=item.nodeid)
        began_s, used_s = time.monotonic(), processor_s()
        result = yield
        # Not where it was interrupted: that is no end.
        self._write(
            ended=item.nodeid,
            outcome=self._outcome,
            why=self._why,
            wall_s=round(time.monotonic() - began_s, 3),
            cpu_s=round(processor_s() - used_s, 3),
        )
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called for set-up, the test itself and tear-down: what is worst counts."""
        if report.failed:
            self._outcome = "failed"
        elif report.skipped and self._outcome == "passed":
            self._outcome, self._why = "skipped", reason_of(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be read, or skips itself, is one test that begins and ends at once."""
        if report.failed or report.skipped:
            why = reason_of(report) if report.skipped else "cannot be collected"
            self._write(ended=report.nodeid, outcome=report.outcome, why=why, wall_s=0.0, cpu_s=0.0)
