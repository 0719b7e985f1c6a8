"""``prepare``: the folder with a site's certificates, secrets and configuration, for ``deploy/``."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from agents.cli.pki.authority import CA, PkiError, found, issue, read
from agents.cli.pki.revocation import revoke
from agents.cli.pki.rights import BROKER, ENVIRONMENT_FILE, SITE_FILE, give_to_broker
from agents.cli.prepare import earlier as prepare_earlier
from agents.cli.prepare.files import (
    BACKUPS,
    CARDS_FILE,
    COMPOSE_SECRETS,
    STEVE_FILE,
    Kind,
    PrepareError,
    Wanted,
    agent_tables,
    cards_csv,
    environment,
    moved,
    site_agents,
    site_toml,
    steve_properties,
    wanted,
)
from agents.cli.whole_file import write_whole
from agents.registry import AGENTS, ON_REQUEST, load_site
from agents.runtime.configuration.config_errors import ConfigError

app = command_app()

READABLE, PRIVATE = 0o644, 0o600


@app.command()
def prepare(
    site: Annotated[str, typer.Argument(metavar="SITE", help="Id of the site.")],
    hosts: Annotated[list[str], typer.Argument(metavar="HOST…", help="Names and addresses of the broker.")],
    folder: Annotated[Path, typer.Option("--folder", help="Where everything goes; keep it out of git.")],
    kind: Annotated[Kind, typer.Option("--for", help="compose: Docker; systemd: a Raspberry Pi.")] = Kind.COMPOSE,
    devices: Annotated[
        list[str] | None,
        typer.Option("--device", metavar="ID", help="Charger that gets a certificate; may be repeated."),
    ] = None,
    meters: Annotated[
        list[str] | None, typer.Option("--meter", metavar="ID", help="Grid meter that gets a certificate.")
    ] = None,
    people: Annotated[
        list[str] | None, typer.Option("--person", metavar="NAME", help="Technician who gets certificates.")
    ] = None,
) -> None:
    """Make a site's folder: certificates, secrets, site.toml, access list.

    Can be run again, for more devices and people or after an update: what is there is kept. Only what the broker reads
    (folder broker) is brought up to date; `chargebus pki apply` lets a running one read it. A folder of an earlier
    version is brought over; a file that has to change for that is kept as FILE.before-upgrade.
    """
    try:
        asked = wanted(site, hosts, kind, site_agents(AGENTS), devices or (), meters or (), people or ())
        for line in make(asked, folder.absolute(), datetime.now(UTC)):
            typer.echo(line)
    except (PrepareError, PkiError, ConfigError) as error:
        raise CliError(ExitCode.CONFIGURATION, str(error)) from None
    except OSError as error:
        raise CliError(ExitCode.CONFIGURATION, f"cannot write {error.filename}: {error.strerror}") from None


def make(asked: Wanted, folder: Path, now: datetime) -> Iterator[str]:
    """Make what is missing in ``folder``; yield a line for each thing made or changed.

    Raises :class:`PrepareError`, :class:`PkiError`, :class:`OSError`.
    """
    _check_repository(folder)
    # Only the owner gets into the folder. Containers are handed single files of it and run under users of their own,
    # so for them the files inside are readable; the authority's key never is.
    # With systemd, deploy/install.sh gives the agents' group its share.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if asked.kind is Kind.COMPOSE:
        folder.chmod(0o700)
    yield from _certificates(_with_meters(asked, folder), folder / "pki", now)
    mode = READABLE if asked.kind is Kind.COMPOSE else PRIVATE
    if asked.kind is Kind.COMPOSE:
        yield from _secrets(folder / "secrets", mode)
        yield from prepare_earlier.convert(folder)
        (folder / BACKUPS).mkdir(mode=0o700, exist_ok=True)
        yield from _new(folder / ENVIRONMENT_FILE, environment(asked.site, folder), READABLE)
    yield from _new(folder / CARDS_FILE, cards_csv(), READABLE)
    yield from _new(folder / SITE_FILE, site_toml(asked), READABLE)
    yield from give_to_broker(folder)
    moved(folder, folder)
    yield from _tables_to_add(folder / SITE_FILE, asked)


def _check_repository(folder: Path) -> None:
    for parent in (folder, *folder.parents):
        if (parent / ".git").exists():
            raise PrepareError(
                f"{folder} is in the git repository {parent}: choose a folder outside, keys do not belong in git"
            )


def _certificates(asked: Wanted, folder: Path, now: datetime) -> Iterator[str]:
    if found(folder, asked.site, now):
        yield f"made {folder / f'{CA}.pem'}"
    revoke(folder, (), now)
    for name, role in {BROKER: "", **asked.users}.items():
        path = folder / f"{name}.pem"
        was_there = path.exists()
        issued = issue(folder, name, now, role=role, server_names=asked.server_names if name == BROKER else ())
        if issued.role != role:
            if issued.tells_role:
                raise PrepareError(
                    f"{path} is that of a {issued.role}, not of a {role}: choose another name, or "
                    f"`chargebus pki revoke {name}` first"
                )
            issue(folder, name, now, role=role, renew=True)
            yield f"renewed {path}: it told no role and counted as a {issued.role}'s; the one that it has stays valid"
        if asked.kind is Kind.COMPOSE:
            path.with_suffix(".key").chmod(READABLE)
        if not was_there:
            yield f"made {path}"


def _secrets(folder: Path, mode: int) -> Iterator[str]:
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in COMPOSE_SECRETS:
        yield from _new(folder / name, secrets.token_urlsafe(24), mode)
    database = (folder / "steve.password").read_text(encoding="utf-8")
    yield from _new(folder / STEVE_FILE, steve_properties(database, secrets.token_urlsafe(12)), mode)


def _new(path: Path, text: str, mode: int) -> Iterator[str]:
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        write_whole(path, text.encode(), mode)
        yield f"made {path}"


def _with_meters(asked: Wanted, folder: Path) -> Wanted:
    """Add the grid meters of ``site.toml`` whose certificates are of an earlier version, which told no role."""
    site_file = folder / SITE_FILE
    named = prepare_earlier.site_meters(load_site(site_file)) if site_file.exists() else frozenset()
    there = sorted(name for name in named if (folder / f"pki/{name}.pem").exists())
    old = tuple(name for name in there if not read(folder / f"pki/{name}.pem").tells_role)
    return replace(asked, meters=tuple(dict.fromkeys((*asked.meters, *old))))


def _tables_to_add(path: Path, asked: Wanted) -> Iterator[str]:
    """Tell what an older site.toml lacks: an agent that came with an update, and that every site runs."""
    for agent, table in agent_tables(asked).items():
        if agent not in ON_REQUEST and f"[{agent}]" not in path.read_text(encoding="utf-8"):
            yield f"{path} has no table [{agent}]; add this:\n{table}"
