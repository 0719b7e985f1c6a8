"""``backup`` and ``restore``: everything of a site that matters, in one file."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from agents.cli.backup import archive as backup_archive
from agents.cli.backup.archive import FORMAT, DamagedArchive, Database, Manifest
from agents.cli.backup.sources import find, is_sqlite
from agents.cli.connection.target_choice import SITE_FILE, config_file
from agents.cli.connection.terminal import ConfigOption
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from agents.cli.postgresql import tools as postgresql_tools
from agents.cli.prepare.files import moved
from agents.cli.whole_file import sync_folder
from agents.registry import load_agent, load_site
from agents.runtime.configuration.config_errors import ConfigError
from agents.runtime.configuration.site_config import SiteConfig

app = command_app()


class Part(StrEnum):
    """A part of a site that can be restored on its own."""

    SITE = "site"
    DATA = "data"
    DATABASE = "database"


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Archive to write; one that is there is replaced.")],
    config: ConfigOption = None,
) -> None:
    """Save everything of a site that matters, while it runs, into one file.

    That is: site.toml, certificates, secrets, cards, the agents' SQLite databases and their PostgreSQL database.
    Measurements in InfluxDB are not. The file holds keys and passwords: keep it where nobody else reads it.
    """
    try:
        site = load_site(config_file(config, Path.cwd()))
        manifest = make(site, file.absolute(), datetime.now(UTC))
    except ConfigError as error:
        raise CliError(ExitCode.CONFIGURATION, str(error)) from error
    except (OSError, sqlite3.Error, DamagedArchive) as error:
        raise CliError(ExitCode.FAILED, f"no backup was made: {error}") from error
    typer.echo(f"{file}: {_summary(manifest)}")
    for line in manifest.left_out:
        typer.echo(f"not in it: {line}")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Archive that `chargebus backup` has made.")],
    folder: Annotated[Path | None, typer.Option("--folder", help="For site.toml and what belongs to it.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="For the agents' data, if not where they were.")] = None,
    only: Annotated[list[Part] | None, typer.Option("--only", help="Restore this part; may be repeated.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say whether the archive is whole.")] = False,
) -> None:
    """Bring a site back from a backup, into empty folders and an empty database.

    Nothing is overwritten: folders or a database that hold anything are refused, and so is a damaged archive.
    """
    try:
        manifest = backup_archive.check(file)
        if not check:
            parts = frozenset(only or Part)
            for line in bring_back(file, manifest, _places(manifest, folder, data, parts)):
                typer.echo(line)
    except DamagedArchive as error:
        raise CliError(ExitCode.FAILED, f"{file} is not a whole backup: {error}; nothing was restored") from None
    except ConfigError as error:
        raise CliError(ExitCode.CONFIGURATION, str(error)) from error
    except OSError as error:
        raise CliError(ExitCode.FAILED, f"cannot restore: {error}") from error
    typer.echo(f"{file}: {_summary(manifest)}")


def make(site: SiteConfig, archive: Path, now: datetime) -> Manifest:
    """Write the archive and return its manifest.

    Raises :class:`OSError`, :class:`sqlite3.Error`, :class:`DamagedArchive`, :class:`CliError`, :class:`ConfigError`.
    """
    sources = find(site)
    with _staging(archive.parent / f".{archive.name}.staging") as staging:
        for name, path in sources.files.items():
            if path != archive:
                _copy(path, staging / name)
        databases = []
        for agent, url in sources.databases.items():
            member = f"database/{agent}.dump"
            (staging / member).parent.mkdir(exist_ok=True)
            postgresql_tools.dump(url, staging / member)
            databases.append(Database(member=member, agent=agent))
        manifest = Manifest(
            format=FORMAT,
            site=site.site,
            made=now.isoformat(timespec="seconds"),
            chargebus=version("chargebus"),
            site_folder=site.path.parent.as_posix(),
            data_folder=site.data_dir.as_posix(),
            members=backup_archive.described(staging),
            databases=tuple(databases),
            left_out=sources.left_out,
        )
        backup_archive.write(archive, staging, manifest)
    return manifest


def bring_back(archive: Path, manifest: Manifest, places: dict[Part, Path]) -> Iterator[str]:
    """Restore the parts into their places; yield a line for each.

    The database comes first, all of it or nothing; then each folder appears under its name at once.
    """
    for part in (Part.SITE, Part.DATA):
        if part in places:
            _check_empty(places[part])
    beside = places.get(Part.SITE) or places.get(Part.DATA) or archive.absolute()
    with _staging(beside.parent / f".{beside.name}.restoring") as staging:
        backup_archive.unpack(archive, staging)
        if Part.DATABASE in places:
            yield from _bring_back_databases(staging, manifest)
        inside = manifest.data_in_site
        if Part.DATA in places and (staging / "data").exists():
            nested = Part.SITE in places and inside is not None and places[Part.DATA] == places[Part.SITE] / inside
            _move(staging / "data", staging / "site" / inside if nested and inside else places[Part.DATA])
            yield f"data: {places[Part.DATA]}"
        if Part.SITE in places:
            moved(staging / "site", places[Part.SITE])
            _move(staging / "site", places[Part.SITE])
            yield f"site: {places[Part.SITE] / SITE_FILE}"


def _places(manifest: Manifest, folder: Path | None, data: Path | None, parts: frozenset[Part]) -> dict[Part, Path]:
    if folder is None and parts & {Part.SITE}:
        raise typer.BadParameter("where to? give a folder that is empty or not there", param_hint="--folder")
    site = Path(manifest.site_folder) if folder is None else folder.absolute()
    inside = manifest.data_in_site
    usual = Path(manifest.data_folder) if inside is None else site / inside
    places = {Part.SITE: site, Part.DATA: usual if data is None else data.absolute(), Part.DATABASE: site}
    return {part: path for part, path in places.items() if part in parts}


def _bring_back_databases(staging: Path, manifest: Manifest) -> Iterator[str]:
    if not manifest.databases:
        return
    site = load_site(staging / "site" / SITE_FILE)
    urls = {}
    for database in manifest.databases:
        urls[database] = site.store_url(database.agent, local=load_agent(database.agent).local_store)
        if not postgresql_tools.is_empty(urls[database]):
            raise CliError(
                ExitCode.FAILED,
                f"database {urls[database].database} is not empty: restore into an empty one, or leave it with "
                "--only site --only data",
            )
    for database, url in urls.items():
        postgresql_tools.restore(url, staging / database.member)
        yield f"database: {url.database} on {url.host or 'the local socket'}"


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        if is_sqlite(path):
            copy_sqlite(path, target)
        else:
            shutil.copyfile(path, target)
        target.chmod(path.stat().st_mode & 0o777)
    except FileNotFoundError:
        if path.exists():
            raise
        # What an agent has removed meanwhile is not part of the site any more.


def copy_sqlite(path: Path, target: Path) -> None:
    """Copy a database as it is at one moment, while others write to it. Raises :class:`sqlite3.Error`."""
    address = f"file:{quote(str(path))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=30)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
        found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(f"{path} is damaged: {found}")


def _check_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CliError(ExitCode.FAILED, f"{folder} is not empty: nothing was restored. Choose another, or move it away")


def _move(source: Path, target: Path) -> None:
    """Give a folder its place; across file systems it is copied beside it first."""
    _check_empty(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.stat().st_dev != target.parent.stat().st_dev or target.is_mount():
        if target.is_mount():  # A container's volume: its top cannot be replaced.
            shutil.copytree(source, target, dirs_exist_ok=True)
            _give(target)
            return
        beside = target.with_name(f".{target.name}.restoring")
        shutil.rmtree(beside, ignore_errors=True)
        source = Path(shutil.copytree(source, beside))
    source.rename(target)
    sync_folder(target.parent)


def _give(folder: Path) -> None:
    """Give everything in a folder to the folder's owner: root restores, the agents have a user of their own."""
    owner = folder.stat()
    for path in folder.rglob("*"):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Give an empty folder that is gone afterwards; what a killed run has left there is removed."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _summary(manifest: Manifest) -> str:
    size = sum(member.length for member in manifest.members)
    databases = f", {len(manifest.databases)} of them of PostgreSQL" if manifest.databases else ""
    return (
        f"site {manifest.site} of {manifest.made}, {len(manifest.members)} files{databases}, {size / 1e6:.1f} MB, whole"
    )
