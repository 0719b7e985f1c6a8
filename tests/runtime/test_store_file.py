"""A damaged, deleted, read-only or full database: noticed, kept, said in words, and the agent lives on."""

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from agents.runtime.bus import TypedBus
from agents.runtime.counters import Counters
from agents.runtime.database.store import DatabaseDamaged, Store, StoreUnavailable
from agents.runtime.reporting.loss_alarm import REPEAT_S, LossAlarm
from bus_schema.topics import ALARM
from tests.runtime.fakes import SITE, FakeTransport, ManualClock

MIGRATIONS = "tests.runtime.recorder_migrations"
NOW_MS = 1_796_076_900_000

here = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def opened(path: Path) -> Store:
    return Store(f"sqlite:///{path}", MIGRATIONS, threaded=False)


async def insert(store: Store, seq: int) -> None:
    await store.run(lambda session: session.execute(text("INSERT INTO event (seq) VALUES (:seq)"), {"seq": seq}))


async def numbers(store: Store) -> list[int]:
    return await store.run(lambda session: list(session.scalars(text("SELECT seq FROM event ORDER BY seq"))))


class Bytes(bytes):
    """Shown by its length when a test fails."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a database with some rows in it, as bytes."""
    path = tmp_path_factory.mktemp("whole") / "a.sqlite3"
    store = opened(path)
    store.upgrade()
    for seq in range(200):
        asyncio.run(insert(store, seq))
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Bytes(path.read_bytes())


def lives_again(path: Path, before: bytes) -> None:
    """The next start either finds everything, or sets the file aside and begins a new one; nothing is deleted."""
    store = opened(path)
    lost = store.recover(NOW_MS)
    store.upgrade()
    try:
        asyncio.run(insert(store, 10_000))
        rows = asyncio.run(numbers(store))
    except DatabaseDamaged:
        # What the check at the start did not find is found in use; the start after that sets the file aside.
        store.close()
        store = opened(path)
        lost = store.recover(NOW_MS)
        assert lost is not None
        store.upgrade()
        asyncio.run(insert(store, 10_000))
        rows = asyncio.run(numbers(store))
    store.close()
    assert 10_000 in rows
    if lost is not None:
        kept = [each for each in path.parent.glob("*.damaged-*") if not each.name.endswith(("-wal", "-shm"))]
        assert [each.read_bytes() for each in kept] == [before]
        assert str(path) in lost.text
        assert kept[0].name in lost.text


@here
@given(data=st.data())
def test_a_file_that_is_cut_anywhere_is_kept_and_the_agent_starts(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cut") / "a.sqlite3"
    path.write_bytes(whole[: data.draw(st.integers(1, len(whole) - 1))])
    lives_again(path, path.read_bytes())


@here
@given(data=st.data())
def test_a_file_that_is_garbled_anywhere_is_kept_and_the_agent_starts(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("garbled") / "a.sqlite3"
    at = data.draw(st.integers(0, len(whole) - 1))
    noise = data.draw(st.binary(min_size=1, max_size=5_000))
    path.write_bytes((whole[:at] + noise + whole[at + len(noise) :])[: len(whole)])
    lives_again(path, path.read_bytes())


async def test_what_is_written_to_a_deleted_file_is_never_called_done(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite3"
    store = opened(path)
    store.upgrade()
    await insert(store, 1)
    path.unlink()
    with pytest.raises(DatabaseDamaged, match=r"deleted or replaced.*nothing is acknowledged"):
        await insert(store, 2)
    with pytest.raises(DatabaseDamaged):
        store.check_file()
    assert store.damage is not None
    store.close()
    again = opened(path)
    lost = again.recover(NOW_MS)
    assert lost is not None
    assert "was deleted" in lost.text
    again.upgrade()
    await insert(again, 2)
    assert await numbers(again) == [2]
    assert again.loss() == lost
    again.close()


async def test_a_file_that_another_one_replaces_is_noticed_too(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite3"
    store = opened(path)
    store.upgrade()
    (tmp_path / "other").write_bytes(path.read_bytes())
    os.replace(tmp_path / "other", path)
    with pytest.raises(DatabaseDamaged, match="replaced"):
        await insert(store, 1)
    store.close()


async def test_damage_that_is_met_in_use_is_set_aside_at_the_next_start(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "a.sqlite3"
    path.write_bytes(whole)
    store = opened(path)
    assert await numbers(store) == list(range(200))
    with path.open("r+b") as file:
        file.write(b"\x00" * len(whole))
    store.engine.dispose()  # What SQLite has in its cache it does not read again.
    with pytest.raises(DatabaseDamaged, match=r"a\.sqlite3.*damaged"):
        for seq in range(1_000, 1_100):
            await insert(store, seq)
    store.close()
    again = opened(path)
    assert again.recover(NOW_MS) is not None
    again.upgrade()
    assert await numbers(again) == []
    again.close()


def test_a_whole_file_is_left_alone(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "a.sqlite3"
    path.write_bytes(whole)
    store = opened(path)
    assert store.recover(NOW_MS) is None
    assert store.loss() is None
    assert path.read_bytes() == whole
    assert opened(tmp_path / "none.sqlite3").recover(NOW_MS) is None, "a first start has lost nothing"
    assert Store("sqlite://", MIGRATIONS).recover(NOW_MS) is None


async def test_a_full_disk_is_said_and_is_no_damage(tmp_path: Path) -> None:
    store = opened(tmp_path / "a.sqlite3")
    store.upgrade()

    def fill(session: object) -> None:
        session.execute(text("PRAGMA max_page_count = 12"))  # type: ignore[attr-defined]
        for seq in range(100_000):
            session.execute(text("INSERT INTO event (seq) VALUES (:seq)"), {"seq": seq})  # type: ignore[attr-defined]

    with pytest.raises(StoreUnavailable, match="the disk is full; make room") as caught:
        await store.run(fill)
    assert not isinstance(caught.value, DatabaseDamaged)
    assert store.damage is None
    store.close()


async def test_the_alarm_stands_until_the_note_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite3"
    path.write_bytes(b"rubbish" * 100)
    store = opened(path)
    lost = store.recover(NOW_MS)
    assert lost is not None
    transport, clock = FakeTransport(), ManualClock()
    alarm = LossAlarm("ledger", "ledger", TypedBus(SITE, "ledger", transport, clock, Counters()), clock, store.loss)
    await alarm.check()
    await alarm.check()
    topic = ALARM.format(SITE, alarm="database-ledger")
    [raised] = [payload for at, payload, _, _ in transport.published if at == topic]
    told = ALARM.decode(raised)
    assert str(path) in told.text
    assert lost.note in told.remedy
    clock.time_s += REPEAT_S
    await alarm.check()
    assert len([at for at, _, _, _ in transport.published if at == topic]) == 2, "a broker may have lost its data"
    Path(lost.note).unlink()
    await alarm.check()
    assert transport.published[-1][:2] == (topic, b"")
    store.close()
