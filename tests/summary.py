"""Adds up what the steps of `sh tests/run.sh` have left in a folder: time, failures, what did not end, skips, counts.

For each step there is ``STEP.json`` (``tests.running.Ended``); of a step that runs tests also ``STEP.*.jsonl``, which
``tests/records.py`` has written. A step without tests (a linter) counts as one test. The last line is the count:
``N passed, N failed, N skipped``.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.stages import AT_ONCE, ORDER, STAGES

SLOWEST = 100
"""So many tests are listed in ``durations``."""


@dataclass
class Step:
    """What is known of one step."""

    name: str
    stage: str
    code: int
    why: str
    wall_s: float
    cpu_s: float
    skipped: str
    tests: list[dict[str, Any]] = field(default_factory=list)
    """As ``tests/records.py`` writes them: those that have ended."""
    open: list[str] = field(default_factory=list)
    """Tests that began and did not end."""
    not_begun: int = 0
    """Tests that were chosen and did not even begin."""

    def of(self, outcome: str) -> list[dict[str, Any]]:
        return [test for test in self.tests if test["outcome"] == outcome]

    def counts(self) -> Counter[str]:
        if self.skipped:
            return Counter(skipped=1)
        counts = Counter(str(test["outcome"]) for test in self.tests)
        if not self.tests:
            counts["failed" if self.code else "passed"] += 1
        # A crash leaves no failed test behind, but it is one; so is a test that did not end.
        counts["failed"] += len(self.open) or (self.code != 0 and not counts["failed"])
        return counts


def read(folder: Path) -> list[Step]:
    """Return all steps, in the order in which they ended."""
    steps = []
    for file in sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns):
        said = json.loads(file.read_text())
        step = Step(
            said["step"], said["stage"], said["code"], said["why"], said["wall_s"], said["cpu_s"], said["skipped"]
        )
        read_records(step, folder)
        steps.append(step)
    return steps


def read_records(step: Step, folder: Path) -> None:
    chosen = 0
    began: list[str] = []
    ended: dict[str, dict[str, Any]] = {}
    for file in sorted(folder.glob(f"{step.name}.*.jsonl")):
        for line in lines_of(file):
            # Every worker is given all tests, and runs some.
            chosen = max(chosen, line.get("chosen", 0))
            if "began" in line:
                began.append(line["began"])
            elif "ended" in line:
                # What cannot be collected is told by every worker.
                ended[line["ended"]] = line
    step.tests = list(ended.values())
    step.open = [test for test in dict.fromkeys(began) if test not in ended]
    step.not_begun = max(0, chosen - len(set(began)))


def lines_of(file: Path) -> Iterator[dict[str, Any]]:
    for line in file.read_text(errors="replace").splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # Its writer was killed in the middle of it.
            continue


def times(steps: list[Step], took_s: float) -> list[str]:
    """Return the table of stages: budget, time, processor time, and who is over budget."""
    lines = [f"{'stage':16} {'budget':>7} {'took':>7} {'processor':>9}   seconds"]
    over = []
    for stage in STAGES:
        mine = [step for step in steps if step.stage == stage.name]
        if not mine:
            continue
        wall_s, cpu_s = sum(step.wall_s for step in mine), sum(step.cpu_s for step in mine)
        note = "" if all(step.code == 0 for step in mine) else "FAILED"
        if wall_s > stage.budget_s:
            note += f" OVER BUDGET by {wall_s - stage.budget_s:.0f} s"
            over.append(stage.name)
        lines.append(f"{stage.name:16} {stage.budget_s:7.0f} {wall_s:7.0f} {cpu_s:9.0f}   {note.strip()}".rstrip())
        if len(mine) > 1:
            lines += [f"  {step.name:22} {step.wall_s:7.0f} {step.cpu_s:9.0f}" for step in mine]
    budget_s = budget_of({step.stage for step in steps})
    lines.append(f"{'all':16} {budget_s:7.0f} {took_s:7.0f} {sum(step.cpu_s for step in steps):9.0f}")
    if over:
        lines += [
            f"OVER BUDGET: {', '.join(over)}. Budgets (tests/stages.py) are those of two idle cores;",
            "what is over on such a machine has become too slow. It is no failure.",
        ]
    return lines


def budget_of(names: set[str]) -> float:
    """Return what these stages may take together: the lanes as they run beside and after each other."""
    lanes = {
        lane: sum(stage.budget_s for stage in STAGES if stage.name in names and stage.lane is lane) / at_once
        for lane, at_once in AT_ONCE.items()
    }
    return sum(max(lanes[lane] for lane in beside) for beside in ORDER)


def troubles(steps: list[Step]) -> list[str]:
    """Return a line for everything that failed, did not end or was skipped."""
    lines = []
    for step in steps:
        if step.code and not step.tests:
            lines.append(f"failed: {step.name}: {step.why}")
        elif step.code and not (step.of("failed") or step.open):
            lines.append(f"failed: {step.name}, none of its tests: {step.why}")
        lines += [f"failed: {test['ended']}" for test in step.of("failed")]
        lines += [f"did not end: {test} ({step.name}: {step.why})" for test in step.open]
        if step.code and step.not_begun:
            lines.append(f"did not begin: {step.not_begun} tests of {step.name} ({step.why})")
    reasons: Counter[str] = Counter()
    for step in steps:
        reasons.update(f"{test['ended'].split('::')[0]}: {test['why']}" for test in step.of("skipped"))
        if step.skipped:
            reasons[f"{step.name}: {step.skipped}"] += 1
    return lines + [f"skipped {number}: {reason}" for reason, number in sorted(reasons.items())]


def durations(steps: list[Step]) -> list[str]:
    """Return the slowest tests of all steps."""
    tests = sorted(((test, step.name) for step in steps for test in step.tests), key=lambda pair: -pair[0]["wall_s"])
    lines = [f"{test['wall_s']:8.2f} {test['cpu_s']:8.2f}  {name:16} {test['ended']}" for test, name in tests[:SLOWEST]]
    return [f"{'seconds':>8} {'processor':>8}  step", *lines]


def summarise(folder: Path, took_s: float, whole: bool = True) -> int:
    """Print the summary of all steps and return the exit code. ``whole``: whether all stages had their turn."""
    steps = read(folder)
    timings, slowest = times(steps, took_s), durations(steps)
    (folder / "timings").write_text("\n".join(timings) + "\n")
    (folder / "durations").write_text("\n".join(slowest) + "\n")
    print("\n=== summary", *timings, *troubles(steps), sep="\n")
    counts: Counter[str] = Counter()
    for step in steps:
        counts.update(step.counts())
    if not whole:
        print("interrupted: some stages did not have their turn")
        counts["failed"] += not counts["failed"]
    if counts["skipped"] and os.environ.get("CHARGEBUS_NO_SKIP") == "1":
        print("CHARGEBUS_NO_SKIP=1: what was skipped counts as failed")
        counts["failed"] += counts.pop("skipped")
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped", flush=True)
    return 1 if counts["failed"] or not counts["passed"] else 0
