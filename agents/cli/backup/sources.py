"""What of a site belongs into a backup, found from its ``site.toml``."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sqlalchemy import URL

from agents.registry import AGENTS, load_agent, settings_type
from agents.runtime.configuration.site_config import SiteConfig

FOLDERS = ("pki", "broker", "secrets", "access", "limits.d")
"""Folders beside ``site.toml`` that belong to the site as a whole: what ``prepare`` and ``install.sh`` make."""

IN_CONTAINER = Path("/run/secrets")
"""Where a container sees files of the site's ``pki`` and ``secrets`` a second time."""

SQLITE_MAGIC = b"SQLite format 3\0"

_SIDECARS = ("-wal", "-shm", "-journal")
"""SQLite's own files beside a database: a copy of the database holds what is in them."""

_PLACEHOLDER = re.compile(r"\{[a-z]+\}")

INFLUXDB_IS_NOT = (
    "InfluxDB's measurements: save them with its own `influx backup`. Sessions, money and cards are not there"
)


@dataclass(frozen=True)
class Sources:
    """Files by their name in the archive, and databases by one of their agents."""

    files: dict[str, Path]
    databases: dict[str, URL]
    left_out: tuple[str, ...]


def find(config: SiteConfig) -> Sources:
    """Look at the disk for everything that matters.

    Raises :class:`agents.runtime.configuration.config_errors.ConfigError`.
    """
    folder = config.path.parent
    data = list(_data(config.data_dir))
    files = {"site/site.toml": config.path}
    left_out = [INFLUXDB_IS_NOT]
    named = [path for each in _named(config) for path in _matching(each)]
    beside = [path for name in FOLDERS for path in (folder / name).rglob("*") if path.is_file()]
    known = {path.name for path in beside}
    for path in (*beside, *named):
        if path.is_relative_to(folder):
            files[f"site/{path.relative_to(folder).as_posix()}"] = path
        elif path.parent != IN_CONTAINER or path.name not in known:
            left_out.append(f"{path}: outside of {folder}")
    files |= {f"site/{path.name}": path for path in folder.glob("*.env")}
    inside = {path for _name, path in data}
    files = {name: path for name, path in files.items() if path not in inside}
    files |= {f"data/{name}": path for name, path in data}
    return Sources(files, _databases(config), tuple(dict.fromkeys(left_out)))


def is_sqlite(path: Path) -> bool:
    """Tell whether a file is a SQLite database."""
    with path.open("rb") as file:
        return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC


def _data(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and not path.name.endswith(_SIDECARS):
            yield path.relative_to(folder).as_posix(), path


def _named(config: SiteConfig) -> Iterator[Path]:
    """Yield every file that the settings name."""
    for model in (config.broker, config.store):
        yield from _paths(model, config.path.parent)
    for agent in AGENTS:
        yield from _paths(config.settings(agent, settings_type(agent)), config.path.parent)


def _paths(value: Any, folder: Path) -> Iterator[Path]:
    if isinstance(value, BaseModel):
        value = [getattr(value, name) for name in type(value).model_fields]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _paths(each, folder)
    elif isinstance(value, Path):
        yield folder / value


def _matching(path: Path) -> Iterator[Path]:
    """Yield the files that a name with placeholders stands for."""
    pattern = _PLACEHOLDER.sub("*", path.name)
    if path.parent.is_dir():
        yield from (each for each in path.parent.glob(pattern) if each.is_file())


def _databases(config: SiteConfig) -> dict[str, URL]:
    """Return the PostgreSQL databases; agents that share one are named once."""
    found: dict[URL, str] = {}
    for name in AGENTS:
        agent = load_agent(name)
        if agent.migrations is None:
            continue
        url = config.store_url(name, local=agent.local_store)
        if url.get_backend_name() == "postgresql":
            found.setdefault(url, name)
    return {name: url for url, name in found.items()}
