"""Roles and schemas in a PostgreSQL server, in one transaction. Needs psycopg."""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import URL

from agents.cli.exits import CliError, ExitCode
from agents.cli.postgresql.role import AgentRole

CONNECTIONS = 10
"""How many connections a role may hold: an agent uses one, a backup another."""

CONNECT_TIMEOUT_S = 10
"""How long a connection attempt may take."""

Connection = psycopg.Connection[Any]


def set_up(admin: URL, roles: Sequence[AgentRole]) -> list[str]:
    """Make what is missing, all of it or nothing, and return a line for each thing made. Raises :class:`CliError`."""
    address: dict[str, Any] = {**admin.query, **admin.translate_connect_args(username="user", database="dbname")}
    where = f"database {admin.database} on {admin.host or 'the local socket'}"
    try:
        with psycopg.connect(connect_timeout=CONNECT_TIMEOUT_S, **address) as connection:
            done = [line for role in roles for line in _give(connection, role)]
            _close_what_is_shared(connection)
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
        raise CliError(ExitCode.FAILED, f"{where}: {reason}; nothing was changed") from error
    return [*done, f"{where}: {len(roles)} agents have a role and a schema each"]


def _give(connection: Connection, role: AgentRole) -> Iterator[str]:
    name = sql.Identifier(role.name)
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role.name]).fetchall():
        connection.execute(sql.SQL("CREATE ROLE {}").format(name))
        yield f"made the role {role.name}"
    # The server's log may hold the statement: it never sees the password itself.
    password = connection.pgconn.encrypt_password(role.password.encode(), role.name.encode(), b"scram-sha-256")
    connection.execute(
        sql.SQL(
            "ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT {} "
            "PASSWORD {}"
        ).format(name, CONNECTIONS, password.decode())
    )
    # Who makes a schema for a role must be a member of it, unless it is a superuser.
    connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
    if not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [role.name]).fetchall():
        connection.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(name, name))
        yield f"made the schema {role.name}"
    database = sql.Identifier(connection.info.dbname)
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, name))
    connection.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} SET search_path = {}").format(name, database, name))
    yield from _move(connection, role)


def _move(connection: Connection, role: AgentRole) -> Iterator[str]:
    """Move what an older version's agent has made in ``public``, where every agent could read and write it."""
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename ~ %s ORDER BY 1"
    for (table,) in connection.execute(query, [role.tables]).fetchall():
        connection.execute(sql.SQL("ALTER TABLE public.{} OWNER TO {}").format(sql.Identifier(table), _id(role)))
        connection.execute(sql.SQL("ALTER TABLE public.{} SET SCHEMA {}").format(sql.Identifier(table), _id(role)))
        yield f"moved {table} into the schema {role.name}"


def _id(role: AgentRole) -> sql.Identifier:
    return sql.Identifier(role.name)


def _close_what_is_shared(connection: Connection) -> None:
    database = sql.Identifier(connection.info.dbname)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
