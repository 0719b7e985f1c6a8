"""A database is lost: what comes back from a backup, what chargers send again, and how the rest is closed."""

import shutil
from pathlib import Path

import pytest

from agents.ledger.agent import Ledger
from agents.registry import AGENTS, load_agent
from agents.runtime.database.store import Store
from bus_schema.topics import ALARM, CHARGER_EVENT, CHARGER_EVENT_ACK
from tests.cli.conftest import Run
from tests.ledger.events import BOOT, ended, started
from tests.ledger.harness import NOW_MS, Hosted
from tests.ledger.test_settling import settle

KEEPERS = [name for name in AGENTS if load_agent(name).migrations is not None]


def recovered(agent: str, path: Path) -> Store:
    """Open an agent's database as its process does at the start."""
    store = Store(f"sqlite:///{path}", load_agent(agent).migrations, threaded=False)
    store.recover(NOW_MS)
    store.upgrade()
    return store


@pytest.mark.parametrize("agent", KEEPERS)
def test_every_agent_keeps_the_damaged_file_and_begins_a_new_one(agent: str, tmp_path: Path) -> None:
    path = tmp_path / f"{agent}.sqlite3"
    recovered(agent, path).close()
    path.write_bytes(b"rubbish" * 1000)
    store = recovered(agent, path)
    loss = store.loss()
    assert loss is not None
    assert f"The database {path} was damaged" in loss.text
    [aside] = tmp_path.glob("*.damaged-*")
    assert aside.read_bytes() == b"rubbish" * 1000
    assert store.revisions() != (), "the new one can be used"
    store.close()


async def test_the_ledger_comes_back_from_the_backup(bare: Run, tmp_path: Path) -> None:
    """Damaged after the backup: what was in it is there again, what came after it is named, and can be closed."""
    (tmp_path / "site.toml").write_text('site = "garage"\ndata_dir = "var"\n')
    data = tmp_path / "var"
    data.mkdir()
    path = data / "ledger.sqlite3"
    url = f"sqlite:///{path}"
    async with Hosted(Ledger, url) as ledger:
        await ledger.hear(CHARGER_EVENT, [started(1, 1_000), ended(2, 1_000, 1_700)], charger="c1")
    made = bare("backup", "monday.tar.gz")
    assert made.code == 0, made.err
    async with Hosted(Ledger, url) as ledger:
        later = f"{BOOT}-2"
        await ledger.hear(
            CHARGER_EVENT, [started(3, 1_700, later), ended(4, 1_700, 1_900, later, oldest=3)], charger="c1"
        )
        assert [ack.seq for _, ack in ledger.bus.take(CHARGER_EVENT_ACK)][-1] == 4
    path.write_bytes(b"rubbish" * 1000)
    recovered("ledger", path).close()

    done = bare("restore", "monday.tar.gz", "--only", "data", "--data", "back")
    assert done.code == 0, done.err
    aside = data / "lost"
    aside.mkdir()
    for each in data.glob("ledger.sqlite3*"):
        each.rename(aside / each.name)
    shutil.copy(tmp_path / "back/ledger.sqlite3", path)

    async with Hosted(Ledger, url) as ledger:
        assert ledger.store.loss() is None, "the alarm about the database ends"
        sessions = await ledger.store.run(lambda db: db.connection().exec_driver_sql(SESSIONS).fetchall())
        assert [tuple(row) for row in sessions] == [(f"{BOOT}-1", 1_000, 1_700)]
        await ledger.hear(CHARGER_EVENT, [started(5, 1_900, f"{BOOT}-3", oldest=5)], charger="c1")
        raised = {ids["alarm"]: alarm for ids, alarm in ledger.bus.take(ALARM) if alarm}
        assert list(raised) == ["ledger-lost-c1"], raised
        assert "but 2 of them are not in this ledger's database" in raised["ledger-lost-c1"].text
        assert (await settle(ledger)).ok
        assert ({"alarm": "ledger-lost-c1"}, None) in ledger.bus.take(ALARM)


SESSIONS = "SELECT session_id, start_wh, end_wh FROM ledger_session"
