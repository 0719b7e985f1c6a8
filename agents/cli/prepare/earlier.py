"""Brings a site's folder over that an earlier version of ``chargebus prepare`` has made. Each step is taken once.

A file that changes is kept beside it as it was, with :data:`KEPT` at the end of its name.
"""

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from agents.cli.pki.rights import SITE_FILE
from agents.cli.prepare.files import COMPOSE_STORE, STEVE_FILE, PrepareError
from agents.cli.whole_file import KEPT, write_whole
from agents.registry import settings_type
from agents.runtime.configuration.site_config import SiteConfig

SHARED_STORE = """\
url = "postgresql://chargebus@postgres/chargebus"
password_file = "/run/secrets/postgres.password"
"""
"""What stood under ``[store]`` while all agents shared a role in the database."""

_OF_STEVE_3_7 = ("steve.version = ", "git.describe = ")
"""Lines whose values SteVe's build filled in; from 3.14 on it would not start with them."""


def site_meters(site: SiteConfig) -> frozenset[str]:
    """Return the grid meters that ``site.toml`` names.

    Raises :class:`agents.runtime.configuration.site_config.ConfigError`.
    """
    settings: Any = site.settings("load_balancer", settings_type("load_balancer"))
    return frozenset(circuit.meter for circuit in settings.circuits.values() if circuit.meter is not None)


def convert(folder: Path) -> Iterator[str]:
    """Bring the files over that the stack of ``compose.yaml`` reads; yield a line for each that has changed.

    Raises :class:`PrepareError` where agents would keep their records in containers, :class:`OSError`.
    """
    site, steve = folder / SITE_FILE, folder / "secrets" / STEVE_FILE
    if site.exists():
        yield from _changed(site, lambda text: text.replace(SHARED_STORE, COMPOSE_STORE))
        _check_store(site)
    yield from _changed(steve, _for_steve_3_14)


def _check_store(path: Path) -> None:
    store = tomllib.loads(path.read_text(encoding="utf-8")).get("store", {})
    url = str(store.get("url", ""))
    if not url.startswith("postgresql"):
        raise PrepareError(
            f"{path}: [store] names no PostgreSQL database. Containers of this version keep no files: sessions would "
            "be lost with every restart. To keep the SQLite files, go on with deploy/install.sh instead of Docker and "
            "restore a backup of the earlier version there. To begin with an empty database, write under [store]\n"
            f"{COMPOSE_STORE}"
        )
    if "{agent}" not in url:
        raise PrepareError(
            f"{path}: [store] url has one role for all agents; each agent now has its own. Under [store] write\n"
            f"{COMPOSE_STORE}or, for a database of yours, the same with its host instead of postgres"
        )


def _for_steve_3_14(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(_OF_STEVE_3_7))


def _changed(path: Path, change: Callable[[str], str]) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    new = change(text)
    if new == text:
        return
    mode = path.stat().st_mode & 0o777
    kept = path.with_name(path.name + KEPT)
    if not kept.exists():
        write_whole(kept, text.encode(), mode)
    write_whole(path, new.encode(), mode)
    yield f"changed {path} for this version; as it was: {kept.name}"
