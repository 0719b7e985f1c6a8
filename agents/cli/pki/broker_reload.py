"""Makes the running broker read its access list and its list of revoked certificates again: SIGHUP.

Where the broker runs shows in the site's folder: ``compose.env`` means a container of ``deploy/compose.yaml``,
``broker.pid`` a Mosquitto that was started with that ``pid_file``, and otherwise it is the service ``mosquitto``.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from agents.cli.pki.rights import BROKER, ENVIRONMENT_FILE

PID_FILE = "broker.pid"

WITHIN_S = 5.0
"""How long a command may take that reaches the broker."""


class ReloadError(Exception):
    """The broker could not be reached; the text says why and what to type."""


def reload_broker(folder: Path) -> str:
    """Send SIGHUP to the broker of the site in ``folder`` and say where it was. Raises :class:`ReloadError`."""
    if (folder / PID_FILE).exists():
        return _process(folder / PID_FILE)
    if (folder / ENVIRONMENT_FILE).exists():
        return _container(_project(folder / ENVIRONMENT_FILE))
    _run("systemctl", "reload", "mosquitto")
    return "the service mosquitto"


def _process(pid_file: Path) -> str:
    try:
        pid = int(pid_file.read_text(encoding="ascii"))
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
        if name != "mosquitto":
            raise ReloadError(
                f"{pid_file} names process {pid}, which is {name} and no mosquitto: start the broker again"
            )
        os.kill(pid, signal.SIGHUP)
    except (OSError, ValueError) as error:
        raise ReloadError(
            f"the broker of {pid_file} does not run ({error}): what changed holds from its start on"
        ) from None
    return f"process {pid}"


def _project(environment_file: Path) -> str:
    for line in environment_file.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        if name == "COMPOSE_PROJECT_NAME":
            return os.environ.get(name, value)
    raise ReloadError(
        f"{environment_file} has no COMPOSE_PROJECT_NAME: run `docker kill -s HUP` on the broker's container"
    )


def _container(project: str) -> str:
    labels = (f"com.docker.compose.project={project}", f"com.docker.compose.service={BROKER}")
    found = _run("docker", "ps", "-q", *(part for label in labels for part in ("--filter", f"label={label}"))).split()
    if not found:
        raise ReloadError(f"no broker of {project} runs: what changed holds from its start on")
    for container in found:
        _run("docker", "kill", "-s", "HUP", container)
    return f"container {', '.join(found)}"


def _run(*command: str) -> str:
    line = " ".join(command)
    if shutil.which(command[0]) is None:
        raise ReloadError(f"{command[0]} is not installed here: run `{line}` where the broker is, or send it SIGHUP")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S)
    except subprocess.TimeoutExpired:
        raise ReloadError(f"`{line}` did not end within {WITHIN_S:.0f} s: run it by hand") from None
    if done.returncode != 0:
        raise ReloadError(f"`{line}` failed ({done.stderr.strip()[:200]}): run it where the broker is, as root")
    return done.stdout
