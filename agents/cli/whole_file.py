"""Files that are there as a whole or not at all."""

import os
from pathlib import Path

KEPT = ".before-upgrade"
"""What the name of a file of an earlier version ends with after it was changed or set aside."""


def write_whole(path: Path, data: bytes, mode: int) -> None:
    """Write a file so that a power loss leaves the old one or the new one; its rights hold from the first moment.

    Raises :class:`OSError`.
    """
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)  # The umask must not take away what was asked for.
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names that were given in a folder survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
