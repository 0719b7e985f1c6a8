"""``pki``: the site's certificates."""

import json
from collections.abc import Container, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agents.cli.connection.terminal import JsonOption
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from agents.cli.pki.apply import FOLDER, Folder, Reload, apply_changes
from agents.cli.pki.authority import CA, Issued, PkiError, all_issued, found, issue, read, renew_same_key, usual_role
from agents.cli.pki.revocation import revoke as put_on_list
from agents.cli.pki.revocation import revoked_serials
from agents.cli.pki.revoke import Door, Eviction, list_superseded, list_users, retire, users_of
from agents.cli.pki.rights import SITE_FILE
from agents.cli.values import site_id
from bus_schema import Role
from bus_schema.generate.acl import person_users, reserved_users
from bus_schema.ids import InvalidId

app = command_app()
group = command_app()
app.add_typer(group, name="pki")


class UserRole(StrEnum):
    """What a new user may do; agents' roles are told by their names."""

    CHARGER = "charger"
    METER = "meter"
    TECHNICIAN = "technician"


@group.callback()
def pki() -> None:
    """Make, show, renew and revoke the site's certificates: broker, agents, chargers, people."""


@app.callback()
def _module() -> None:
    """Keep ``pki`` a group of its own."""


@group.command()
def init(
    site: Annotated[str, typer.Argument(parser=site_id, metavar="SITE", help="Id of the site.")],
    folder: Folder = FOLDER,
) -> None:
    """Make the site's certificate authority; nothing happens if it is there.

    Keep ca.key where nobody else reads it, and in the backup: with it anybody can be anybody on the bus.
    """
    try:
        made = found(folder, site, datetime.now(UTC))
        put_on_list(folder, (), datetime.now(UTC))
    except PkiError as error:
        raise CliError(ExitCode.FAILED, str(error)) from None
    typer.echo(f"{'made' if made else 'there already'}: {folder / 'ca.pem'}")


@group.command()
def server(
    names: Annotated[list[str], typer.Argument(metavar="HOST…", help="Host names and addresses of the server.")],
    name: Annotated[str, typer.Option("--name", help="Name of the files.")] = "broker",
    folder: Folder = FOLDER,
    renew: Annotated[bool, typer.Option("--renew", help="Replace the one that is there.")] = False,
) -> None:
    """Give the broker, or another server, a key and a certificate for its names and addresses."""
    try:
        _say(issue(folder, name, datetime.now(UTC), server_names=names, renew=renew))
    except PkiError as error:
        raise CliError(ExitCode.FAILED, str(error)) from None


@group.command("issue")
def issue_users(
    names: Annotated[list[str], typer.Argument(metavar="USER…", help="Names of agents, chargers, meters, people.")],
    role: Annotated[UserRole | None, typer.Option("--role", help="What they may do; agents need none.")] = None,
    folder: Folder = FOLDER,
    reload: Reload = True,
) -> None:
    """Give users of the broker a key and a certificate each; those that are there are kept.

    A technician gets four, NAME and NAME-2 to NAME-4: one for each command that runs at the same time. Use one name
    for each person and computer, so that one can be revoked without the others.
    """
    _certify(folder, names, role, renew=False)
    apply_changes(folder, reload)


@group.command()
def renew(
    names: Annotated[list[str], typer.Argument(metavar="USER…", help="Names that have a certificate.")],
    folder: Folder = FOLDER,
    same_key: Annotated[
        bool, typer.Option("--same-key", help="Keep the key and renew the certificate only: nothing secret moves.")
    ] = False,
) -> None:
    """Give users a new key and certificate each, in the place of the old ones.

    The old certificate stays valid until it ends, so that nobody is shut out who does not have the new one yet; if it
    is in wrong hands, revoke it instead and issue a new one. An agent takes the new one with its next connection.
    Once it is in use, `pki revoke USER --superseded` ends the old ones.
    """
    for name in names:
        if not (folder / f"{name}.pem").exists():
            raise CliError(
                ExitCode.UNKNOWN, f"there is no certificate of {name!r} in {folder}; see `chargebus pki status`"
            )
    users = [user for name in names for user in _users(folder, name)]
    if same_key:
        _sign_again(folder, users)
    else:
        _certify(folder, users, None, renew=True)


@group.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="USER", help="Charger, meter, agent or person to shut out.")],
    folder: Folder = FOLDER,
    broker: Annotated[
        str | None, typer.Option("--broker", metavar="HOST[:PORT]", help="Broker, instead of site.toml's.")
    ] = None,
    superseded: Annotated[
        bool, typer.Option("--superseded", help="Only its earlier certificates: the newest one stays valid.")
    ] = False,
    reload: Reload = True,
) -> None:
    """Shut a user out, at once: every certificate of this name, its rights, and the connection that is open.

    What was stolen is then worth nothing. Afterwards `pki issue` may give the same name to its replacement.

    With --superseded a renewal is completed: do it when the user has connected with its new certificate. A connection
    that an old one has opened stays until it ends.
    """
    now = datetime.now(UTC)
    if superseded:
        _end_superseded(folder, name, now, reload)
        return
    try:
        users = _users(folder, name)
        evictions = [Eviction(folder, user) for user in users]
        count = list_users(folder, users, now)
        retire(folder, users)
    except PkiError as error:
        raise CliError(ExitCode.FAILED, str(error)) from None
    typer.echo(f"revoked {count} certificate{'s' * (count != 1)} of {', '.join(users)}")
    if not apply_changes(folder, reload, always=True):
        return
    door = _door(folder, broker)
    for eviction in evictions:
        typer.echo(_shut_out(eviction, door))


