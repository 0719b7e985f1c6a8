"""Which revision an agent's database is at, and whether that is the newest, found out without Alembic.

Alembic takes longer to import than an agent's other start; it is needed only when there is something to upgrade.
"""

import importlib
import re
from pathlib import Path

from sqlalchemy import Connection, inspect, text

_NAMED = re.compile(r"""^(revision|down_revision)\b[^=\n]*=\s*["'](\w+)["']""", re.MULTILINE)


def version_table(migrations: str) -> str:
    """Return the name of an agent's version table: ``agents.ledger.migrations`` → ``alembic_version_ledger``."""
    return "alembic_version_" + migrations.removesuffix(".migrations").rsplit(".", 1)[-1]


def newest_revision(migrations: str) -> str | None:
    """Return the revision that no other follows, None if the files do not tell: then Alembic must be asked."""
    revisions, followed = set(), set()
    for file in Path(importlib.import_module(migrations).__path__[0]).glob("*.py"):
        found = dict(_NAMED.findall(file.read_text(encoding="utf-8")))
        revisions.add(found.get("revision"))
        followed.add(found.get("down_revision"))
    last = revisions - followed - {None}
    return last.pop() if len(last) == 1 else None


def is_newest(connection: Connection, migrations: str) -> bool:
    """Tell whether the database is certainly at the newest revision; False may also mean that nobody knows."""
    newest, table = newest_revision(migrations), version_table(migrations)
    if newest is None or not inspect(connection).has_table(table):
        return False
    # The table's name is made of an import path of ours.
    return list(connection.scalars(text(f'SELECT version_num FROM "{table}"'))) == [newest]
