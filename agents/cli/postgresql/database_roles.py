"""``database-roles``: every agent gets a role and a schema of its own in the site's PostgreSQL database.

An agent can then read and write its own tables only. The roles are those that ``[store] url`` names with ``{agent}`` in
it, with the passwords that ``[store] password_file`` holds.
"""

import re
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from agents.cli.connection.target_choice import config_file
from agents.cli.connection.terminal import ConfigOption
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from agents.cli.postgresql.role import AgentRole
from agents.registry import AGENTS, load_agent, load_site
from agents.runtime.configuration.config_errors import ConfigError
from agents.runtime.configuration.site_config import SiteConfig
from agents.runtime.database.revision import version_table

app = command_app()

_ROLE = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""PostgreSQL cuts longer names short; others need quotes wherever a person writes them."""


@app.command()
def database_roles(
    admin: Annotated[str, typer.Option("--admin", metavar="URL", help="Who may make roles, and in which database.")],
    admin_password_file: Annotated[Path | None, typer.Option("--admin-password-file", help="The password.")] = None,
    config: ConfigOption = None,
) -> None:
    """Give every agent a role and a schema of its own in the site's PostgreSQL database.

    Can be run again, for new agents or changed passwords. Tables that agents of an older version have made in the
    schema `public` are moved into the agents' schemas; stop the agents for that.
    """
    try:
        site = load_site(config_file(config, Path.cwd()))
        for line in _set_up(_admin_url(admin, admin_password_file), agent_roles(site)):
            typer.echo(line)
    except ConfigError as error:
        raise CliError(ExitCode.CONFIGURATION, str(error)) from error


def agent_roles(site: SiteConfig) -> tuple[AgentRole, ...]:
    """Return the role of every agent that keeps its records in PostgreSQL.

    Raises :class:`CliError` if the settings name one role for several agents, or one without a password.
    """
    found: dict[str, AgentRole] = {}
    for agent in AGENTS:
        agent_type = load_agent(agent)
        if agent_type.migrations is None or agent_type.local_store:
            continue
        url = site.store_url(agent)
        if url.get_backend_name() != "postgresql":
            raise CliError(
                ExitCode.CONFIGURATION, f"{site.path}: [store] url names no PostgreSQL database, so there are no roles"
            )
        name = url.username or ""
        if name in found:
            raise CliError(
                ExitCode.CONFIGURATION,
                f"{site.path}: [store] url gives {agent} and {found[name].agent} the same role {name!r}; write "
                '"postgresql://{agent}@host/database" to give each one of its own',
            )
        if not _ROLE.fullmatch(name):
            raise CliError(
                ExitCode.CONFIGURATION,
                f"{site.path}: {name!r} cannot be a role: use small letters, digits and _, beginning with a letter",
            )
        if not isinstance(url.password, str) or not url.password:
            raise CliError(ExitCode.CONFIGURATION, f"{site.path}: [store] password_file gives {agent} no password")
        tables = rf"^({re.escape(agent)}_.*|{re.escape(version_table(agent_type.migrations))})$"
        found[name] = AgentRole(agent, name, url.password, tables)
    return tuple(found.values())


def _admin_url(text: str, password_file: Path | None) -> URL:
    try:
        url = make_url(text)
    except ArgumentError:
        raise typer.BadParameter(
            "write for example postgresql://postgres@db.local/chargebus", param_hint="--admin"
        ) from None
    if url.get_backend_name() != "postgresql" or not url.database:
        raise typer.BadParameter("names no PostgreSQL database", param_hint="--admin")
    if password_file is None:
        return url
    try:
        return url.set(password=password_file.read_text(encoding="utf-8").split("\n", 1)[0].strip())
    except OSError as error:
        raise CliError(ExitCode.CONFIGURATION, f"cannot read {password_file}: {error.strerror}") from None


def _set_up(admin: URL, roles: tuple[AgentRole, ...]) -> list[str]:
    for role in roles:
        if role.name == admin.username:
            raise CliError(
                ExitCode.CONFIGURATION,
                f"{role.name} is the role of {role.agent} and would lose its rights here: name another as --admin",
            )
    try:
        from agents.cli.postgresql import roles as postgresql_roles
    except ImportError:
        raise CliError(
            ExitCode.CONFIGURATION, "PostgreSQL's driver is not installed: pip install 'chargebus[postgresql]'"
        ) from None
    return postgresql_roles.set_up(admin, roles)
