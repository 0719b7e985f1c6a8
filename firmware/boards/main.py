"""The whole start on the device: from what NVS says to a charger that runs, whatever may be missing.

====================== ================================================================================================
missing or broken      what the charger does
====================== ================================================================================================
identity, driver       it is no charger: the native module permits nothing, the light is dark, the reason is printed
                       every ten seconds and ``chargebus provision`` can reach it; it restarts after ten minutes
broker's entry         it runs without a bus: its settings and local cards count, the journal keeps every event
network                the same, and it connects as soon as there is a way
file system            the journal cannot be read: fault ``self_test``, no charging; register and settings are in NVS
anything else          an error nobody expected: printed, logged, and the chip restarts after five seconds, in which a
                       technician can stop it; the native module has opened the contactor long before
====================== ================================================================================================
"""

import asyncio

from ..app.broker_watch import BrokerWatch
from ..app.charger import Charger
from ..app.console import Console
from ..app.contract import FAULT_LOCK_FAILED
from ..app.main import Runner
from ..app.mqtt import MqttClient
from .assembly import assemble
from .identity import BadIdentity, Broker, Identity, Network
from .login import CertificateLogin, open_tls, read_broker
from .network_link import WLAN, NetworkLink, WlanLink
from .nvs import IDENTITY, NETWORK, DamagedEntry, DividedStorage, Nvs
from .offline import NoBroker
from .parts import PartTaken
from .registry import BadChoice
from .trial import CERTIFICATE, Trial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .hardware import BoardHardware
    from .host import Host

    Link = MqttClient | NoBroker

POLL_S = 0.02
"""Distance of polls of the drivers."""
COMPLAIN_S = 10.0
COMPLAINTS = 60
"""Ten minutes of complaints, then a restart: had a new image found what makes a charger no longer, the boot loader
goes back to the old one."""
LINK_MS = 1000
"""Distance of looks at the network cable."""
CRASH_S = 5.0
"""Time for a technician to stop a charger that crashes again and again."""


class NotACharger(Exception):
    """Without this nothing can be started; the text says what is missing and what to do."""


