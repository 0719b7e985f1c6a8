"""What is read once, at the start: what was kept, and passwords."""

import json
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session as Database

from agents.csms import commands_kept
from agents.csms.journal import waiting
from agents.csms.models import ConnectorRow, StationRow
from agents.csms.settings import Station
from agents.csms.state import ConnectorState
from agents.runtime.agent import CannotStart


def recalled(kept: ConnectorState | None, settings: Station, boot_id: str) -> ConnectorState:
    """Return a connector's state at the start: as it was kept, with limits that ``site.toml`` has changed since."""
    limits: dict[str, Any] = {
        "max_current_a": settings.rated_current_a,
        "fallback_current_a": settings.fallback_current_a,
        "required_sources": settings.required_sources,
    }
    said = json.dumps(limits)
    if kept is None:
        return ConnectorState(boot_id=boot_id, site_settings=said, **limits)
    return kept if kept.site_settings == said else kept.model_copy(update={**limits, "site_settings": said})


def recall(
    db: Database,
) -> tuple[list[tuple[str, str]], dict[str, dict[str, Any]], list[tuple[str, str, str]], dict[str, int]]:
    """Return the connectors' states, what the stations said of themselves, interrupted commands, waiting events."""
    rows = [(row.charger, row.body) for row in db.scalars(select(ConnectorRow))]
    abouts = {row.identity: json.loads(row.about) for row in db.scalars(select(StationRow))}
    return rows, abouts, commands_kept.interrupted(db), waiting(db)


def first_line(path: Path) -> str:
    """Return a password or token. Raises :class:`CannotStart`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CannotStart(f"[csms] {path} cannot be read: {error.strerror}") from None
    if not lines or not lines[0].strip():
        raise CannotStart(f"[csms] {path} is empty: its first line is the password")
    return lines[0].strip()
