"""A private PostgreSQL server for tests that are marked `postgresql`.

The fixture `postgresql_url` gives every test an empty database of its own on one server for the whole run.
"""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.brokers import free_port
from tests.missing import missing


@dataclass
class PostgresServer:
    """A server that accepts everyone from this machine as `postgres`."""

    bin: Path
    data: Path
    port: int

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        self.run(
            "pg_ctl", "-D", str(self.data), "-w", "-l", str(self.data.parent / "log"),
            "-o", f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off", "start",
        )  # fmt: skip

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; ``immediate`` is what a power loss looks like to its clients."""
        self.run("pg_ctl", "-D", str(self.data), "-w", "-m", mode, "stop")

    def create_database(self) -> str:
        """Create an empty database and return its URL."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def run(self, program: str, *arguments: str) -> None:
        command = [str(self.bin / program), *arguments]
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root.
            command = ["runuser", "-u", "postgres", "--", *command]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/")
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    on_path = shutil.which("initdb")
    if on_path:
        found.append(Path(on_path))
    if not found:
        missing("the PostgreSQL server binaries (initdb, pg_ctl)")
    return found[-1].parent


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresServer]:
    """A running server; the same for all tests of the run."""
    binaries = _binaries()
    with tempfile.TemporaryDirectory(prefix="chargebus-postgresql-") as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        server = PostgresServer(binaries, Path(folder) / "data", free_port())
        server.run("initdb", "-D", str(server.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        server.start()
        yield server
        server.stop()


@pytest.fixture
def postgresql_url(postgresql_server: PostgresServer) -> str:
    """URL of an empty database."""
    return postgresql_server.create_database()
