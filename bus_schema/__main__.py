"""Write everything that is generated from the contract, or check that it is up to date.

``python -m bus_schema`` writes; ``python -m bus_schema --check`` writes nothing and exits with 1, naming each stale
file and the command that renews it.
"""

import argparse
import sys
from pathlib import Path

from bus_schema.generate.artefacts import COMMAND, artefacts, stale, write


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 when all is up to date or written, 1 when stale."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is stale")
    parser.add_argument(
        "--root",
        type=Path,
        default=Path(__file__).resolve().parent.parent,
        help="the repository (default: the one that this package lies in)",
    )
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        made = "; `chargebus prepare` and `chargebus pki apply` make access lists" if "--acl" in unknown else ""
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{made}")
    say = sys.stdout.write
    if options.check:
        wrong = stale(options.root)
        for path in wrong:
            say(f"stale: {path}\n")
        if wrong:
            say(f"run: {COMMAND}\n")
        return 1 if wrong else 0
    changed = write(options.root)
    for path in changed:
        say(f"wrote: {path}\n")
    say(f"{len(artefacts())} files are up to date\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
