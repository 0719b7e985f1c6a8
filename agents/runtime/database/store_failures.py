"""Which database errors a retry may mend, and what an operator should be told about them."""

import sqlite3
from collections.abc import Mapping

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

_SQLITE: Mapping[int, str] = {
    sqlite3.SQLITE_BUSY: "locked by another process; is a second copy of this agent running?",
    sqlite3.SQLITE_LOCKED: "locked by another connection of this process",
    sqlite3.SQLITE_FULL: "the disk is full; make room",
    sqlite3.SQLITE_IOERR: "the disk reports an input/output error; check the disk",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; check that its folder exists and may be written",
    sqlite3.SQLITE_READONLY: "the file may not be written; check its owner and permissions",
}

_POSTGRESQL: Mapping[str, str] = {
    "08": "the connection was lost",
    "40": "another transaction was in the way",
    "53": "the server is out of resources (disk, memory or connections)",
    "55": "an object is in use by someone else",
    "57": "the server is stopping or starting, or cancelled the query",
    "58": "the server reports a system error (disk)",
}


_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def words_for(error: sqlite3.Error) -> str:
    """Return what an operator should be told about an error of SQLite: its own words where we have no better ones."""
    return _SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, str(error))


def is_damage(error: DBAPIError) -> bool:
    """Tell whether SQLite says that the file is no usable database."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return isinstance(error.orig, sqlite3.DatabaseError) and code is not None and code & 0xFF in _DAMAGED


def reason_to_retry(error: DBAPIError) -> str | None:
    """Return in words why the database is unavailable, or None if the same work would fail again."""
    cause = error.orig
    # Extended codes (SQLITE_BUSY_SNAPSHOT, SQLITE_IOERR_WRITE) carry the primary one in their low byte.
    if isinstance(cause, sqlite3.OperationalError):
        code = getattr(cause, "sqlite_errorcode", None)
        return None if code is None else _SQLITE.get(code & 0xFF)
    state = getattr(cause, "sqlstate", None)
    if isinstance(state, str):
        return _POSTGRESQL.get(state[:2])
    if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
        # No SQLSTATE: the server was not reached, or went away in the middle. The driver's first line says which.
        return str(cause).strip().splitlines()[0][:200] if str(cause).strip() else "the connection was lost"
    return None
