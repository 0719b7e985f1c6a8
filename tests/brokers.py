"""Real brokers for tests: Mosquitto installed, Mosquitto in testcontainers, or the embedded broker.

``start_broker(kind, tmp_path)`` starts one on a free port of this machine; ``kill()`` is SIGKILL, ``restart()`` brings
the same one back on the same port with whatever it had written to its disk.
"""

import random
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

from tests.missing import missing
from tests.waiting import eventually_sync

KINDS = ("installed", "testcontainers", "embedded")
IMAGE = "eclipse-mosquitto:2"

MOSQUITTO_CONF = """\
allow_anonymous true
set_tcp_nodelay true
max_queued_messages 100000
max_inflight_messages 1000
persistence true
autosave_interval 1
sys_interval 1
log_type error
log_type warning
log_type notice
log_type information
"""


class RunningBroker(Protocol):
    """A broker that listens on ``host``:``port``."""

    kind: str
    host: str
    port: int

    def kill(self) -> None:
        """End it with SIGKILL: nothing is written any more."""

    def restart(self) -> None:
        """Start it again after :meth:`kill` or :meth:`stop`: same port, same disk."""

    def stop(self) -> None:
        """End it gracefully; does nothing if it does not run."""


def default_kind() -> str:
    """Mosquitto where it is installed, else the embedded broker."""
    return "installed" if mosquitto() else "embedded"


def mosquitto() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """Return a port that nobody listens on, below those that the system gives to outgoing connections."""
    while True:
        port = random.randint(15_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            return port


def start_broker(
    kind: str,
    tmp_path: Path,
    port: int | None = None,
    extra_conf: str = "",
    listener_conf: str = "",
    wait_for_login: bool = True,
) -> RunningBroker:
    """Start a broker of ``kind``.

    ``extra_conf`` is added to mosquitto.conf, ``listener_conf`` to its listener (``installed`` only). Without
    ``wait_for_login`` an open port is enough, for brokers that let nobody in anonymously or speak TLS.
    """
    port = free_port() if port is None else port
    if kind == "installed":
        command = _mosquitto_command(tmp_path, port, extra_conf, listener_conf)
        return ProcessBroker(kind, command, tmp_path, port, wait_for_login)
    if kind == "embedded":
        command = [sys.executable, "-m", "agents.runtime.mqtt.embedded_broker", "--port", str(port)]
        return ProcessBroker(kind, command, tmp_path, port)
    if kind == "testcontainers":
        return ContainerBroker(tmp_path, port, extra_conf)
    raise ValueError(f"no broker kind {kind!r}; there are {', '.join(KINDS)}")


def _mosquitto_command(tmp_path: Path, port: int, extra_conf: str, listener_conf: str) -> list[str]:
    program = mosquitto()
    if program is None:
        missing("mosquitto")
    data = tmp_path / "mosquitto-data"
    data.mkdir(exist_ok=True)
    conf = tmp_path / "mosquitto.conf"
    # As root, Mosquitto would change to a user that cannot read a private temporary folder.
    # A later line wins over MOSQUITTO_CONF's, and what belongs to a listener must follow it.
    listener = f"\nlistener {port} 127.0.0.1\n{listener_conf}"
    conf.write_text(f"user root\npersistence_location {data}/\n{MOSQUITTO_CONF}{extra_conf}{listener}")
    return [program, "-c", str(conf)]


class ProcessBroker:
    """A broker as a child process; what it writes goes to ``broker.log``."""

    host = "127.0.0.1"

    def __init__(self, kind: str, command: list[str], tmp_path: Path, port: int, wait_for_login: bool = True) -> None:
        self._answers = listens if wait_for_login else is_open
        self.kind = kind
        self.port = port
        self.log_path = tmp_path / "broker.log"
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self.restart()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
            self._process = None

    def restart(self) -> None:
        assert self._process is None, "already running"
        with self.log_path.open("ab") as log:
            self._process = process = subprocess.Popen(self._command, stdout=log, stderr=log)

        def ready() -> bool:
            assert process.poll() is None, f"{self.kind} broker ended: {self.log_path.read_text()[-2000:]}"
            return self._answers(self.host, self.port)

        eventually_sync(ready, 20, f"{self.kind} broker listens on {self.port}")


class ContainerBroker:
    """Mosquitto in a container that testcontainers starts."""

    kind = "testcontainers"

    def __init__(self, tmp_path: Path, port: int, extra_conf: str) -> None:
        check_docker()
        conf = tmp_path / "mosquitto.conf"
        conf.write_text(
            "listener 1883 0.0.0.0\nlog_dest stdout\npersistence_location /mosquitto/data/\n"
            f"{MOSQUITTO_CONF}{extra_conf}"
        )
        conf.chmod(0o644)
        self._container = _mosquitto_container(port)
        self.port = port
        try:
            self._container.start(configfile=str(conf))
            self.host = self._container.get_container_host_ip()
            self._wait()
        except BaseException:
            self._container.stop()
            raise
        self._running = True

    def _wrapped(self) -> Any:
        return self._container.get_wrapped_container()

    def _wait(self) -> None:
        eventually_sync(lambda: listens(self.host, self.port), 30, "container listens")

    def kill(self) -> None:
        self._wrapped().kill("SIGKILL")
        self._wrapped().wait()
        self._running = False

    def restart(self) -> None:
        self._wrapped().start()
        self._running = True
        self._wait()

    def stop(self) -> None:
        if self._running:
            self._wrapped().stop(timeout=10)
            self._running = False

    def remove(self) -> None:
        """Remove the container; only the fixture needs it."""
        self._container.stop()


def _mosquitto_container(port: int) -> Any:
    from testcontainers.community.mqtt import MosquittoContainer
    from testcontainers.core.config import testcontainers_config

    # The reaper is another image to fetch; the fixture removes the container.
    testcontainers_config.ryuk_disabled = True

    class OnFixedPort(MosquittoContainer):
        """Keeps its port over a restart: start() would otherwise expose 1883 on a random one, which changes."""

        def with_exposed_ports(self, *_ports: object) -> "OnFixedPort":
            return self

        def _wait(self) -> None:
            """Leave it to ContainerBroker, which waits for an answer and not for a line in a log."""

    return OnFixedPort(IMAGE).with_bind_ports(1883, port)


def check_docker() -> None:
    """Skip (or fail) unless Docker runs and has the image."""
    import docker
    from docker.errors import DockerException, ImageNotFound

    try:
        client = docker.from_env()
        client.ping()
    except DockerException:
        missing("a running Docker engine")
    try:
        client.images.get(IMAGE)
    except ImageNotFound:
        missing(f"the image {IMAGE}")
    finally:
        client.close()


def remove_broker(broker: RunningBroker) -> None:
    """Stop the broker and leave nothing of it behind."""
    if isinstance(broker, ContainerBroker):
        broker.remove()
    else:
        broker.stop()


def is_open(host: str, port: int) -> bool:
    """Tell whether the port takes connections."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def listens(host: str, port: int) -> bool:
    """Tell whether an MQTT broker answers a CONNECT there: a container's port is open before Mosquitto is."""
    try:
        with socket.create_connection((host, port), timeout=1) as connection:
            connection.settimeout(2)
            connection.sendall(b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x05\x00\x03png")
            answer = connection.recv(4)
            connection.sendall(b"\xe0\x00")
            return answer[:2] == b"\x20\x02"
    except OSError:
        return False
