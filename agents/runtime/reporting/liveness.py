"""Tells whoever supervises the process that its event loop lives, and whether it is on the bus.

Told once a second, from the loop itself: a loop that hangs tells nothing.

- The file that ``CHARGEBUS_ALIVE_FILE`` names is written while the agent is connected to the broker, and removed while
  it is not. A container is healthy while the file is there and young.
- systemd (``NOTIFY_SOCKET``) gets ``WATCHDOG=1`` in both cases, as starting the agent again does not bring a broker
  back, and a line for ``systemctl status``.
"""

import contextlib
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from agents.runtime.agent import CannotStart, Clock

TELL_S = 1.0
"""How often it is told."""

ALIVE_FILE, NOTIFY_SOCKET = "CHARGEBUS_ALIVE_FILE", "NOTIFY_SOCKET"
"""Names of environment variables."""


class Tell(Protocol):
    """Takes word of the process; called once a second."""

    def __call__(self, on_bus: bool) -> None:
        """``on_bus`` says whether the agent is connected to the broker."""


class Liveness:
    """Tells it to everybody who wants to know."""

    def __init__(self, tells: tuple[Tell, ...]) -> None:
        """Tell nothing before :meth:`run`."""
        self._tells = tells
        self._on_bus: Callable[[], bool] = lambda: False

    def watch(self, on_bus: Callable[[], bool]) -> None:
        """Ask ``on_bus`` from now on; until then the agent is not on the bus."""
        self._on_bus = on_bus

    async def run(self, clock: Clock) -> None:
        """Tell until cancelled."""
        while True:
            on_bus = self._on_bus()
            for tell in self._tells:
                tell(on_bus)
            await clock.sleep(TELL_S)


def listeners(environment: Mapping[str, str]) -> tuple[Tell, ...]:
    """Return whom ``environment`` asks to be told. Raises :class:`CannotStart` for a file that cannot be written."""
    found: list[Tell] = []
    if environment.get(ALIVE_FILE):
        found.append(_to_file(Path(environment[ALIVE_FILE])))
    if environment.get(NOTIFY_SOCKET):
        found.append(_to_systemd(environment[NOTIFY_SOCKET]))
    return tuple(found)


def _to_file(path: Path) -> Tell:
    try:
        path.touch()
        path.unlink()
    except OSError as error:
        raise CannotStart(f"{ALIVE_FILE}: cannot write {path}: {error.strerror}") from None

    def tell(on_bus: bool) -> None:
        # A file that can no longer be written grows old, which says what there is to say.
        with contextlib.suppress(OSError):
            if on_bus:
                path.touch()
            else:
                path.unlink(missing_ok=True)

    return tell


def _to_systemd(address: str) -> Tell:
    # A name in the abstract namespace begins with @ here, and with a zero byte for the kernel (sd_notify(3)).
    name = f"\0{address[1:]}" if address[0] == "@" else address

    def tell(on_bus: bool) -> None:
        status = "connected to the broker" if on_bus else "not connected to the broker"
        # systemd may be away for a moment, and asks for no answer.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.setblocking(False)
            notify.sendto(f"WATCHDOG=1\nSTATUS={status}".encode(), name)

    return tell
