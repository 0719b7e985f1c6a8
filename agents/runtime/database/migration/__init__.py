"""Alembic without an ini file: every agent's revision files, one environment (``env.py`` beside this) for all."""

import importlib
import zlib
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from agents.runtime.database.revision import version_table
from agents.runtime.database.store_errors import NewerDatabase

__all__ = ["current_revisions", "upgrade"]


def current_revisions(connection: Connection, migrations: str) -> tuple[str, ...]:
    """Return the revisions that the database is at, empty before the first upgrade."""
    context = MigrationContext.configure(connection, opts={"version_table": version_table(migrations)})
    return context.get_current_heads()


def upgrade(connection: Connection, migrations: str, revision: str = "head") -> None:
    """Upgrade to ``revision`` within the connection's transaction: all revisions or none.

    Raises :class:`NewerDatabase` if the database is at a revision that the package does not have.
    """
    if connection.dialect.name == "postgresql":
        # SQLite's BEGIN IMMEDIATE already lets one process upgrade at a time.
        key = zlib.crc32(version_table(migrations).encode())
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
    config = _config(migrations)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    unknown = [revision for revision in current_revisions(connection, migrations) if revision not in known]
    if unknown:
        raise NewerDatabase(
            f"the database is at revision {', '.join(unknown)} of {migrations}, which this version does not know: "
            "a newer version has upgraded it. Install that version again, or restore the backup made before it"
        )
    config.attributes["connection"] = connection
    config.attributes["version_table"] = version_table(migrations)
    command.upgrade(config, revision)


def _config(migrations: str) -> Config:
    package = importlib.import_module(migrations)
    config = Config()
    # Alembic interpolates "%" and, unless told otherwise, splits folders at spaces.
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("version_locations", str(Path(package.__path__[0])).replace("%", "%%"))
    return config
