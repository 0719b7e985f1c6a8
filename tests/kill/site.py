"""A whole site as real processes, each of which can be killed at any moment and started again."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from firmware.sim.visits import CARDS, demo_card
from tests.brokers import RunningBroker
from tests.integration.ear import SITE
from tests.processes import ROOT, start_agent

CHARGERS = 6
SPEED = 4.0
"""World seconds per real second: sessions of a few seconds become shorter ones."""


class EndedByItself(AssertionError):
    """A process that nobody had killed is no longer there."""


class Member:
    """One process of the site. Only what was started here is ever killed."""

    def __init__(self, name: str, log: Path, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self.name = name
        self.starts = 0
        self._log = log
        self._start = start
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert self._process is None, f"{self.name} runs already"
        self.starts += 1
        self._process = self._start()

    def kill(self) -> None:
        """``kill -9``; does nothing if it does not run. Raises :class:`EndedByItself`."""
        self.check()
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def stop(self, within_s: float = 15) -> int:
        """Ask it to end; return its exit code."""
        self.check()
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(within_s)
        self._process = None
        return code

    def check(self) -> None:
        """Raise :class:`EndedByItself` if it has ended without being told."""
        if self._process is not None and self._process.poll() is not None:
            raise EndedByItself(
                f"{self.name} ended by itself with {self._process.returncode}:\n{self._log.read_text()[-4000:]}"
            )

    def end(self) -> None:
        """Kill it without a question: for the end of the test."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


class KillSite:
    """Broker, ledger, access and virtual chargers."""

    def __init__(self, folder: Path, broker: RunningBroker, seed: int) -> None:
        self.folder = folder
        self.broker = broker
        self.cars = folder / "chargers"
        self.ledger_file = folder / "data" / "ledger.sqlite3"
        self.timeline: list[str] = []
        self._began_s = time.monotonic()
        self._drivers = "quick"
        self._seed = seed
        self._write_config()
        self.ledger, self.access = self._agent("ledger"), self._agent("access")
        self.chargers = Member("chargers", folder / "chargers.log", self._start_chargers)

    def _write_config(self) -> None:
        cards = ", ".join(f'{{uid = "{demo_card(number)}", name = "driver {number}"}}' for number in range(CARDS))
        (self.folder / "site.toml").write_text(
            f'site = "{SITE}"\ndata_dir = "data"\n'
            f'[broker]\nhost = "{self.broker.host}"\nport = {self.broker.port}\nkeepalive_s = 5\n'
            f"[access]\ncards = [{cards}]\n"
        )

    def _agent(self, name: str) -> Member:
        log = self.folder / f"{name}.log"
        return Member(name, log, lambda: start_agent(name, self.folder / "site.toml", log))

    def _start_chargers(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "firmware.sim", "--site", SITE, "--host", self.broker.host]
        command += ["--port", str(self.broker.port), "--chargers", str(CHARGERS), "--data", str(self.cars)]
        command += ["--speed", str(SPEED), "--drivers", self._drivers, "--seed", str(self._seed)]
        with (self.folder / "chargers.log").open("ab") as output:
            return subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)

    def note(self, text: str) -> None:
        """Add to the timeline."""
        self.timeline.append(f"{time.monotonic() - self._began_s:7.2f} s  {text}")

    def start(self) -> None:
        for member in (self.ledger, self.access, self.chargers):
            member.start()

    async def kill(self, name: str, down_s: float) -> None:
        """Kill one, leave it dead for so long, start it again without waiting until it is ready."""
        self.note(f"kill -9 {name}, dead for {down_s:.2f} s")
        if name == "broker":
            await asyncio.to_thread(self.broker.kill)
            await asyncio.sleep(down_s)
            await asyncio.to_thread(self.broker.restart)
            return
        member: Member = getattr(self, name)
        await asyncio.to_thread(member.kill)
        await asyncio.sleep(down_s)
        member.start()

    async def nobody_comes_any_more(self) -> None:
        """Kill the chargers once more and start them without drivers: cars that stand there are gone."""
        self.note("the last kill: chargers, started again without drivers")
        await asyncio.to_thread(self.chargers.kill)
        self._drivers = "none"
        self.chargers.start()

    def check(self) -> None:
        for member in (self.ledger, self.access, self.chargers):
            member.check()

    def end(self) -> None:
        for member in (self.ledger, self.access, self.chargers):
            member.end()
