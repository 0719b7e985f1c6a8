"""Finding a TCP port of this machine that nobody listens on."""

import socket

from agents.cli.exits import CliError, ExitCode

LOOPBACK = "127.0.0.1"
"""Where ``up`` listens: a demonstration with open doors is for this machine only."""


def is_free(port: int) -> bool:
    """Tell whether ``port`` can be listened on now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def any_free() -> int:
    """Return a port that the kernel has picked."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def choose(what: str, wanted: int | None, default: int) -> int:
    """Return the port that ``what`` shall listen on.

    A port that the user has asked for must be free, or :class:`CliError` (``CONFIGURATION``) says so. Without a wish
    it is the default if that is free, else any.
    """
    if wanted is None:
        return default if is_free(default) else any_free()
    if wanted == 0:
        return any_free()
    if not is_free(wanted):
        raise CliError(
            ExitCode.CONFIGURATION,
            f"port {wanted} for the {what} is taken by another program; choose another, or 0 for any that is free",
        )
    return wanted
