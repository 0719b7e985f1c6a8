"""What is written: one file per page, and the alert rules."""

import json
from pathlib import Path
from typing import Any

from dashboards.alerts import rule_groups
from dashboards.boards import DASHBOARDS

GENERATED = Path(__file__).parent / "generated"
"""Folder that Grafana's file provisioning reads."""


def files() -> dict[str, str]:
    """Return the text of every file by its path below :data:`GENERATED`."""
    made = {f"dashboards/{board.uid}.json": _text(board.model()) for board in DASHBOARDS}
    made["alerting/rules.json"] = _text(rule_groups())
    return made


def stale() -> list[str]:
    """Return the paths of files that are missing, out of date or not ours."""
    wanted = files()
    there = {str(path.relative_to(GENERATED)) for path in GENERATED.rglob("*.json")}
    differing = [name for name, text in wanted.items() if name in there and (GENERATED / name).read_text() != text]
    return sorted([*differing, *(set(wanted) ^ there)])


def write() -> list[str]:
    """Bring the files up to date; return the paths of those that changed."""
    changed = stale()
    wanted = files()
    for name in changed:
        path = GENERATED / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[name])
        else:
            path.unlink()
    return changed


def _text(model: dict[str, Any]) -> str:
    return json.dumps(model, indent=1, ensure_ascii=False) + "\n"