@group.command()
def apply(folder: Folder = FOLDER, reload: Reload = True) -> None:
    """Make the access list again from certificates and site.toml, and let the running broker read it.

    Needed after a new station in [csms.stations] or an update of chargebus.
    """
    if not (folder.absolute().parent / SITE_FILE).exists():
        raise CliError(
            ExitCode.CONFIGURATION, f"there is no {SITE_FILE} beside {folder}: `chargebus prepare` makes one"
        )
    apply_changes(folder, reload, always=True)


@group.command()
def status(folder: Folder = FOLDER, as_json: JsonOption = False) -> None:
    """Show all certificates; ends with 1 if one is due for renewal or has run out."""
    now = datetime.now(UTC)
    try:
        issued = all_issued(folder)
        revoked = revoked_serials(folder)
    except PkiError as error:
        raise CliError(ExitCode.FAILED, str(error)) from None
    if not issued:
        raise CliError(ExitCode.CONFIGURATION, f"no certificates in {folder}; begin with 'chargebus pki init SITE'")
    if as_json:
        typer.echo(json.dumps([_row(each, now, each.serial in revoked) for each in issued], indent=2))
    else:
        for each in issued:
            kind = f"server {', '.join(each.alternative_names)}" if each.server else each.role or "authority"
            typer.echo(f"{each.name:<32} until {each.ends:%Y-%m-%d}  {kind}{_state(each, now, revoked)}")
        if revoked:
            typer.echo(f"{len(revoked)} revoked")
    if any(each.is_due(now) for each in issued):
        raise typer.Exit(int(ExitCode.FAILED))


def _certify(folder: Path, names: Iterable[str], role: UserRole | None, *, renew: bool) -> None:
    for name in names:
        try:
            if role is UserRole.TECHNICIAN and name in reserved_users() and name != Role.TECHNICIAN:
                raise PkiError(f"no person may be called {name!r}: it is the name of a part of the site")
            known = read(folder / f"{name}.pem").role if renew else role or usual_role(name)
            users = [name] if renew or known != Role.TECHNICIAN else [user.name for user in person_users(name)]
            for user in users:
                _say(issue(folder, user, datetime.now(UTC), role=str(known), renew=renew))
        except (PkiError, InvalidId) as error:
            raise CliError(ExitCode.FAILED, str(error)) from None


def _sign_again(folder: Path, users: Iterable[str]) -> None:
    try:
        revoked = revoked_serials(folder)
        for user in users:
            if read(folder / f"{user}.pem").serial in revoked:
                raise PkiError(f"the certificate of {user!r} is revoked: give it a new key (without --same-key)")
            _say(renew_same_key(folder, user, datetime.now(UTC)))
    except PkiError as error:
        raise CliError(ExitCode.FAILED, str(error)) from None


def _end_superseded(folder: Path, name: str, now: datetime, reload: bool) -> None:
    try:
        users = _users(folder, name)
        count = list_superseded(folder, users, now)
    except PkiError as error:
        raise CliError(ExitCode.FAILED, str(error)) from None
    typer.echo(f"revoked {count} earlier certificate{'s' * (count != 1)} of {', '.join(users)}")
    apply_changes(folder, reload, always=True)


def _users(folder: Path, name: str) -> list[str]:
    try:
        return users_of(folder, name)
    except PkiError as error:
        raise CliError(ExitCode.FAILED, str(error)) from None


def _say(issued: Issued) -> None:
    typer.echo(f"{issued.path}  until {issued.ends:%Y-%m-%d}")
    if not issued.path.with_suffix(".key").exists():
        name = issued.path.stem
        typer.echo(f"  its key is not here; if it is nowhere else either, `pki renew {name}` makes a new one")


def _door(folder: Path, broker: str | None) -> Door:
    from agents.cli.connection.target_choice import host_and_port, load_config

    if broker is not None:
        return Door(*host_and_port(broker))
    site_folder = folder.absolute().parent
    settings = load_config(site_folder / SITE_FILE).broker
    return Door("localhost" if settings.host == "broker" else settings.host, settings.port)


def _shut_out(eviction: Eviction, door: Door) -> str:
    try:
        refused = eviction.is_refused(door)
        if refused is False:
            raise CliError(
                ExitCode.FAILED,
                f"the broker at {door.host}:{door.port} still lets {eviction.user} in: does its configuration name "
                "crlfile, and is it the broker of this site? (chargebus doctor)",
            )
        ended = eviction.end_connection(door, datetime.now(UTC))
    except OSError as error:
        raise CliError(
            ExitCode.UNREACHABLE,
            f"the broker at {door.host}:{door.port} could not be asked ({error}): it has read the list, but whether "
            f"{eviction.user} is out was not tried; name it with --broker",
        ) from None
    proof = "the broker refuses it" if refused else "its certificate is not here to be tried"
    return f"{eviction.user} is out: {proof}{', and its connection has ended' if ended else ''}"


def _state(issued: Issued, now: datetime, revoked: Container[int]) -> str:
    if issued.serial in revoked:
        return "  REVOKED"
    if not issued.is_due(now):
        return ""
    over_the_bus = issued.role == Role.CHARGER and issued.ends > now
    return f"  DUE: chargebus renew-certificate {issued.name}" if over_the_bus else "  DUE: renew it"


def _row(issued: Issued, now: datetime, revoked: bool) -> dict[str, object]:
    return {
        "name": issued.name,
        "role": issued.role or ("authority" if issued.name == CA else "server"),
        "file": str(issued.path),
        "serial": f"{issued.serial:x}",
        "ends": issued.ends.isoformat(),
        "server_names": list(issued.alternative_names),
        "due": issued.is_due(now),
        "revoked": revoked,
    }
