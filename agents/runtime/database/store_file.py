"""The file of a SQLite database: whether it is whole, whether it is still there, and setting it aside when it is not.

Nothing is ever deleted here. A file that cannot be used is renamed (``ledger.sqlite3.damaged-20261130T221500Z``) with
what belongs to it, and a note beside the new one (``ledger.sqlite3.loss.json``) says what happened until a person
removes it.
"""

import contextlib
import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

CHECKED_BYTES = 256 * 1024 * 1024
"""Largest file that is read as a whole at the start; in a larger one damage is found when it is met."""

_COMPANIONS = ("", "-wal", "-shm")

FileId = tuple[int, int]
"""Device and inode: what an open file is known by, whatever its name says."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What became of a database, for the alarm about it."""

    at_ms: int
    """When it was found, UTC in milliseconds."""
    text: str
    """What happened to which file."""
    note: str
    """The file that keeps this; removing it ends the alarm."""


class StoreFile:
    """One SQLite database as a file."""

    def __init__(self, path: Path) -> None:
        """Look after the database at ``path``."""
        self.path = path
        self._seen = path.with_name(f"{path.name}.seen")
        self._suspect = path.with_name(f"{path.name}.suspect")
        self._note = path.with_name(f"{path.name}.loss.json")

    def identity(self) -> FileId | None:
        """Return what the file is known by, None if there is none of this name."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return (status.st_dev, status.st_ino)

    def damage(self) -> str | None:
        """Say in words why the file is no usable database; None if it is one, or there is none.

        Raises :class:`sqlite3.OperationalError` and :class:`OSError` where it cannot be looked at.
        """
        if not self.path.exists():
            return None
        if self._suspect.exists():
            return self._suspect.read_text(encoding="utf-8")[:200]
        size = self.path.stat().st_size
        if not size:
            return None
        # Read and write: SQLite must be able to take in the write-ahead log of a process that was killed.
        with contextlib.closing(sqlite3.connect(self.path, timeout=5.0)) as connection:
            connection.text_factory = _lenient
            try:
                if size > CHECKED_BYTES:
                    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                    return None
                found = connection.execute("PRAGMA quick_check(1)").fetchone()
            except sqlite3.OperationalError as error:
                # The statement is right: where SQLite calls it wrong (an unknown file format), the file is.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_ERROR:
                    raise
                return str(error)
            except sqlite3.DatabaseError as error:
                return str(error)
            except UnicodeDecodeError:
                # Python's, about an error's text that quotes the file.
                return "its schema is not text"
        return None if found is None or found[0] == "ok" else str(found[0])[:200]

    def was_deleted(self) -> bool:
        """Tell whether there was a database here and is none now, or an empty file."""
        return self._seen.exists() and (not self.path.exists() or not self.path.stat().st_size)

    def mark_seen(self) -> None:
        """Remember beside it that there is a database here."""
        self._seen.touch()

    def suspect(self, why: str) -> None:
        """Remember that SQLite has met damage while it was in use: the next start need not find it again."""
        with contextlib.suppress(OSError):
            self._suspect.write_text(why, encoding="utf-8")

    def set_aside(self, why: str, now_ms: int) -> Loss:
        """Rename a damaged file and what belongs to it, and note it. Raises :class:`OSError`."""
        stamp = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
        name, number = f"{self.path.name}.damaged-{stamp}", 1
        while any(self.path.with_name(name + end).exists() for end in _COMPANIONS):
            number += 1
            name = f"{self.path.name}.damaged-{stamp}-{number}"
        for end in _COMPANIONS:
            companion = self.path.with_name(self.path.name + end)
            if companion.exists():
                companion.rename(self.path.with_name(name + end))
        self._suspect.unlink(missing_ok=True)
        return self._keep(
            f"The database {self.path} was damaged ({why}) and is now {name}; a new one was begun.", now_ms
        )

    def note_deletion(self, now_ms: int) -> Loss:
        """Note that the file is gone, and keep what its absence would spoil for a new one out of its way."""
        for end in _COMPANIONS[1:]:
            companion = self.path.with_name(self.path.name + end)
            if companion.exists():
                companion.rename(self.path.with_name(f"{self.path.name}.deleted-{now_ms}{end}"))
        return self._keep(f"The database {self.path} was deleted or emptied by somebody; a new one was begun.", now_ms)

    def loss(self) -> Loss | None:
        """Return what is noted, None if nothing is or the note cannot be read."""
        try:
            noted = json.loads(self._note.read_text(encoding="utf-8"))
            return Loss(int(noted["at_ms"]), str(noted["text"]), str(self._note))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _keep(self, text: str, now_ms: int) -> Loss:
        self._note.write_text(json.dumps({"at_ms": now_ms, "text": text}), encoding="utf-8")
        return Loss(now_ms, text, str(self._note))


def _lenient(raw: bytes) -> str:
    return raw.decode(errors="replace")
