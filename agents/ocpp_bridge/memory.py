"""What a charge point remembers over restarts: configuration keys and id tags. Functions within a transaction."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session as Database

from agents.ocpp_bridge.models import IdTagRow, SettingRow
from agents.ocpp_bridge.v16.id_tags import TagInfo, fold

CONFIGURATION, OWN = "configuration", "own"
"""Kinds of settings: OCPP's keys, and what the charge point notes for itself."""

LOCAL, CACHE = "local", "cache"
"""The two lists of id tags."""

MAX_CACHE = 1000
"""Entries of the authorization cache; the oldest make room."""


def settings(db: Database, charger: str, kind: str) -> dict[str, str]:
    """Return what is remembered, by name."""
    rows = db.scalars(select(SettingRow).where(SettingRow.charger == charger, SettingRow.kind == kind))
    return {row.name: row.value for row in rows}


def set_setting(db: Database, charger: str, kind: str, name: str, value: str | None) -> None:
    """Remember a value; None forgets it."""
    row = db.get(SettingRow, (charger, kind, name))
    if value is None:
        if row is not None:
            db.delete(row)
    elif row is None:
        db.add(SettingRow(charger=charger, kind=kind, name=name, value=value))
    else:
        row.value = value


def id_tags(db: Database, charger: str, which: str) -> dict[str, TagInfo]:
    """Return a list of id tags, by folded tag, oldest first."""
    rows = db.scalars(
        select(IdTagRow).where(IdTagRow.charger == charger, IdTagRow.list == which).order_by(IdTagRow.changed_ms)
    )
    return {row.id_tag: TagInfo(row.status, row.parent_id_tag, row.expires_ms) for row in rows}


def put_id_tags(db: Database, charger: str, which: str, entries: Mapping[str, TagInfo], now_ms: int) -> None:
    """Add or replace entries."""
    remove_id_tags(db, charger, which, entries)
    if entries:
        db.execute(insert(IdTagRow), [_row(charger, which, tag, info, now_ms) for tag, info in entries.items()])


def remove_id_tags(db: Database, charger: str, which: str, tags: Iterable[str] | None = None) -> None:
    """Remove entries, or all of them."""
    base = delete(IdTagRow).where(IdTagRow.charger == charger, IdTagRow.list == which)
    if tags is None:
        db.execute(base)
        return
    folded = [fold(tag) for tag in tags]
    for begin in range(0, len(folded), 500):
        db.execute(base.where(IdTagRow.id_tag.in_(folded[begin : begin + 500])))


def trim_cache(db: Database, charger: str, most: int = MAX_CACHE) -> None:
    """Let the oldest entries of the cache make room."""
    mine = (IdTagRow.charger == charger, IdTagRow.list == CACHE)
    count = db.scalar(select(func.count()).select_from(IdTagRow).where(*mine)) or 0
    if count > most:
        oldest = select(IdTagRow.id_tag).where(*mine).order_by(IdTagRow.changed_ms).limit(count - most)
        db.execute(delete(IdTagRow).where(*mine, IdTagRow.id_tag.in_(list(db.scalars(oldest)))))


def _row(charger: str, which: str, tag: str, info: TagInfo, now_ms: int) -> dict[str, Any]:
    return {
        "charger": charger,
        "list": which,
        "id_tag": fold(tag),
        "status": info.status,
        "parent_id_tag": info.parent_id_tag,
        "expires_ms": info.expires_ms,
        "changed_ms": now_ms,
    }
