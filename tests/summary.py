"""Adds up what the steps of tests/run.sh have left: one line of counts at the end, and every skip by name.

``python tests/summary.py --record FOLDER STEP EXIT_CODE`` notes how a step ended;
``python tests/summary.py FOLDER`` prints the summary and exits with 1 if anything failed or nothing ran.
A step without tests (a linter) counts as one test.
"""

import os
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path


def counts_of(report: Path) -> tuple[Counter[str], Counter[str]]:
    """Return the counts of one JUnit report, and how often each reason to skip occurs."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    try:
        cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    except ElementTree.ParseError:  # its writer was killed
        return Counter(failed=1), reasons
    for case in cases:
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            counts["failed"] += 1
        elif skipped is not None:
            counts["skipped"] += 1
            reasons[f"{case.get('classname', '').split('.test_')[0]}: {skipped.get('message', '')}"] += 1
        else:
            counts["passed"] += 1
    return counts, reasons


def summarise(folder: Path) -> int:
    """Print the summary of all steps and return the exit code."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for record in sorted(folder.glob("*.code")):
        code, report = int(record.read_text()), record.with_suffix(".xml")
        if report.exists():
            of_step, why = counts_of(report)
            counts += of_step
            reasons += why
            # A crash or a timeout leaves no failed test behind, but it is one.
            counts["failed"] += code != 0 and not of_step["failed"]
        else:
            counts["failed" if code else "passed"] += 1
    for reason, number in sorted(reasons.items()):
        print(f"skipped {number}: {reason}")
    if counts["skipped"] and os.environ.get("CHARGEBUS_NO_SKIP") == "1":
        print("CHARGEBUS_NO_SKIP=1: what was skipped counts as failed")
        counts["failed"] += counts.pop("skipped")
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] or not counts["passed"] else 0


def main(arguments: list[str]) -> int:
    if arguments[0] == "--record":
        _, folder, step, code = arguments
        (Path(folder) / f"{step}.code").write_text(code)
        return 0
    return summarise(Path(arguments[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
