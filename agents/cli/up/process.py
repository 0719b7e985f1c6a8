"""One child of ``chargebus up``: started in a process group of its own, bound to its parent, logging to a file."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("bound.py")
LOG_KEPT_BYTES = 5_000_000
"""A log that has grown larger becomes ``.log.1``, in place of the last one."""


@dataclass(frozen=True)
class ProcessSpec:
    """What is to run.

    ``stage`` orders the start (0 first) and, backwards, the stop. ``essential`` says that nothing works without it:
    if it dies before the site is ready, ``up`` gives up instead of trying again.
    """

    name: str
    command: tuple[str, ...]
    stage: int
    essential: bool = False


def restart_delay_s(failures: int) -> float:
    """Return how long to wait before the ``failures``-th start again in a row: 0.5 s, doubling, at most 30 s."""
    return float(min(30.0, 0.5 * 2 ** min(failures - 1, 10)))


class Child:
    """A process that has been started."""

    def __init__(self, spec: ProcessSpec, log_path: Path, environment: dict[str, str]) -> None:
        """Start it. Standard output and error go to the end of ``log_path``."""
        self.spec = spec
        self.log_path = log_path
        self.rotate_log()
        command = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), *spec.command]
        with log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    def rotate_log(self) -> None:
        """Put the log aside if it has grown too large, also while the process writes to it.

        It appends, so that it goes on at the beginning of the emptied file; a line that it writes in this very moment
        may be lost.
        """
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_KEPT_BYTES:
            shutil.copyfile(self.log_path, self.log_path.with_suffix(".log.1"))
            os.truncate(self.log_path, 0)
            self._log_start = 0

    @property
    def pid(self) -> int:
        """Its process id, which is also that of its process group."""
        return self._process.pid

    def ended(self) -> int | None:
        """Return its exit code (negative: the signal that killed it), or None while it runs."""
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to whatever it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """Kill it and whatever it has started, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self._process.wait()

    def last_words(self, lines: int = 8) -> Sequence[str]:
        """Return the last lines that this run has logged."""
        with self.log_path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, size - 8192))
            text = log.read().decode("utf-8", "replace")
        return [line for line in text.splitlines() if line.strip()][-lines:]


def how_it_ended(code: int) -> str:
    """Say an exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
