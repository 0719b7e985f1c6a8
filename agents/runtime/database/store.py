"""An agent's own database: SQLite by default, PostgreSQL in production.

::

    store = Store("sqlite:///data/ledger.sqlite3", migrations="agents.ledger.migrations")
    store.upgrade()
    count = await store.run(lambda session: session.scalar(select(func.count(EventRow.id))))

A migrations package holds Alembic revision files and nothing else (no ``env.py``, no ini file). Each agent has its
own version table, so that several agents can share one PostgreSQL database.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from agents.runtime.database.revision import is_newest
from agents.runtime.database.store_errors import DatabaseDamaged, NewerDatabase, StoreUnavailable, StoreUrlError
from agents.runtime.database.store_failures import is_damage, reason_to_retry, words_for
from agents.runtime.database.store_file import FileId, Loss, StoreFile

__all__ = ["DatabaseDamaged", "NewerDatabase", "Store", "StoreUnavailable", "StoreUrlError"]

T = TypeVar("T")

SQLITE_BUSY_TIMEOUT_MS = 5000
"""How long SQLite waits for another process's write transaction before it gives up."""

POSTGRESQL_CONNECT_TIMEOUT_S = 5
"""How long a connection attempt to PostgreSQL may take."""


class Store:
    """One database, used by one agent, one transaction at a time."""

    def __init__(self, url: str | URL, migrations: str | None = None, *, threaded: bool = True) -> None:
        """Prepare; nothing is opened yet.

        ``url`` is ``sqlite:///path``, ``sqlite://`` (in memory) or ``postgresql://user:password@host/database``.
        ``migrations`` is the import path of the agent's migrations. With ``threaded`` the transactions run on a
        worker thread; without, inside :meth:`run` itself, which a deterministic test wants.

        Raises :class:`StoreUrlError`.
        """
        self.url = _usable_url(url)
        self._migrations = migrations
        self._engine = _engine(self.url)
        self._file = _file_of(self.url)
        self._opened: FileId | None = None
        self.damage: DatabaseDamaged | None = None
        """Why the database cannot be used any more, once that was found."""
        if self._file is not None:
            event.listen(self._engine, "connect", self._note_opened)
        # One thread: transactions of an agent never wait for each other's locks and commit in the order of run().
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="store") if threaded else None

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine, for what :meth:`run` cannot do (a benchmark, a backup)."""
        return self._engine

    def recover(self, now_ms: int) -> Loss | None:
        """Set a damaged file aside, so that :meth:`upgrade` begins a new one; return what was lost, None if nothing.

        For SQLite; a server looks after itself. Call it before :meth:`upgrade`. Blocks. Raises
        :class:`StoreUnavailable` when the file cannot be looked at or renamed.
        """
        if self._file is None:
            return None
        try:
            if self._file.was_deleted():
                return self._file.note_deletion(now_ms)
            damage = self._file.damage()
            return None if damage is None else self._file.set_aside(damage, now_ms)
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(f"{self._where()}: {words_for(error)}") from error
        except OSError as error:
            raise StoreUnavailable(f"{self._where()}: cannot be checked: {error}") from error

    @property
    def keeps_file(self) -> bool:
        """Whether the database is a file of this machine."""
        return self._file is not None

    def loss(self) -> Loss | None:
        """Return what was lost with an earlier file, None if nothing, or when its note was removed."""
        return None if self._file is None else self._file.loss()

    def check_file(self) -> None:
        """See whether the open file is still the one of that name. Cheap: one look into the folder.

        Raises :class:`DatabaseDamaged` if it was deleted or replaced: what is written to it now is gone.
        """
        if self._file is None or self._opened is None or self._file.identity() == self._opened:
            return
        self.damage = DatabaseDamaged(
            f"{self._where()}: the file was deleted or replaced while this agent had it open; nothing is acknowledged "
            "any more until the agent has started again"
        )
        raise self.damage

    def _note_opened(self, _connection: object, _record: object) -> None:
        if self._file is not None and self._opened is None:
            self._opened = self._file.identity()

    def upgrade(self) -> None:
        """Bring the database to the newest revision of the agent's migrations; does nothing when it is there.

        Blocks. Raises :class:`StoreUnavailable`, or :class:`NewerDatabase` when a newer version of the agent has
        already upgraded it.
        """
        if self._migrations is None:
            return
        try:
            with self._engine.begin() as connection:
                if not is_newest(connection, self._migrations):
                    from agents.runtime.database.migration import upgrade

                    upgrade(connection, self._migrations)
        except DBAPIError as error:
            raise self._translated(error) from error
        if self._file is None:
            return
        try:
            self._file.mark_seen()
        except OSError as error:
            raise StoreUnavailable(f"{self._where()}: cannot be noted as begun: {error}") from error

    def revisions(self) -> tuple[str, ...]:
        """Return the revisions that the database is at, empty before the first :meth:`upgrade`. Blocks."""
        if self._migrations is None:
            return ()
        from agents.runtime.database.migration import current_revisions

        with self._engine.begin() as connection:
            return current_revisions(connection, self._migrations)

    async def run(self, work: Callable[[Session], T]) -> T:
        """Run ``work(session)`` in one transaction and return what it returns, once that is committed.

        Any exception of ``work`` rolls back and is raised here. Objects stay readable after the commit. If the caller
        is cancelled while the transaction runs, the transaction still ends as ``work`` decides.

        Raises :class:`StoreUnavailable` for a failure that a retry may mend.
        """
        if self._worker is None:
            return self._transaction(work)
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._transaction, work)

    def _transaction(self, work: Callable[[Session], T]) -> T:
        try:
            with Session(self._engine, expire_on_commit=False) as session, session.begin():
                done = work(session)
            # After the commit: whoever acknowledges what was done must know that it is in a file that has a name.
            self.check_file()
            return done
        except DBAPIError as error:
            raise self._translated(error) from error

    def _translated(self, error: DBAPIError) -> Exception:
        if is_damage(error):
            self.damage = DatabaseDamaged(f"{self._where()}: {error.orig}; the file is damaged")
            if self._file is not None:
                self._file.suspect(str(error.orig))
            return self.damage
        reason = reason_to_retry(error)
        return error if reason is None else StoreUnavailable(f"{self._where()}: {reason}")

    def _where(self) -> str:
        if self.url.get_backend_name() == "sqlite":
            return f"database {self.url.database or 'in memory'}"
        return f"database {self.url.database} on {self.url.host or 'the local socket'}"

    def close(self) -> None:
        """Wait for the running transaction and close all connections. Blocks."""
        if self._worker is not None:
            self._worker.shutdown(wait=True)
        self._engine.dispose()


def _usable_url(url: str | URL) -> URL:
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        return parsed.set(drivername="sqlite+pysqlite")
    raise StoreUrlError(
        f"database kind {backend!r} is not supported: use sqlite:///path or postgresql://user@host/name"
    )


def _file_of(url: URL) -> StoreFile | None:
    """Return the file of a SQLite database; None for one in memory, one given as a URI, and a server's."""
    name = url.database or ""
    if url.get_backend_name() != "sqlite" or name in ("", ":memory:") or name.startswith("file:"):
        return None
    return StoreFile(Path(name))


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        return create_engine(
            url,
            pool_size=1,
            pool_pre_ping=True,
            connect_args={"connect_timeout": POSTGRESQL_CONNECT_TIMEOUT_S},
        )
    if url.database in (None, "", ":memory:"):
        # One connection for all threads: a second one would be another, empty database.
        engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    else:
        engine = create_engine(url, pool_size=1)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # pysqlite opens transactions by itself, late and deferred, and commits before DDL: switch that off, so that
    # _begin_immediate alone decides (SQLAlchemy's documentation of the dialect).
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    # WAL with NORMAL may lose the last commits at power loss; an acknowledged event must never be lost (invariant 4).
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    # A deferred transaction that reads first and writes later fails at once, without the busy timeout, when another
    # process has written in between.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
