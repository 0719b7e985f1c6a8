"""Databases of all agents on a disk of their own that is full, or may not be written any more: a real file system."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from agents.ledger.agent import Ledger
from agents.registry import AGENTS, load_agent
from agents.runtime.database.store import Store, StoreUnavailable
from bus_schema.topics import CHARGER_EVENT, CHARGER_EVENT_ACK
from tests.ledger.events import sampled, started
from tests.ledger.harness import Hosted, turns
from tests.missing import missing

SIZE = 2_000_000
"""Bytes of the disk."""


class Disk:
    """A file system in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Take all the room there is."""
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1024))
            except OSError:
                return

    def make_room(self) -> None:
        self._ballast.unlink()

    def protect(self, read_only: bool) -> None:
        """Let nobody write any more, root neither, or let them again."""
        mode = "ro" if read_only else "rw"
        subprocess.run(["mount", "-o", f"remount,{mode}", str(self.folder)], check=True, timeout=10)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        missing("root, who alone can mount a disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "chargebus", str(folder)], check=True, timeout=10)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=10)


def with_database() -> list[str]:
    """Return the names of the agents that keep one."""
    return [name for name in AGENTS if load_agent(name).migrations is not None]


def opened(name: str, disk: Disk) -> Store:
    return Store(f"sqlite:///{disk.folder}/{name}.sqlite3", load_agent(name).migrations, threaded=False)


async def write(store: Store, bytes_: int = 1) -> None:
    def work(session: object) -> None:
        session.execute(text("CREATE TABLE IF NOT EXISTS filler (data BLOB)"))  # type: ignore[attr-defined]
        session.execute(text("INSERT INTO filler VALUES (zeroblob(:n))"), {"n": bytes_})  # type: ignore[attr-defined]

    await store.run(work)


@pytest.mark.parametrize("name", with_database())
async def test_a_full_disk_is_said_and_nothing_is_lost(name: str, disk: Disk) -> None:
    store = opened(name, disk)
    store.upgrade()
    await write(store)
    disk.fill()
    with pytest.raises(StoreUnavailable, match="the disk is full; make room"):
        await write(store, 500_000)
    assert store.damage is None
    disk.make_room()
    await write(store)
    assert await store.run(lambda session: session.scalar(text("SELECT count(*) FROM filler"))) == 2
    store.close()


@pytest.mark.parametrize("name", with_database())
def test_no_room_for_a_first_database_is_said(name: str, disk: Disk) -> None:
    disk.fill()
    store = opened(name, disk)
    with pytest.raises(StoreUnavailable, match=r"make room|check that its folder exists and may be written"):
        store.upgrade()
    store.close()
    disk.make_room()
    again = opened(name, disk)
    assert again.recover(1) is None, "an empty file is no damage"
    again.upgrade()
    again.close()


@pytest.mark.parametrize("name", with_database())
async def test_a_disk_that_has_become_read_only_is_said(name: str, disk: Disk) -> None:
    store = opened(name, disk)
    store.upgrade()
    await write(store)
    store.close()
    disk.protect(read_only=True)
    protected = opened(name, disk)
    with pytest.raises(StoreUnavailable, match=r"may not be written|may be written"):
        protected.recover(1)
        protected.upgrade()
        await write(protected)
    protected.close()
    disk.protect(read_only=False)
    again = opened(name, disk)
    assert again.recover(2) is None
    await write(again)
    assert await again.run(lambda session: session.scalar(text("SELECT count(*) FROM filler"))) == 2
    again.close()


async def test_the_ledger_acknowledges_on_a_full_disk_what_it_has_and_the_rest_once_there_is_room(disk: Disk) -> None:
    async with Hosted(Ledger, url=f"sqlite:///{disk.folder}/ledger.sqlite3") as ledger:
        await ledger.hear(CHARGER_EVENT, [started(1, 1000)], charger="c1")
        assert [ack.seq for _, ack in ledger.bus.take(CHARGER_EVENT_ACK)] == [1]
        disk.fill()
        for seq in range(2, 400):
            ledger.put(CHARGER_EVENT, sampled(seq, 1000 + seq), charger="c1")
            await turns()
        kept = max((ack.seq for _, ack in ledger.bus.take(CHARGER_EVENT_ACK)), default=1)
        assert kept < 399
        assert any("the disk is full; make room" in problem for problem in ledger.host.problems())
        disk.make_room()
        await ledger.clock.advance(120)
        assert max(ack.seq for _, ack in ledger.bus.take(CHARGER_EVENT_ACK)) == 399
        assert ledger.host.problems() == []
