"""The other half of a measurement, in a process of its own: it says lines and goes on when it is told to."""

import asyncio
import subprocess
import sys
from types import TracebackType
from typing import Self

from tests.networks import in_network_of


class Child:
    """``python -m MODULE ARGUMENTS…`` that prints a line when it has done a part, and waits for one before the next."""

    def __init__(self, module: str, *arguments: str, network_of: int | None = None) -> None:
        """Start it; in the network of a process, where one is named."""
        command = [sys.executable, "-m", module, *arguments]
        if network_of is not None:
            command = in_network_of(network_of, *command)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    async def line(self) -> str:
        """Return its next line."""
        assert self._process.stdout is not None
        return (await asyncio.to_thread(self._process.stdout.readline)).strip()

    def go_on(self) -> None:
        """Let it go on."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(20)
