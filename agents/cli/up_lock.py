"""One ``up`` per data folder: a lock that the kernel releases when its holder ends, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from agents.cli.exits import CliError, ExitCode

LOCK_NAME = "lock"
"""Name of the lock file in the data folder. The lock on it is what counts; after a kill -9 the file may be left."""


@contextmanager
def held(data: Path) -> Iterator[None]:
    """Hold the data folder. Raises :class:`CliError` (``FAILED``) if another ``up`` holds it.

    The file descriptor is not inherited by child processes, so that a child that outlives its supervisor for a
    moment does not hold the folder.
    """
    path = data / LOCK_NAME
    file = _locked(path)
    if file is None:
        raise CliError(
            ExitCode.FAILED,
            f"another `chargebus up` already runs in {data}; stop it first (Ctrl-C there), or give --data a folder "
            "of its own",
        )
    with file:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _locked(path: Path) -> IO[str] | None:
    """Return the lock file, locked, or None if somebody else has it."""
    while True:
        file = path.open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        try:
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                return file
        except FileNotFoundError:
            pass
        file.close()  # The holder before us has removed it in this moment; what we hold is nobody's lock.


def is_held(data: Path) -> bool:
    """Tell whether an ``up`` runs in this folder now."""
    try:
        with (data / LOCK_NAME).open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
