"""PostgreSQL's own pg_dump and pg_restore, and whether a database is empty."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from sqlalchemy import URL, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from agents.cli.exits import CliError, ExitCode

_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"
"""In the schema where the role's own tables are: its own, or ``public`` where all agents share a role."""

_SCHEMA = "SELECT current_schema()"

CONNECT_TIMEOUT_S = "10"


def dump(url: URL, path: Path) -> None:
    """Save a role's schema, as it is at one moment, while it is used. Raises :class:`CliError`."""
    schema = f"--schema={_asked(url, _SCHEMA)}"
    _run(["pg_dump", "--format=custom", "--no-owner", "--no-privileges", schema, f"--file={path}"], url)


def restore(url: URL, path: Path) -> None:
    """Bring a dump into its schema, which is there and empty: all of it or nothing. Raises :class:`CliError`."""
    # Only what is in the schema: the schema itself is not the agent's to make.
    schema = f"--schema={_asked(url, _SCHEMA)}"
    options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", schema]
    _run(["pg_restore", *options, f"--dbname={url.database}", str(path)], url)
    if is_empty(url):
        raise CliError(ExitCode.FAILED, f"{path.name} holds nothing for {url.username} of {_shown(url)}")


def is_empty(url: URL) -> bool:
    """Tell whether a role's schema holds no tables. Raises :class:`CliError` if it cannot be reached."""
    return int(_asked(url, _TABLES)) == 0


def _asked(url: URL, query: str) -> Any:
    engine = create_engine(url.set(drivername="postgresql+psycopg"), connect_args={"connect_timeout": 10})
    try:
        with engine.connect() as connection:
            return connection.execute(text(query)).scalar_one()
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise CliError(ExitCode.FAILED, f"database {_shown(url)} cannot be used: {reason}") from None
    finally:
        engine.dispose()


def _run(command: list[str], url: URL) -> None:
    if shutil.which(command[0]) is None:
        raise CliError(
            ExitCode.CONFIGURATION, f"{command[0]} is not installed: it comes with Debian's package postgresql-client"
        )
    settings = {
        "PGHOST": url.host,
        "PGPORT": None if url.port is None else str(url.port),
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
        "PGCONNECT_TIMEOUT": CONNECT_TIMEOUT_S,
    }
    environment = dict(os.environ) | {name: str(value) for name, value in settings.items() if value is not None}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise CliError(ExitCode.FAILED, f"{command[0]} of {_shown(url)} failed: {done.stderr.strip()[-500:]}")


def _shown(url: URL) -> str:
    return f"{url.database} on {url.host or 'the local socket'}"
