"""The store on SQLite and on PostgreSQL: durable, one writer at a time, upgraded, and clear about what is wrong."""

import asyncio
import multiprocessing
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from agents.registry import AGENTS, load_agent
from agents.runtime.database import migration
from agents.runtime.database import store as store_module
from agents.runtime.database.revision import newest_revision, version_table
from agents.runtime.database.store import Store, StoreUnavailable, StoreUrlError
from agents.runtime.database.store_errors import NewerDatabase
from tests.postgres import PostgresServer

MIGRATIONS = "tests.runtime.recorder_migrations"


@pytest.fixture(params=["sqlite", "memory", "memory inline", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An upgraded store of every kind."""
    if request.param == "sqlite":
        made = Store(f"sqlite:///{tmp_path / 'a b%c.sqlite3'}", MIGRATIONS)
    elif request.param.startswith("memory"):
        made = Store("sqlite://", MIGRATIONS, threaded=request.param == "memory")
    else:
        made = Store(request.getfixturevalue("postgresql_url"), MIGRATIONS)
    made.upgrade()
    yield made
    made.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


async def insert(store: Store, seq: int) -> None:
    await store.run(lambda session: session.execute(text("INSERT INTO event (seq) VALUES (:seq)"), {"seq": seq}))


async def numbers(store: Store) -> list[int]:
    return await store.run(lambda session: list(session.scalars(text("SELECT seq FROM event ORDER BY seq"))))


async def test_work_is_committed_and_its_result_returned(store: Store) -> None:
    await insert(store, 1)
    assert await numbers(store) == [1]


async def test_an_exception_rolls_everything_back(store: Store) -> None:
    def work(session: object) -> None:
        session.execute(text("INSERT INTO event (seq) VALUES (1)"))  # type: ignore[attr-defined]
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await store.run(work)
    assert await numbers(store) == []


async def test_a_mistake_is_not_called_unavailable(store: Store) -> None:
    await insert(store, 1)
    with pytest.raises(IntegrityError):
        await insert(store, 1)
    with pytest.raises(Exception, match="nothing") as caught:
        await store.run(lambda session: session.execute(text("SELECT * FROM nothing")))
    assert not isinstance(caught.value, StoreUnavailable)


def test_a_database_that_is_at_the_newest_revision_needs_no_alembic(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def upgrade(*_arguments: object) -> None:
        raise LookupError("Alembic was asked")

    monkeypatch.setattr(migration, "upgrade", upgrade)
    store.upgrade()
    with store.engine.begin() as connection:
        connection.execute(text(f"UPDATE {version_table(MIGRATIONS)} SET version_num = 'another'"))
    with pytest.raises(LookupError, match="Alembic was asked"):
        store.upgrade()


@pytest.mark.parametrize("name", AGENTS)
def test_every_agents_newest_revision_is_the_one_that_alembic_knows(name: str) -> None:
    migrations = load_agent(name).migrations
    if migrations is not None:
        assert newest_revision(migrations) == ScriptDirectory.from_config(
            migration._config(migrations)
        ).as_revision_number("head")


async def test_upgrading_twice_changes_nothing(store: Store) -> None:
    await insert(store, 1)
    store.upgrade()
    assert store.revisions() == ("0001",)
    assert await numbers(store) == [1]


async def test_transactions_run_one_after_the_other_in_order(store: Store) -> None:
    await asyncio.gather(*(insert(store, seq) for seq in range(50)))
    assert await numbers(store) == list(range(50))


async def test_newer_database_is_refused_with_what_to_do(store: Store) -> None:
    table = version_table(MIGRATIONS)
    await store.run(lambda session: session.execute(text(f"UPDATE {table} SET version_num = '0999'")))
    with pytest.raises(NewerDatabase, match=r"0999.*newer version.*restore the backup"):
        store.upgrade()
    assert await numbers(store) == []


async def test_cancelled_caller_leaves_whole_transactions(store: Store) -> None:
    task = asyncio.ensure_future(insert(store, 1))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await insert(store, 2)
    assert await numbers(store) in ([1, 2], [2])


async def test_sqlite_is_set_up_to_lose_nothing(path: Path) -> None:
    store = Store(f"sqlite:///{path}", MIGRATIONS)
    store.upgrade()

    def pragmas(session: object) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [session.scalar(text(f"PRAGMA {name}")) for name in names]  # type: ignore[attr-defined]

    assert await store.run(pragmas) == ["wal", 2, 1, 5000]
    store.close()


async def test_sqlite_takes_the_write_lock_at_the_beginning(path: Path) -> None:
    store = Store(f"sqlite:///{path}", MIGRATIONS)
    store.upgrade()

    def read(session: object) -> None:
        session.scalar(text("SELECT count(*) FROM event"))  # type: ignore[attr-defined]
        with sqlite3.connect(path, timeout=0) as other, pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("INSERT INTO event (seq) VALUES (9)")

    await store.run(read)
    store.close()


async def test_locked_database_is_unavailable_and_then_works(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SQLITE_BUSY_TIMEOUT_MS", 50)
    store = Store(f"sqlite:///{path}", MIGRATIONS)
    store.upgrade()
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match=r"store\.sqlite3: locked by another process"):
            await insert(store, 1)
        other.execute("ROLLBACK")
    await insert(store, 1)
    assert await numbers(store) == [1]
    store.close()


async def test_full_disk_is_unavailable(path: Path) -> None:
    store = Store(f"sqlite:///{path}", MIGRATIONS)
    store.upgrade()

    def fill(session: object) -> None:
        pages = session.scalar(text("PRAGMA page_count"))  # type: ignore[attr-defined]
        session.execute(text(f"PRAGMA max_page_count = {pages}"))  # type: ignore[attr-defined]
        session.execute(text("CREATE TABLE big (x)"))  # type: ignore[attr-defined]
        session.execute(text("INSERT INTO big VALUES (zeroblob(1000000))"))  # type: ignore[attr-defined]

    with pytest.raises(StoreUnavailable, match="the disk is full"):
        await store.run(fill)
    store.close()


async def test_missing_folder_is_unavailable(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/nowhere/x.sqlite3", MIGRATIONS)
    with pytest.raises(StoreUnavailable, match="cannot be opened; check that its folder exists"):
        store.upgrade()
    store.close()


def count_up(path: str, times: int) -> None:
    """Read and write in one transaction, in a process of its own."""
    store = Store(f"sqlite:///{path}", MIGRATIONS, threaded=False)

    def work(session: object) -> None:
        value = session.scalar(text("SELECT max(seq) FROM event")) or 0  # type: ignore[attr-defined]
        session.execute(text("INSERT INTO event (seq) VALUES (:seq)"), {"seq": value + 1})  # type: ignore[attr-defined]

    async def run() -> None:
        for _ in range(times):
            await store.run(work)

    asyncio.run(run())
    store.close()


async def test_two_processes_write_in_turn_and_neither_fails(path: Path) -> None:
    store = Store(f"sqlite:///{path}", MIGRATIONS)
    store.upgrade()
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=count_up, args=(str(path), 100)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        await asyncio.to_thread(writer.join, 60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert await numbers(store) == list(range(1, 201))
    store.close()


def test_unknown_kind_of_database_is_refused() -> None:
    with pytest.raises(StoreUrlError, match=r"mysql.*use sqlite"):
        Store("mysql://user:secret@host/x")


@pytest.mark.postgresql
async def test_agents_share_one_postgresql_database(postgresql_url: str) -> None:
    ours, theirs = Store(postgresql_url, MIGRATIONS), Store(postgresql_url, None)
    ours.upgrade()
    assert version_table("agents.ledger.migrations") == "alembic_version_ledger"
    found = await theirs.run(lambda session: session.scalar(text(f"SELECT count(*) FROM {version_table(MIGRATIONS)}")))
    assert found == 1
    ours.close()
    theirs.close()


@pytest.mark.postgresql
async def test_two_upgrades_at_once_do_not_collide(postgresql_url: str) -> None:
    stores = [Store(postgresql_url, MIGRATIONS) for _ in range(4)]
    await asyncio.gather(*(asyncio.to_thread(store.upgrade) for store in stores))
    assert stores[0].revisions() == ("0001",)
    for store in stores:
        store.close()


@pytest.mark.postgresql
async def test_postgresql_that_goes_away_is_unavailable_and_then_works(postgresql_server: PostgresServer) -> None:
    store = Store(postgresql_server.create_database(), MIGRATIONS)
    store.upgrade()
    await insert(store, 1)

    def stop_in_the_middle(session: object) -> None:
        session.execute(text("INSERT INTO event (seq) VALUES (2)"))  # type: ignore[attr-defined]
        postgresql_server.stop()
        session.execute(text("INSERT INTO event (seq) VALUES (3)"))  # type: ignore[attr-defined]

    try:
        with pytest.raises(StoreUnavailable):
            await store.run(stop_in_the_middle)
        with pytest.raises(StoreUnavailable, match=r"database test_.* on 127.0.0.1: .*refused"):
            await insert(store, 4)
    finally:
        postgresql_server.start()
    await insert(store, 5)
    assert await numbers(store) == [1, 5]
    store.close()


@pytest.mark.postgresql
async def test_terminated_connection_is_unavailable(postgresql_url: str) -> None:
    store, other = Store(postgresql_url, MIGRATIONS), Store(postgresql_url, None)
    store.upgrade()

    def terminate(session: object) -> None:
        pid = session.scalar(text("SELECT pg_backend_pid()"))  # type: ignore[attr-defined]
        with other.engine.begin() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        session.execute(text("INSERT INTO event (seq) VALUES (1)"))  # type: ignore[attr-defined]

    with pytest.raises(StoreUnavailable):
        await store.run(terminate)
    await insert(store, 1)
    store.close()
    other.close()


def test_password_is_never_in_an_error() -> None:
    store = Store("postgresql://user:top-secret@127.0.0.1:1/x", MIGRATIONS)
    with pytest.raises(StoreUnavailable) as caught:
        store.upgrade()
    assert "top-secret" not in str(caught.value)
    assert not isinstance(caught.value, OperationalError)
    store.close()
