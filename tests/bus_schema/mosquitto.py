"""Starts the installed Mosquitto with passwords and an access list, on a free port."""

import getpass
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bus_schema.generate.mosquitto import local_conf
from tests.brokers import free_port
from tests.brokers import mosquitto as installed
from tests.missing import missing

DEADLINE_S = 10.0


@dataclass(frozen=True)
class Mosquitto:
    """A broker that runs: every user's password is its own name."""

    port: int
    config: Path
    process: "subprocess.Popen[bytes]"


@contextmanager
def mosquitto(
    folder: Path,
    *,
    acl: str | None = None,
    users: Iterable[str] = (),
    lines: Iterable[str] = (),
    anonymous: bool = False,
    as_deployed: bool = False,
) -> Iterator[Mosquitto]:
    """Run Mosquitto until the block ends. Skips the test where Mosquitto is not installed.

    ``as_deployed``: with every setting and limit that ``chargebus up`` gives it, else with Mosquitto's defaults.
    """
    binary = installed()
    if binary is None:
        missing("Mosquitto (apt-get install mosquitto)")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    if as_deployed:
        settings = local_conf(port, folder, getpass.getuser()).splitlines()
        (folder / "broker").mkdir(exist_ok=True)
    else:
        # Started by root it would become a user who cannot read the folder.
        settings = [f"listener {port} 127.0.0.1", "set_tcp_nodelay true", f"user {getpass.getuser()}"]
        settings += [f"acl_file {folder}/mosquitto.acl"] if acl is not None else []
        settings += [f"password_file {folder}/mosquitto.passwords"] if users else []
    if acl is not None:
        (folder / "mosquitto.acl").write_text(acl)
    if users:
        (folder / "mosquitto.passwords").write_text("".join(f"{user}:{user}\n" for user in users))
        subprocess.run(["mosquitto_passwd", "-U", folder / "mosquitto.passwords"], check=True)
    config = folder / "mosquitto.conf"
    # A later line wins over an earlier one.
    config.write_text("\n".join([*settings, f"allow_anonymous {str(anonymous).lower()}", *lines]) + "\n")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([binary, "-c", config], stdout=log, stderr=log)
    try:
        _wait_until_listening(process, port, folder / "log")
        yield Mosquitto(port, config, process)
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return
    raise TimeoutError(log.read_text())
