"""Runs stages of ``tests/stages.py``: ``python -m tests.running [STAGE…]``; see ``tests/run.sh``.

Everything that a step prints is kept in ``artefacts/results/STEP.log`` and shown when the step has ended, or at once
while nothing runs beside it. How it ended is in ``STEP.json``: see :class:`Ended`. ``tests/summary.py`` adds it up.

No step has a time by which it must have ended: on a slow machine everything takes long. What is stopped is a step that
has printed nothing for :data:`SILENT_S`; every single test has a time limit of its own, far below that.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from tests import summary
from tests.stages import AT_ONCE, ORDER, RESULTS, ROOT, STAGES, Lane, Stage, Step

SILENT_S = 1800.0
"""No test may take longer than 900 s, and each that ends prints a dot."""
LOOK_EVERY_S = 0.1
GRACE_S = ((signal.SIGINT, 30.0), (signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))
"""How a step is stopped: each signal, and how long it has to end by it. Pytest tidies up after the first."""
NICENESS = 10
"""Of what computes, beside what waits."""


@dataclass(frozen=True)
class Ended:
    """How a step ended."""

    step: str
    stage: str
    code: int
    why: str
    """``ok``, or what went wrong."""
    wall_s: float
    cpu_s: float
    """Of all its processes, as far as they have been waited for; what runs in a container is not among them."""
    skipped: str = ""
    """Why it did not run."""


class Console:
    """Standard output, written to by several lanes, a whole block at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def write(self, data: bytes) -> None:
        with self._lock:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    def line(self, text: str) -> None:
        self.write(f"{text}\n".encode())


class Running:
    """A command with everything that belongs to it: its session of processes and its output."""

    def __init__(
        self, command: Sequence[str], environment: dict[str, str], log: IO[bytes], echo: Console | None
    ) -> None:
        self.heard_s = time.monotonic()
        self._log, self._echo = log, echo
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.code: int | None = None
        self.cpu_s = 0.0

    def _read(self) -> None:
        output = self._process.stdout
        assert output is not None
        while data := os.read(output.fileno(), 65_536):
            self.heard_s = time.monotonic()
            self._log.write(data)
            if self._echo is not None:
                self._echo.write(data)

    def ended(self) -> bool:
        """Tell whether it has ended; then ``code`` and ``cpu_s`` are known."""
        if self.code is None:
            pid, status, used = os.wait4(self._process.pid, os.WNOHANG)
            if pid == 0:
                return False
            self.code = self._process.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_s = used.ru_utime + used.ru_stime
        return True

    def read_out(self) -> None:
        """Wait until what it has printed is read; not for ever, as what it has left running may hold the pipe open."""
        self._reader.join(5)

    def stop(self) -> None:
        """End it with all its processes."""
        for number, within_s in GRACE_S:
            ends_s = time.monotonic() + within_s
            while self._signal(number if number is not None else 0) and time.monotonic() < ends_s:
                number = None  # Once; then only look whether there is still one.
                self.ended()
                time.sleep(LOOK_EVERY_S)
        self.ended()

    def _signal(self, number: int) -> bool:
        """Send a signal to all its processes; tell whether there were any."""
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return False
        return True


