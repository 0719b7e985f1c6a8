"""`chargebus database-roles` on a real PostgreSQL: an agent reads and writes its own tables and no other's."""

import uuid
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, make_url

from agents.registry import AGENTS, load_agent
from agents.runtime.database.store import Store
from tests.cli.conftest import Run
from tests.cli.test_backup import make_site

pytestmark = pytest.mark.postgresql

WITH_DATABASE = [
    name for name in AGENTS if load_agent(name).migrations is not None and not load_agent(name).local_store
]


class Database:
    """A site on one PostgreSQL server: its site.toml, and the URL of each agent's own role."""

    def __init__(self, folder: Path, admin: str, prefix: str, run: Run) -> None:
        self.admin, self.prefix, self._run = admin, prefix, run
        url = make_url(admin).set(username=f"{prefix}_{{agent}}").render_as_string().replace("%7B", "{")
        url = url.replace("%7D", "}")
        toml = f'site = "garage"\ndata_dir = "var"\n[store]\nurl = "{url}"\npassword_file = "secrets/{{agent}}.db"\n'
        self.site = make_site(folder, toml)
        for agent in AGENTS:
            (folder / f"secrets/{agent}.db").write_text(f"secret of {agent}")

    def url(self, agent: str) -> URL:
        return make_url(self.admin).set(username=f"{self.prefix}_{agent}", password=f"secret of {agent}")

    def set_up(self, *more: str) -> str:
        done = self._run("database-roles", "--admin", self.admin, "--config", str(self.site), *more)
        assert done.code == 0, done.err
        return done.out

    def upgrade(self, agent: str, url: URL | str | None = None) -> None:
        store = Store(url or self.url(agent), load_agent(agent).migrations)
        store.upgrade()
        store.close()

    def sql(self, agent: str, statement: str) -> list[tuple[object, ...]]:
        address = self.url(agent).translate_connect_args(username="user", database="dbname")
        with psycopg.connect(**address) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []


@pytest.fixture
def database(tmp_path: Path, bare: Run, postgresql_url: str) -> Database:
    # Roles belong to the whole server, which the tests share.
    return Database(tmp_path / "garage", postgresql_url, f"t{uuid.uuid4().hex[:8]}", bare)


def test_no_agent_reads_or_writes_the_tables_of_another(database: Database) -> None:
    """X6: csms' password forged a record of the ledger."""
    out = database.set_up()
    assert f"{len(WITH_DATABASE)} agents have a role and a schema each" in out
    for agent in WITH_DATABASE:
        database.upgrade(agent)
    assert database.sql("ledger", "SELECT count(*) FROM ledger_session") == [(0,)]
    ledger = f"{database.prefix}_ledger"
    for statement in (
        f"SELECT * FROM {ledger}.ledger_session",
        f"DELETE FROM {ledger}.ledger_event",
        f"CREATE TABLE {ledger}.mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "CREATE SCHEMA mine",
        "CREATE TEMPORARY TABLE mine (a int)",
        f"SET ROLE {ledger}",
        "CREATE ROLE mine",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.sql("csms", statement)


def test_it_can_be_run_again(database: Database) -> None:
    assert "made the role" in database.set_up()
    again = database.set_up()
    assert again.count("\n") == 1 and "have a role and a schema each" in again


def test_what_an_older_version_has_made_is_moved_and_kept(database: Database) -> None:
    for agent in WITH_DATABASE:
        database.upgrade(agent, database.admin)
    with psycopg.connect(database.admin) as connection:
        connection.execute("CREATE TABLE somebodys (a int)")
        before = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    out = database.set_up()
    assert out.count("moved ") == len(before) - 1
    with psycopg.connect(database.admin) as connection:
        left = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert left == [("somebodys",)], "only what is ours is moved"
    for agent in WITH_DATABASE:
        store = Store(database.url(agent), load_agent(agent).migrations)
        assert store.revisions(), f"{agent} finds its tables where it left them"
        store.upgrade()
        store.close()


def test_a_backup_holds_every_agents_schema(database: Database, bare: Run, tmp_path: Path) -> None:
    database.set_up()
    for agent in WITH_DATABASE:
        database.upgrade(agent)
    database.sql("ledger", "CREATE TABLE ledger_test AS SELECT 12345 AS energy_wh")
    made = bare("backup", "a.tar.gz", "--config", str(database.site))
    assert made.code == 0, made.err
    occupied = bare("restore", "a.tar.gz", "--folder", "back")
    assert occupied.code == 1 and "is not empty" in occupied.err
    for agent in WITH_DATABASE:
        role = f"{database.prefix}_{agent}"
        with psycopg.connect(database.admin) as connection:
            connection.execute(f"DROP SCHEMA {role} CASCADE".encode())
    database.set_up()
    done = bare("restore", "a.tar.gz", "--folder", "back")
    assert done.code == 0, done.err
    assert database.sql("ledger", "SELECT energy_wh FROM ledger_test") == [(12345,)]
    for agent in WITH_DATABASE:
        database.upgrade(agent)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("_{agent}@", "@", "the same role"),
        ("_{agent}@", "-{agent}@", "cannot be a role"),
        ('password_file = "secrets/{agent}.db"', "", "no password"),
        ('password_file = "secrets/{agent}.db"', 'password_file = "nowhere"', "cannot read"),
    ],
)
def test_settings_that_cannot_be(database: Database, bare: Run, old: str, new: str, says: str) -> None:
    text = database.site.read_text()
    assert old in text
    database.site.write_text(text.replace(old, new))
    done = bare("database-roles", "--admin", database.admin, "--config", str(database.site))
    assert done.code == 5 and says in done.err


def test_an_admin_that_is_an_agent_would_lose_its_rights(database: Database, bare: Run) -> None:
    admin = str(make_url(database.admin).set(username=f"{database.prefix}_ledger"))
    done = bare("database-roles", "--admin", admin, "--config", str(database.site))
    assert done.code == 5 and "name another as --admin" in done.err


def test_a_server_that_is_not_there(database: Database, bare: Run, tmp_path: Path) -> None:
    done = bare("database-roles", "--admin", "postgresql://x@127.0.0.1:1/y", "--config", str(database.site))
    assert done.code == 1 and "nothing was changed" in done.err
    for admin in ("mysql://x@y/z", "postgresql://x@y", "nonsense"):
        assert bare("database-roles", "--admin", admin, "--config", str(database.site)).code == 2
    missing = bare(
        "database-roles", "--admin", database.admin, "--admin-password-file", "no", "--config", str(database.site)
    )
    assert missing.code == 5 and "cannot read no" in missing.err
