"""What a backend has listed, on disk: functions within a transaction."""

from collections.abc import Iterable, Mapping

from pydantic import TypeAdapter
from sqlalchemy import delete, select
from sqlalchemy.orm import Session as Database

from agents.access.local_lists import BackendList, backend_list
from agents.access.models import BackendListOfRow, BackendListRow
from bus_schema.site_messages import BackendCard

_CARDS: TypeAdapter[list[BackendCard]] = TypeAdapter(list[BackendCard])


def load(db: Database) -> tuple[dict[str, BackendList], dict[str, str]]:
    """Return lists by digest, and the digest of each charger's list."""
    lists: dict[str, BackendList] = {row.digest: _read(row.body) for row in db.scalars(select(BackendListRow))}
    of = {row.charger: row.digest for row in db.scalars(select(BackendListOfRow)) if row.digest in lists}
    return lists, of


def keep_list(db: Database, digest: str, cards: Iterable[BackendCard]) -> None:
    """Keep a list."""
    db.merge(BackendListRow(digest=digest, body=_CARDS.dump_json(list(cards)).decode()))


def note(db: Database, changed: Mapping[str, str | None]) -> None:
    """Note which list a charger has, None for none; forget the lists that no charger has any more."""
    for charger, digest in changed.items():
        if digest is None:
            db.execute(delete(BackendListOfRow).where(BackendListOfRow.charger == charger))
        else:
            db.merge(BackendListOfRow(charger=charger, digest=digest))
    db.flush()
    db.execute(delete(BackendListRow).where(BackendListRow.digest.not_in(select(BackendListOfRow.digest))))


def _read(body: str) -> BackendList:
    return backend_list(_CARDS.validate_json(body))
