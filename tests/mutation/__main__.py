"""``python -m tests.mutation [MODULE …]``: break modules in every small way and see which breaks no test notices.

::

    python -m tests.mutation                                    all modules of ``targets.py``
    python -m tests.mutation agents/load_balancer/granting/orders.py     one of them
    python -m tests.mutation firmware/app/leases.py --tests tests/firmware/app/test_limits.py -k lease

A survivor must be killed by a better test, or be explained in ``SURVIVORS.md``: a heading ``## module`` and a table
with a row ``| `mutant` | why no test can tell it from the original |``. Ends with 1 when one is not.
"""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

from tests.mutation.running import judged
from tests.mutation.targets import TARGETS

EXPLAINED = Path("tests/mutation/SURVIVORS.md")


def main(arguments: list[str]) -> int:
    """Try all mutants of the modules that are named; return 1 if any survives unexplained."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", help="paths of modules; all of targets.py if none is named")
    parser.add_argument("--tests", nargs=argparse.REMAINDER, default=[], help="pytest's arguments; must come last")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--verbose", action="store_true", help="show which test has killed each mutant")
    options = parser.parse_args(arguments)
    unexplained = 0
    modules = options.modules or list(TARGETS)
    if len(modules) > 1:
        # What is imported for one module must not be there for the next.
        rest = arguments[len(options.modules) :] if options.modules else arguments
        return max(subprocess.run([sys.executable, "-m", "tests.mutation", each, *rest]).returncode for each in modules)
    for module in modules:
        tests = options.tests or TARGETS.get(module)
        if not tests:
            parser.error(f"{module} is not in targets.py: name its tests with --tests")
        unexplained += run(Path(module), tests, options.processes, verbose=options.verbose)
    return 1 if unexplained else 0


def run(module: Path, tests: list[str], processes: int, *, verbose: bool) -> int:
    """Try all mutants of a module, print the survivors and the sum; return how many are not explained."""
    known = explained(module)
    began_s, count, unexplained, used = time.monotonic(), 0, 0, set[str]()
    for verdict in judged(module, tests, processes):
        count += 1
        name = verdict.mutant.name
        if not verdict.survived:
            if verbose:
                print(f"{module}:{verdict.mutant.line}: {name}: {verdict.why}", flush=True)
        elif name in known:
            used.add(name)
        else:
            unexplained += 1
            print(f"{module}:{verdict.mutant.line}: SURVIVED {name}", flush=True)
    for name in known - used:
        print(f"{module}: explained, but it does not survive: {name}")
    killed = count - unexplained - len(used)
    print(
        f"{module}: {count} mutants, {killed} killed, {len(used)} explained, {unexplained} unexplained, "
        f"{time.monotonic() - began_s:.0f} s",
        flush=True,
    )
    return unexplained


def explained(module: Path) -> set[str]:
    """Return the names of a module's mutants that ``SURVIVORS.md`` explains."""
    if not EXPLAINED.exists():
        return set()
    parts = re.split(r"^## (.+)$", EXPLAINED.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = dict(zip(parts[1::2], parts[2::2], strict=True)).get(str(module), "")
    return {found.replace("\\|", "|") for found in re.findall(r"^\| `(.+?)` \| .+ \|$", text, re.MULTILINE)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