class Lanes:
    """Runs the chosen stages, lane beside lane."""

    def __init__(
        self,
        stages: Sequence[Stage],
        results: Path,
        console: Console,
        environment: dict[str, str],
        silent_s: float = SILENT_S,
    ) -> None:
        self._stages = stages
        self._results, self._console, self._environment = results, console, environment
        self._silent_s = silent_s
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        """Told when a step has ended; guards the steps that are left, and what is held."""
        self._held: set[str] = set()
        """What running steps have for themselves (:attr:`Step.apart`)."""

    def run(self) -> bool:
        """Run them all; tell whether nobody has stopped that."""
        for lanes in ORDER:
            threads = self._threads(lanes)
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return not self._stopping.is_set()

    def stop(self) -> None:
        """Let :meth:`run` stop what runs, begin nothing else and return. May be called by a signal's handler."""
        self._stopping.set()

    def _threads(self, lanes: tuple[Lane, ...]) -> list[threading.Thread]:
        """Return what works off the steps of these lanes."""
        to_do = {lane: deque(self._steps_of(lane)) for lane in lanes}
        only = sum(min(AT_ONCE[lane], len(steps)) for lane, steps in to_do.items()) == 1
        return [
            threading.Thread(target=self._work_off, args=(lane, steps, only))
            for lane, steps in to_do.items()
            for _ in range(AT_ONCE[lane])
        ]

    def _steps_of(self, lane: Lane) -> Iterator[tuple[Stage, Step]]:
        for stage in self._stages:
            if stage.lane is not lane:
                continue
            if stage.needs is not None and not (ROOT / stage.needs).exists():
                self._note(Ended(stage.name, stage.name, 0, "skipped", 0.0, 0.0, f"missing: {stage.needs}"))
                continue
            yield from ((stage, step) for step in stage.steps())

    def _work_off(self, lane: Lane, steps: deque[tuple[Stage, Step]], only: bool) -> None:
        nice = ("nice", "-n", str(NICENESS)) if lane is Lane.COMPUTING and not only and shutil.which("nice") else ()
        while (found := self._next(steps)) is not None:
            stage, step = found
            self._step(stage, step, nice, only)
            with self._changed:
                self._held.discard(step.apart)
                self._changed.notify_all()

    def _next(self, steps: deque[tuple[Stage, Step]]) -> tuple[Stage, Step] | None:
        """Take the first step that may run now, waiting for one if need be; None when there is nothing left to run."""
        with self._changed:
            while steps and not self._stopping.is_set():
                for number, (stage, step) in enumerate(steps):
                    if step.apart not in self._held:
                        del steps[number]
                        if step.apart:
                            self._held.add(step.apart)
                        return stage, step
                self._changed.wait(LOOK_EVERY_S)
        return None

    def _note(self, ended: Ended) -> None:
        (self._results / f"{ended.step}.json").write_text(json.dumps(asdict(ended)))

    def _step(self, stage: Stage, step: Step, nice: tuple[str, ...], only: bool) -> None:
        log_path = self._results / f"{step.name}.log"
        began_s = time.monotonic()
        if only:
            self._console.line(f"\n=== {step.name}")
        with log_path.open("wb", buffering=0) as log:
            running = Running(
                (*nice, *step.command), self._environment | dict(step.environment), log, self._console if only else None
            )
            why = self._watch(running)
            running.read_out()
        code = running.code if running.code is not None else -1
        if not why:
            why = "ok" if code == 0 else f"FAILED with exit code {code}"
        ended = Ended(step.name, stage.name, code or (why != "ok"), why, time.monotonic() - began_s, running.cpu_s)
        self._note(ended)
        block = b"" if only else f"\n=== {step.name}\n".encode() + log_path.read_bytes()
        line = f"  {step.name}: {ended.wall_s:.0f} s, {ended.cpu_s:.0f} s of the processor, {ended.why}\n"
        self._console.write(block + line.encode())

    def _watch(self, running: Running) -> str:
        """Wait for its end, or bring it about; return why that was necessary."""
        while not running.ended():
            if self._stopping.is_set():
                running.stop()
                return "FAILED: interrupted"
            if time.monotonic() - running.heard_s > self._silent_s:
                running.stop()
                return f"FAILED: stopped, it had printed nothing for {self._silent_s:.0f} s"
            time.sleep(LOOK_EVERY_S)
        return ""


def seed_of_the_run() -> int:
    """Return what decides which worlds are tried: CHARGEBUS_SEED, or else a number that the commit gives."""
    if given := os.environ.get("CHARGEBUS_SEED"):
        return int(given)
    git = ("git", "rev-parse", "--short=4", "HEAD")
    try:
        return int(subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout[:4], 16)
    except (OSError, subprocess.CalledProcessError):
        return 0


def chosen(names: Sequence[str]) -> list[Stage]:
    """Return the stages of these names, or those that run by themselves. Raises ValueError."""
    if not names:
        return [stage for stage in STAGES if stage.by_default]
    known = {stage.name: stage for stage in STAGES}
    for name in names:
        if name not in known:
            raise ValueError(f"no stage '{name}'; there are: {' '.join(known)}")
    return [stage for stage in STAGES if stage.name in names]


def environment(seed: int) -> dict[str, str]:
    """Return what all steps get to know."""
    return os.environ | {
        "CHARGEBUS_SEED": str(seed),
        "PYTHONUNBUFFERED": "1",
        # For testcontainers: no other container that would have to be pulled, and mapped ports on this machine.
        "TESTCONTAINERS_RYUK_DISABLED": "true",
        "TESTCONTAINERS_HOST_OVERRIDE": os.environ.get("TESTCONTAINERS_HOST_OVERRIDE", "localhost"),
        "TESTCONTAINERS_CONNECTION_MODE": os.environ.get("TESTCONTAINERS_CONNECTION_MODE", "docker_host"),
    }


def main(arguments: Sequence[str]) -> int:
    try:
        stages = chosen(arguments)
    except ValueError as error:
        print(f"tests/run.sh: {error}", file=sys.stderr)
        return 2
    results = ROOT / RESULTS
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    seed = seed_of_the_run()
    console = Console()
    console.line(f"seed of this run: {seed} (CHARGEBUS_SEED={seed} repeats it)")
    began_s = time.monotonic()
    lanes = Lanes(stages, results, console, environment(seed))
    for number in (signal.SIGINT, signal.SIGTERM):
        # No exception: Thread.join() of Python 3.11 that one interrupts takes the thread for ended.
        signal.signal(number, lambda *_: lanes.stop())
    whole = lanes.run()
    code = summary.summarise(results, time.monotonic() - began_s, whole)
    return code if whole else 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
