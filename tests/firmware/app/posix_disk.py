"""A disk below POSIX's promises: what is not pushed out may be gone after a power loss, or only half of it there.

Contents last from ``fsync`` of the file on, names from ``fsync`` of the folder on; before that both the old and the new
are possible after a power loss, each by itself.
"""

import itertools
import os as real_os
from collections.abc import Iterator
from types import SimpleNamespace

FOLDER = 1


class PowerLost(BaseException):
    """The power went; no ``except`` of the firmware may hold that up."""


class Inode:
    """A file's content: what programs see, and what lasts."""

    def __init__(self) -> None:
        self.seen = b""
        self.lasting = b""

    def outcomes(self) -> set[bytes]:
        """Return what may be there after a power loss: what lasts, what is seen, and half of what was added to it."""
        kept = self.lasting if self.seen.startswith(self.lasting) else b""
        return {self.lasting, self.seen, self.seen[: (len(kept) + len(self.seen)) // 2]}


class PosixDisk:
    """Stands for ``os`` and ``open``. The power goes at step ``lose_at``, counted from 0; None for never."""

    def __init__(self, lose_at: int | None = None) -> None:
        self.names: dict[str, Inode] = {}
        self.lasting: dict[str, Inode] = {}
        self.steps = 0
        self.lose_at = lose_at
        self._numbers: dict[int, Inode] = {}
        self.os = SimpleNamespace(
            rename=self._rename,
            remove=self._remove,
            stat=self._stat,
            fsync=self._fsync,
            open=lambda path, flags: FOLDER,
            close=lambda number: None,
            O_RDONLY=real_os.O_RDONLY,
            O_DIRECTORY=real_os.O_DIRECTORY,
        )

    def after_power_loss(self) -> Iterator[dict[str, bytes]]:
        """Yield every way in which the folder may be found."""
        for names in (self.lasting, self.names):
            inodes = list(names.values())
            for contents in itertools.product(*(inode.outcomes() for inode in inodes)):
                yield dict(zip(names, contents, strict=True))

    def open(self, path: str, mode: str) -> "Handle":
        """Open like the built-in."""
        if mode == "rb" and path not in self.names:
            raise OSError(2, "no such file")
        self._step()
        inode = self.names.setdefault(path, Inode())
        if mode == "wb":
            inode.seen = b""
        number = len(self._numbers) + 10
        self._numbers[number] = inode
        return Handle(self, inode, number)

    def _step(self) -> None:
        if self.steps == self.lose_at:
            raise PowerLost
        self.steps += 1

    def _rename(self, old: str, new: str) -> None:
        self._step()
        self.names[new] = self.names.pop(old)

    def _remove(self, path: str) -> None:
        if path not in self.names:
            raise OSError(2, "no such file")
        self._step()
        del self.names[path]

    def _stat(self, path: str) -> tuple[int, ...]:
        if path not in self.names:
            raise OSError(2, "no such file")
        return (0,) * 6 + (len(self.names[path].seen),)

    def _fsync(self, number: int) -> None:
        self._step()
        if number == FOLDER:
            self.lasting = dict(self.names)
        else:
            self._numbers[number].lasting = self._numbers[number].seen


class Handle:
    """An open file; what is written is seen with ``flush``."""

    def __init__(self, disk: PosixDisk, inode: Inode, number: int) -> None:
        self._disk, self._inode, self._number = disk, inode, number
        self._buffer = b""

    def __enter__(self) -> "Handle":
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def read(self) -> bytes:
        return self._inode.seen

    def write(self, data: bytes) -> None:
        self._buffer += data

    def flush(self) -> None:
        if self._buffer:
            self._disk._step()
            self._inode.seen += self._buffer
            self._buffer = b""

    def fileno(self) -> int:
        return self._number
