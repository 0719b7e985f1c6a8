"""Two networks of a test's own, joined by a cable: one with the site's machine, one with its devices.

What is done there (packet filters, floods) touches no network of this machine. Needs root.
"""

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.missing import missing
from tests.waiting import eventually_sync

SITE = "10.9.0.1"
"""Address of the site's machine."""
DEVICES = ("10.9.0.2", "10.9.0.3", "10.9.0.4", "10.9.0.5")
"""Addresses of devices."""


def check_networks() -> None:
    """Skip the test, or fail it where nothing may be skipped, unless networks can be made here."""
    if os.geteuid() != 0:
        missing("root, who alone can make networks")
    for program in ("ip", "nft", "nsenter", "unshare"):
        if shutil.which(program) is None:
            missing(program)


class Networks:
    """They exist while it is entered."""

    def __enter__(self) -> Self:
        self._site, self._devices = _network(), _network()
        try:
            for process in (self._site, self._devices):
                eventually_sync(lambda pid=process.pid: _is_apart(pid), 10, "a network of its own")  # type: ignore[misc]
            site, devices = str(self._site.pid), str(self._devices.pid)
            _run("ip", "link", "add", "site", "netns", site, "type", "veth", "peer", "name", "device", "netns", devices)
            for address in ("127.0.0.1/8 dev lo", f"{SITE}/24 dev site"):
                _run(*self.at_site("ip", "address", "replace", *address.split()))
            for address in DEVICES:
                _run(*self.at_devices("ip", "address", "add", f"{address}/24", "dev", "device"))
            for name in ("lo", "site"):
                _run(*self.at_site("ip", "link", "set", name, "up"))
            _run(*self.at_devices("ip", "link", "set", "device", "up"))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        for process in (self._site, self._devices):
            process.kill()
            process.wait()

    @property
    def devices_pid(self) -> int:
        """A process in the devices' network."""
        return self._devices.pid

    def at_site(self, *command: str) -> list[str]:
        """Return the command that runs ``command`` on the site's machine."""
        return in_network_of(self._site.pid, *command)

    def at_devices(self, *command: str) -> list[str]:
        """Return the command that runs ``command`` where the devices are."""
        return in_network_of(self._devices.pid, *command)


def in_network_of(pid: int, *command: str) -> list[str]:
    """Return the command that runs ``command`` in the network of a process."""
    return ["nsenter", "--target", str(pid), "--net", *command]


def _network() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(["unshare", "--net", "sleep", "3600"])


def _is_apart(pid: int) -> bool:
    return Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=10)
