"""``python -m tests.world.balancing``: replay a seed, or run a campaign of many."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from tests.world.balancing import Scenario, many, run

FIELDS = ("boots", "deaths", "looks", "orders", "sessions", "twos", "changes")
PROGRESS = 100
"""Scenarios after which a campaign says how far it is."""


def main(arguments: list[str]) -> int:
    """Do what the arguments say; return 1 if a scenario failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.world.balancing", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long there is trouble")
    parser.add_argument("--campaign", type=int, default=0, help="run so many seeds, from --seed on")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--twin", choices=("none", "foreign", "same"))
    parser.add_argument("--planner", choices=("real", "random"))
    parser.add_argument("--changing", action=argparse.BooleanOptionalAction, help="settings change at restarts")
    parser.add_argument("--no-faults", action="store_true")
    parser.add_argument("--settle", action="store_true", help="go on for a while after the trouble")
    parser.add_argument("--trace", type=int, default=0)
    options = parser.parse_args(arguments)
    base = Scenario(options.seed, options.minutes, twin=options.twin, planner=options.planner, settle=options.settle)
    base = replace(base, changing=options.changing)
    if options.no_faults:
        base = replace(base, faults=frozenset())
    if options.campaign:
        return campaign([replace(base, seed=base.seed + n) for n in range(options.campaign)], options.processes)
    began_s = time.process_time()
    result = run(replace(base, keep_trace=options.trace))
    print(*result.trace, sep="\n")
    print(result.outcome or result.problem)
    print(f"{time.process_time() - began_s:.2f} s of one core")
    return 0 if result.outcome else 1


def campaign(scenarios: Sequence[Scenario], processes: int) -> int:
    """Run many scenarios; print each failure, now and then how far it is, and the sum."""
    failed, totals, fullest, began_s = 0, Counter[str](), 0.0, time.monotonic()
    for done, result in enumerate(many(scenarios, processes), 1):
        if result.outcome is None:
            failed += 1
            print(f"seed {result.scenario.seed}: {result.problem}", flush=True)
        else:
            fullest = max(fullest, result.outcome.fullest)
            totals.update({name: getattr(result.outcome, name) for name in FIELDS})
        if done % PROGRESS == 0 or done == len(scenarios):
            sums = ", ".join(f"{totals[name]} {name}" for name in FIELDS)
            print(
                f"{done} of {len(scenarios)} scenarios of {scenarios[0].minutes:g} min from seed {scenarios[0].seed}, "
                f"{failed} failed, {time.monotonic() - began_s:.0f} s: {sums}; a limit was used up to "
                f"{100 * fullest:.1f} %",
                flush=True,
            )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
