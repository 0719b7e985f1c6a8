"""Replay one world, or run a campaign of many: ``python -m tests.world --seed 7``, ``--campaign 2000``."""

import argparse
import sys
import time

from tests.world.campaign import campaign, run_seed
from tests.world.faults import KINDS
from tests.world.world import Plan


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.world", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the world to run, or the first of a campaign")
    parser.add_argument("--chargers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=15.0, help="length of the trouble, in virtual minutes")
    parser.add_argument("--hours", type=float, default=0.0, help="the same in hours")
    parser.add_argument(
        "--faults", default="all", help=f"'all', 'none', or some of {','.join(KINDS)}, separated by commas"
    )
    parser.add_argument("--trace", type=int, default=0, help="print so many of the last lines of what happened")
    parser.add_argument("--campaign", type=int, default=0, help="run so many seeds, from --seed on, and count failures")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args(arguments)


def plan_of(options: argparse.Namespace) -> Plan:
    named = {"all": KINDS, "none": ()}.get(options.faults) or tuple(filter(None, options.faults.split(",")))
    kinds = frozenset(() if options.faults == "none" else named)
    if unknown := kinds - set(KINDS):
        raise SystemExit(f"unknown faults {sorted(unknown)}; there are: {', '.join(KINDS)}")
    minutes = options.hours * 60 or options.minutes
    return Plan(options.seed, options.chargers, minutes, kinds, keep_trace=options.trace)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    plan = plan_of(options)
    if options.campaign:
        return campaign(plan, options.campaign, options.processes)
    began_s = time.process_time()
    result = run_seed(plan)
    for line in result.trace:
        print(line)
    print(result.text)
    print(f"{time.process_time() - began_s:.2f} s of one core")
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
