"""``python -m firmware.boards``: bring the wiring page's pin tables up to date, or ``--check`` that they are."""

import argparse
import sys

from . import chip
from .profiles import PROFILES
from .tables import FOLDER, generated


def main(argv: "list[str] | None" = None) -> int:
    """Return 0 if all is well, 1 for a stale file or a profile that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m firmware.boards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if something is stale")
    check = parser.parse_args(argv).check
    wrong = ["%s: %s" % (name, problem) for name in sorted(PROFILES) for problem in chip.problems(PROFILES[name])]
    for path, text in generated().items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if check:
            wrong.append("%s is stale: python -m firmware.boards" % path.relative_to(FOLDER.parents[1]))
        else:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write("%s written\n" % path.relative_to(FOLDER.parents[1]))
    for line in wrong:
        sys.stderr.write(line + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
