"""The installed Mosquitto with a site's own configuration: certificates for everybody, as deploy/ sets it up."""

import getpass
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as paho

from agents.cli.prepare.command import make
from agents.cli.prepare.files import Kind, wanted
from bus_schema.generate.mosquitto import BROKER_FOLDER, TLS_PORT
from tests.brokers import ProcessBroker, free_port, mosquitto
from tests.missing import missing
from tests.waiting import eventually_sync

AGENTS = ("ledger", "access", "csms")


@dataclass
class TlsBroker:
    """A site's folder and its broker."""

    folder: Path
    port: int
    process: ProcessBroker
    clients: "list[Client]" = field(default_factory=list)

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def pid(self) -> int:
        return int((self.folder / "broker.pid").read_text())

    def context(self, user: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.pki / "ca.pem")
        context.load_cert_chain(self.pki / f"{user}.pem", self.pki / f"{user}.key")
        return context

    def client(self, user: str, client_id: str = "", *, clean: bool = True) -> "Client":
        """Connect as ``user`` and wait until it is."""
        made = Client(self, user, client_id or f"any-{len(self.clients)}", clean)
        self.clients.append(made)
        eventually_sync(lambda: made.inner.is_connected(), 10, f"{user} is connected")
        return made


class Client:
    """A client that counts what happens to it and does not come back by itself for a minute."""

    def __init__(self, broker: TlsBroker, user: str, client_id: str, clean: bool) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.lost = 0
        self.had_session = False
        self._subscribed = 0
        self.inner = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=clean)
        self.inner.tls_set_context(broker.context(user))
        self.inner.reconnect_delay_set(60, 60)
        self.inner.on_message = lambda _c, _d, message: self.heard.append((message.topic, message.payload))
        self.inner.on_connect = self._connected
        self.inner.on_disconnect = self._disconnected
        self.inner.on_subscribe = self._granted
        self.inner.connect("127.0.0.1", broker.port, keepalive=30)
        self.inner.loop_start()

    def _connected(self, _client: object, _data: object, flags: paho.ConnectFlags, *_more: object) -> None:
        self.had_session = flags.session_present

    def _disconnected(self, *_more: object) -> None:
        self.lost += 1

    def _granted(self, *_more: object) -> None:
        self._subscribed += 1

    def listen(self, topic_filter: str) -> None:
        before = self._subscribed
        self.inner.subscribe(topic_filter, 1)
        eventually_sync(lambda: self._subscribed > before, 10, "subscribed")

    def say(self, topic: str, payload: str = "x") -> None:
        """Publish and wait for the broker's acknowledgement."""
        self.inner.publish(topic, payload, 1).wait_for_publish(10)

    def leave(self) -> None:
        self.inner.disconnect()
        self.inner.loop_stop()


@contextmanager
def tls_broker(
    folder: Path, *, devices: tuple[str, ...] = ("c1", "c2"), without: tuple[str, ...] = ()
) -> Iterator[TlsBroker]:
    """Run the broker of site ``garage`` until the block ends; ``without`` are settings to leave out."""
    program = mosquitto()
    if program is None:
        missing("mosquitto")
    site, port = folder / "site", free_port()
    list(
        make(
            wanted("garage", ["127.0.0.1"], Kind.SYSTEMD, AGENTS, ["c1", "c2"], people=["anna"]),
            site,
            datetime.now(UTC),
        )
    )
    settings = (site / "site.toml").read_text().replace(f"port = {TLS_PORT}", f"port = {port}")
    (site / "site.toml").write_text(settings)
    included = folder / "conf.d"
    included.mkdir()
    text = Path("deploy/mosquitto/mosquitto.conf").read_text()
    text = text.replace(BROKER_FOLDER, str(site / "broker")).replace(
        f"listener {TLS_PORT}", f"listener {port} 127.0.0.1"
    )
    kept = [line for line in text.splitlines() if line.split(" ")[0] not in without]
    (included / "chargebus.conf").write_text("\n".join(kept) + "\n")
    data = folder / "mosquitto"
    data.mkdir()
    main = folder / "mosquitto.conf"
    main.write_text(
        f"user {getpass.getuser()}\npersistence_location {data}/\npid_file {site}/broker.pid\ninclude_dir {included}\n"
    )
    broker = TlsBroker(site, port, ProcessBroker("installed", [program, "-c", str(main)], folder, port, False))
    try:
        yield broker
    finally:
        for client in broker.clients:
            client.leave()
        broker.process.stop()


def resident_kib(pid: int) -> int:
    """Return how much memory a process has, in KiB."""
    done = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(done.stdout)
