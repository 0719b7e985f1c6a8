"""deploy/compose.yaml as docker-compose runs it, with the images that tests/images makes."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path

from tests.brokers import free_port
from tests.deploy.site import ROOT, environment
from tests.images import agents, mosquitto, postgresql
from tests.images.build import CannotMake, make
from tests.missing import missing
from tests.waiting import eventually_sync

IMAGES = {"mosquitto": mosquitto, "postgresql": postgresql}


def check_docker() -> None:
    """Skip (or fail) unless images can be made and composed here."""
    if shutil.which("docker-compose") is None:
        missing("docker-compose")
    if shutil.which("docker") is None or docker("info").returncode != 0:
        missing("a running Docker engine")
    if os.geteuid() != 0:
        missing("root, who alone can make images with users of their own")


@cache
def make_images() -> None:
    """Make what compose.local.yaml names, once in a run."""
    try:
        for name, module in IMAGES.items():
            make(module.fill, f"chargebus-local/{name}")
        agents.build("chargebus-local/agents")
    except CannotMake as error:
        missing(f"an image: {error}")


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=120, env=environment())


class Stack:
    """The services of one site's folder, under a project name and on ports of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.page_port = free_port(), free_port()
        self.project = f"chargebustest{self.port}"
        self._environment = environment(
            BROKER_PORT=str(self.port), CONSOLE_PORT=str(self.page_port), CSMS_PORT=str(free_port())
        )

    def compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run docker-compose as the head of compose.yaml says, with the override laid over it."""
        files = ("-f", "deploy/compose.yaml", "-f", "tests/deploy/compose.local.yaml")
        command = ["docker-compose", "--project-directory", "deploy", "--env-file", str(self.folder / "compose.env")]
        return subprocess.run(
            [*command, "-p", self.project, *files, *arguments],
            cwd=ROOT, env=self._environment, capture_output=True, text=True, timeout=180,
        )  # fmt: skip

    def must(self, *arguments: str) -> str:
        done = self.compose(*arguments)
        assert done.returncode == 0, (
            f"{' '.join(arguments)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}\n{self.logs()}"
        )
        return done.stdout

    def tools(self, *arguments: str) -> str:
        """Run a `chargebus` command in a container of its own."""
        return self.must("run", "--rm", "-T", "tools", *arguments)

    def up(self, *services: str) -> None:
        self.must("up", "-d", "--no-build", *services)

    def wait_healthy(self, services: Iterable[str], within_s: float, health: str = "healthy") -> None:
        """Wait until the health check of each has passed, or failed; a service that ends is an error."""
        for service in services:
            container = self.must("ps", "-q", service).strip()
            eventually_sync(partial(self._is, health, container), within_s, f"{service} is {health}")

    def _is(self, health: str, container: str) -> bool:
        shown = docker("inspect", "-f", "{{.State.Status}} {{.RestartCount}} {{.State.Health.Status}}", container)
        assert shown.stdout.startswith("running 0 "), f"{shown.stdout}{docker('logs', container).stdout[-3000:]}"
        return shown.stdout.split()[2] == health

    def logs(self, *services: str) -> str:
        return self.compose("logs", "--no-color", "--tail", "30", *services).stdout[-6000:]

    def sql(self, query: str) -> str:
        return self.must(
            "exec", "-T", "postgres", "psql", "-U", "chargebus", "-d", "chargebus", "-At", "-c", query
        ).strip()

    def remains(self) -> list[str]:
        """Return the containers, networks and volumes that carry the project's name."""
        kinds = (("ps", "-aq"), ("network", "ls", "-q"), ("volume", "ls", "-q"))
        label = ("--filter", f"label=com.docker.compose.project={self.project}")
        return [line for kind in kinds for line in docker(*kind, *label).stdout.split()]
