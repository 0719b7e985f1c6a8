"""``pki``: the site's certificates."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from agents.cli.pki_authority import Issued, PkiError, all_issued, found, issue
from agents.cli.terminal import JsonOption
from agents.cli.values import site_id

app = command_app()
group = command_app()
app.add_typer(group, name="pki")

Folder = Annotated[Path, typer.Option("--folder", help="Where certificates and keys lie.")]
_FOLDER = Path("pki")


@group.callback()
def pki() -> None:
    """Make and show the site's certificates: broker, agents, chargers."""


@app.callback()
def _module() -> None:
    """Keep ``pki`` a group of its own."""


@group.command()
def init(
    site: Annotated[str, typer.Argument(parser=site_id, metavar="SITE", help="Id of the site.")],
    folder: Folder = _FOLDER,
) -> None:
    """Make the site's certificate authority; nothing happens if it is there.

    Keep ca.key where nobody else reads it, and in the backup: with it anybody can be anybody on the bus.
    """
    try:
        made = found(folder, site, datetime.now(UTC))
    except PkiError as error:
        raise CliError(ExitCode.FAILED, str(error)) from None
    typer.echo(f"{'made' if made else 'there already'}: {folder / 'ca.pem'}")


@group.command()
def server(
    names: Annotated[list[str], typer.Argument(metavar="HOST…", help="Host names and addresses of the server.")],
    name: Annotated[str, typer.Option("--name", help="Name of the files.")] = "broker",
    folder: Folder = _FOLDER,
    renew: Annotated[bool, typer.Option("--renew", help="Replace the one that is there.")] = False,
) -> None:
    """Give the broker, or another server, a key and a certificate for its names and addresses."""
    _issue(folder, [name], names, renew)


@group.command("issue")
def issue_clients(
    names: Annotated[list[str], typer.Argument(metavar="USER…", help="Names of agents, chargers, meters, people.")],
    folder: Folder = _FOLDER,
    renew: Annotated[bool, typer.Option("--renew", help="Replace those that are there.")] = False,
) -> None:
    """Give users of the broker a key and a certificate each; those that are there are kept."""
    _issue(folder, names, (), renew)


@group.command()
def status(folder: Folder = _FOLDER, as_json: JsonOption = False) -> None:
    """Show all certificates; ends with 1 if one is due for renewal or has run out."""
    now = datetime.now(UTC)
    try:
        issued = all_issued(folder)
    except PkiError as error:
        raise CliError(ExitCode.FAILED, str(error)) from None
    if not issued:
        raise CliError(ExitCode.CONFIGURATION, f"no certificates in {folder}; begin with 'chargebus pki init SITE'")
    if as_json:
        typer.echo(json.dumps([_row(each, now) for each in issued], indent=2))
    else:
        for each in issued:
            kind = f"server {', '.join(each.alternative_names)}" if each.server else "user"
            due = "  DUE: renew it" if each.is_due(now) else ""
            typer.echo(f"{each.name:<32} until {each.ends:%Y-%m-%d}  {kind}{due}")
    if any(each.is_due(now) for each in issued):
        raise typer.Exit(int(ExitCode.FAILED))


def _issue(folder: Path, names: list[str], server_names: list[str] | tuple[str, ...], renew: bool) -> None:
    for name in names:
        try:
            made = issue(folder, name, datetime.now(UTC), server_names=server_names, renew=renew)
        except PkiError as error:
            raise CliError(ExitCode.FAILED, str(error)) from None
        typer.echo(f"{made.path}  until {made.ends:%Y-%m-%d}")


def _row(issued: Issued, now: datetime) -> dict[str, object]:
    return {
        "name": issued.name,
        "file": str(issued.path),
        "serial": f"{issued.serial:x}",
        "ends": issued.ends.isoformat(),
        "server_names": list(issued.alternative_names),
        "due": issued.is_due(now),
    }
