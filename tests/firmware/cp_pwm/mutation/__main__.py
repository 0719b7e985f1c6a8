"""Mutation of the safety core: every mutant must be killed, or stand in survivors.py with the reason why it lives.

``python -m tests.firmware.cp_pwm.mutation [--sample N] [--seed S] [FILE…]``

Prints who lives without a reason, and the figure. Exit code 0 if all is well, 1 if not. All of it takes some minutes;
with ``--sample`` so many mutants are drawn.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random

from tests.firmware.cp_pwm.mutation.mutator import Mutant
from tests.firmware.cp_pwm.mutation.survivors import SURVIVORS
from tests.firmware.cp_pwm.mutation.trial import Fate, Trial, all_mutants


def run(chosen: list[Mutant], folder: Path) -> tuple[Counter[str], list[Mutant]]:
    """Try mutants; return how many met which fate, and who lives without a reason."""
    fates: Counter[str] = Counter()
    unexplained = []
    trial = Trial(folder)
    for mutant in chosen:
        if mutant.key in SURVIVORS:
            fates["survive, as explained in survivors.py"] += 1
            continue
        fate = trial.fate(mutant)
        fates[fate.value] += 1
        if fate is Fate.SURVIVED:
            unexplained.append(mutant)
            print(mutant, flush=True)
    return fates, unexplained


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="*", metavar="FILE", help="of the core; default: all")
    parser.add_argument("--sample", type=int, help="try so many, drawn")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chosen = [mutant for mutant in all_mutants() if not arguments.files or mutant.file in arguments.files]
    if arguments.sample:
        chosen = Random(arguments.seed).sample(chosen, min(arguments.sample, len(chosen)))
    with tempfile.TemporaryDirectory() as folder:
        fates, unexplained = run(chosen, Path(folder))
    for fate, count in fates.most_common():
        print(f"{count:5} {fate}")
    print(f"{len(chosen):5} mutants, {len(unexplained)} of them live without a reason")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
