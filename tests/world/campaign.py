"""Running worlds: one, with the command that replays it if it fails, or many on several processes."""

import multiprocessing
import signal
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tests.world.checks.base import Violation
from tests.world.faults import KINDS
from tests.world.world import Outcome, Plan, World


@dataclass(frozen=True)
class Result:
    """How a world went."""

    plan: Plan
    outcome: Outcome | None
    problem: str
    trace: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return self.outcome is not None

    @property
    def text(self) -> str:
        """The outcome, or the problem and the one command that shows it again."""
        if self.outcome is not None:
            return str(self.outcome)
        return f"{self.problem}\nreplay: {replay_command(self.plan)}"


def replay_command(plan: Plan) -> str:
    """Return the command that runs exactly this world."""
    parts = ["python -m tests.world", f"--seed {plan.seed}"]
    if plan.chargers != Plan.chargers:
        parts.append(f"--chargers {plan.chargers}")
    if plan.minutes != Plan.minutes:
        parts.append(f"--minutes {plan.minutes:g}")
    if plan.faults != frozenset(KINDS):
        parts.append("--faults " + (",".join(sorted(plan.faults)) or "none"))
    return " ".join(parts)


LONGEST_S = 120
"""A world that takes longer in real time hangs."""


class Hangs(Exception):
    """The code under test runs on and on without letting virtual time pass."""


@contextmanager
def impatience() -> Iterator[None]:
    def alarm(_signal: int, _frame: object) -> None:
        raise Hangs(f"not finished after {LONGEST_S} s of real time: it was here")

    before = signal.signal(signal.SIGALRM, alarm)
    signal.alarm(LONGEST_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run_seed(plan: Plan) -> Result:
    """Run a world to its end or its first violation. An exception of the code under test is a failure too."""
    with impatience(), World(plan) as world:
        try:
            outcome: Outcome | None = world.run()
            problem = ""
        except Violation as violation:
            outcome, problem = None, f"Violation: {violation}"
        except Exception:  # noqa: BLE001 - whatever the code under test raises is a failure of this seed
            outcome, problem = None, f"at {world.loop.now_ms / 1000:.3f} s:\n{traceback.format_exc()}"
        return Result(plan, outcome, problem, tuple(world.trace.lines))


def run_many(plans: list[Plan], processes: int) -> Iterator[Result]:
    """Run worlds, on several processes if more than one is wanted; results come as they are ready."""
    if processes == 1:
        yield from map(run_seed, plans)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(run_seed, plans, chunksize=4)


def campaign(plan: Plan, count: int, processes: int) -> int:
    """Run ``count`` seeds from the plan's on; print each failure and the sum. Return the exit code."""
    plans = [replace(plan, seed=plan.seed + number, keep_trace=0) for number in range(count)]
    began_s = time.monotonic()
    failed = []
    totals: Counter[str] = Counter()
    for result in run_many(plans, processes):
        if result.outcome is None:
            failed.append(result)
            print(result.text, flush=True)
        else:
            for name in ("steps", "events", "sessions", "deaths", "boots"):
                totals[name] += getattr(result.outcome, name)
    took_s = time.monotonic() - began_s
    hours = count * plan.minutes / 60
    print(
        f"{count} seeds, {len(failed)} failed; {hours:.0f} h of {plan.chargers} chargers in {took_s:.0f} s: "
        + ", ".join(f"{totals[name]} {name}" for name in sorted(totals))
    )
    return 1 if failed else 0
