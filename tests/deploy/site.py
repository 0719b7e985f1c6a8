"""A whole site as `chargebus up` runs it, for tests, with every process that belongs to it in sight."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.waiting import eventually_sync

ROOT = Path(__file__).parents[2]
CHARGEBUS = (str(Path(sys.executable).with_name("chargebus")),)
MARK = "SITE_OF_TEST"


def environment(mark: str = "", **extra: str) -> dict[str, str]:
    """This machine's environment without the user's own chargebus settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHARGEBUS_")}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return kept | {"PATH": path, "COLUMNS": "160", "NO_COLOR": "1", MARK: mark} | extra


class Site:
    """`chargebus up` in a folder of its own; every process that it starts carries a mark in its environment."""

    def __init__(self, folder: Path, *options: str, program: Sequence[str] = (*CHARGEBUS, "up"), **extra: str) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.out_path = folder / f"up-{self.mark[:6]}.out"
        ports = ("broker", "page", "backend", "backend-api")
        command = [*program, *(part for each in ports for part in (f"--{each}-port", "0")), *options]
        with self.out_path.open("w") as out:
            self.process = subprocess.Popen(
                command, cwd=folder, stdout=out, stderr=out, env=environment(self.mark, **extra)
            )

    @property
    def out(self) -> str:
        return self.out_path.read_text()

    def wait_ready(self, within_s: float = 90) -> Self:
        def ready() -> bool:
            assert self.process.poll() is None, self.out
            return "ready after" in self.out

        eventually_sync(ready, within_s, lambda: f"ready\n{self.account()}")
        return self

    def account(self) -> str:
        """Tell what a test that waits in vain should say: the chargers, what `up` has said, the ends of all logs."""
        logs = sorted(self.folder.rglob("logs/*.log"))
        ends = [f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-6:]) for log in logs]
        return "\n".join([self.run("status").stdout, self.out, *ends])

    def pids(self) -> dict[int, str]:
        """Everything that runs and carries the mark, with its command line."""
        found = {}
        for folder in Path("/proc").iterdir():
            try:
                marked = folder.name.isdecimal() and f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes()
                if marked and (folder / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (OSError, IndexError):
                continue  # It has just ended.
        return found

    def run(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a `chargebus` command in the site's folder."""
        return subprocess.run(
            [*CHARGEBUS, *arguments],
            cwd=self.folder,
            env=environment(**extra),
            capture_output=True,
            text=True,
            timeout=90,
        )

    def signal(self, number: signal.Signals, within_s: float = 30) -> int:
        """Send a signal to `up` alone and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(within_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