class Device:
    """A charger with everything around it, made of what NVS says."""

    def __init__(self, host: "Host") -> None:
        """Raises :class:`NotACharger`."""
        self.clock = host.clock
        self.notes: list[str] = []
        """What was missing, in words, but did not keep the charger from starting."""
        try:
            nvs = Nvs(host.raw_nvs())
            entry = nvs.read_object(IDENTITY)
            if entry is None:
                raise NotACharger("this charger has no identity yet: chargebus provision")
            self.identity = Identity(entry)
            parts = host.parts(self.identity.profile, nvs)
            pilot = host.pilot(self.identity)
            self.hardware: BoardHardware = assemble(self.identity, pilot, parts, host.clock, host.reset)
        except (BadIdentity, DamagedEntry, BadChoice, PartTaken, ValueError) as error:
            raise NotACharger("%s (chargebus provision)" % error) from None
        except OSError as error:
            raise NotACharger("the hardware or NVS refuses: %s" % error) from None
        self._write = host.write
        self.network = self._connect(host, nvs)
        self._link_ms = self._link_changes = 0
        self._login: CertificateLogin | None = None
        self.client = self._client(host, nvs)
        self._broker_watch = BrokerWatch(self.client)
        storage = DividedStorage(host.files(), nvs)
        host.equip(self.hardware, self.identity, storage)
        self.hardware.login = self._login
        self.charger = Charger(self.identity, self.hardware, storage, host.clock, self.client, host.random)
        sessions = self.charger.sessions
        self.hardware.session_goes_on = lambda: sessions.session is not None
        self.console = Console(self.charger, self.identity, host.keys, host.write)

    def _connect(self, host: "Host", nvs: Nvs) -> NetworkLink:
        """Switch the network on; what keeps it from that is noted."""
        profile = self.identity.profile
        try:
            network = Network(nvs.read_object(NETWORK) or {}, profile.networks)
        except (BadIdentity, DamagedEntry, OSError) as error:
            self.notes.append("%s: using %s with DHCP" % (error, profile.networks[0]))
            network = Network({}, profile.networks)
        link: NetworkLink
        if network.interface == WLAN:
            link = WlanLink(host.wlan, network.static, network.ssid, network.key)
        else:
            link = NetworkLink(lambda: host.lan(profile.ethernet), network.static)
        link.poll(self.clock.ticks_ms())
        if link.problem is not None:
            self.notes.append("%s does not start yet: %s" % (link.name, link.problem))
        return link

    def _client(self, host: "Host", nvs: Nvs) -> "Link":
        """Return the MQTT client, or what stands in its place."""
        try:
            entry, trial = read_broker(nvs)
            if entry is None:
                raise BadIdentity("no broker was told (chargebus provision)")
            broker = Broker(entry, self.identity.charger)
            tls = None if broker.ca_pem is None else open_tls(host.tls, entry, trial)
        except (BadIdentity, DamagedEntry, OSError, ValueError) as error:
            self.notes.append("without a broker: %s" % error)
            return NoBroker(str(error))
        name = "%s-%s" % (self.identity.site, self.identity.charger)
        client = MqttClient(
            broker.address, broker.port, name, host.random, user=broker.user, password=broker.password, ssl=tls
        )
        client.server_name = broker.name
        if broker.cert_pem is not None:
            self._login = self._renewable(trial, client, entry)
        return client

    def _renewable(self, trial: Trial, client: MqttClient, entry: "dict[str, Any]") -> "CertificateLogin | None":
        """Return what renews the charger's certificate; why it cannot be is noted."""
        try:
            return CertificateLogin(trial, client, entry[CERTIFICATE], self.network.up)
        except ValueError as error:
            self.notes.append("its certificate cannot be renewed over the bus: %s" % error)
            return None

    def poll(self) -> None:
        """Move drivers, console and light on, and tell the charger whether its lock works."""
        hardware, charger = self.hardware, self.charger
        hardware.poll()
        failed = hardware.lock_failed
        if failed != charger.faults.stands(FAULT_LOCK_FAILED):
            detail = "the connector lock does not reach its position"
            charger.faults.set(FAULT_LOCK_FAILED, failed, detail, self.clock.ticks_ms())
        self._look_at_network()
        self._look_at_broker()
        self.console.poll()
        hardware.show(charger.status, self.client.connected)

    def _look_at_network(self) -> None:
        """Tell at the console and in the log when the network comes or goes."""
        now, network = self.clock.ticks_ms(), self.network
        if now < self._link_ms:
            return
        self._link_ms = now + LINK_MS
        network.poll(now)
        if network.changes != self._link_changes:
            self._link_changes = network.changes
            self._tell("%s: %s" % (network.name, network.describe()), now)

    def _look_at_broker(self) -> None:
        """Tell when the broker comes or goes, and why it does not come."""
        news = self._broker_watch.news()
        if news is not None:
            self._tell(news, self.clock.ticks_ms())

    def _tell(self, text: str, now: int) -> None:
        self._write(text)
        if self.hardware.log is not None:
            self.hardware.log.add(self.clock.utc_ms(), now, text, now)

    async def run(self) -> None:
        """Run until the charger restarts, or something raises."""
        self.charger.boot()
        runner = Runner(self.charger, self.client)  # type: ignore[arg-type, unused-ignore]
        tasks = [asyncio.create_task(runner.run()), asyncio.create_task(self._keep_polling())]
        try:
            # Whichever ends first ends all: a charger whose drivers stand still must not go on.
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _keep_polling(self) -> None:
        while True:
            self.poll()
            await asyncio.sleep(POLL_S)


async def run(host: "Host") -> None:
    """Start what NVS describes. Returns only after asking for a restart; raises what nobody expected."""
    try:
        device = Device(host)
    except NotACharger as reason:
        await _complain(host, str(reason))
        return
    for note in device.notes:
        host.write(note)
    await device.run()


async def _complain(host: "Host", reason: str) -> None:
    for _ in range(COMPLAINTS):
        host.write("not a charger: " + reason)
        await asyncio.sleep(COMPLAIN_S)
    host.reset("hard")


def start(host: "Host") -> None:
    """Run for good; a crash is told and answered with a restart. A technician's Ctrl-C goes to the prompt."""
    try:
        asyncio.run(run(host))
    except Exception as error:  # noqa: BLE001 - the outermost edge: whatever it was, the charger must come back
        host.crashed(error)
        host.pause(CRASH_S)
        host.reset("hard")
