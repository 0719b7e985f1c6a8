"""Runs a charger of :mod:`.unix_station` on a broker.

``micropython -m firmware.boards.unix_main FOLDER SITE CHARGER HOST PORT [PKI]``

With PKI, a folder with ``ca.pem``, ``CHARGER.pem`` and ``CHARGER.key``, it speaks TLS to a broker named localhost.
They are read at the first start and kept in FOLDER, as a device keeps them in its NVS.

What happens to it is told on standard input, one JSON object a line: ``{"set": {"car_ohm": 2740}}`` changes the
circuit, ``{"card": "04A1"}`` holds a card to the reader, ``{"block_ms": 5000}`` blocks the interpreter, ``{"print":
"heap"}`` prints what is asked for (``heap``, ``circuit``, ``pilot``), ``{"quit": true}`` ends it. Exit code 0 after
``quit``, 10 when the application wants to be restarted.
"""

import asyncio
import gc
import json
import os
import sys
import time

import cp_pwm  # type: ignore[import-not-found]

from ..app.broker_watch import BrokerWatch
from ..app.charger import Charger
from ..app.host_clock import HostClock
from ..app.main import Runner
from ..app.mqtt import MqttClient
from ..app.storage import FileStorage
from .file_nvs import FileNvs
from .login import CertificateLogin, open_tls, read_broker
from .nvs import BROKER, Nvs
from .tls import client_context
from .unix_station import UnixHardware

RESTART = 10


class Identity:
    """Which charger this is."""

    def __init__(self, site: str, charger: str) -> None:
        self.site = site
        self.charger = charger


class Commands:
    """Reads standard input and does what it says."""

    def __init__(self, hardware: UnixHardware, ended: asyncio.Event) -> None:
        self._hardware = hardware
        self._ended = ended

    async def run(self) -> None:
        """Until the input ends."""
        reader = asyncio.StreamReader(sys.stdin.buffer)  # type: ignore[arg-type]
        while True:
            line = await reader.readline()
            if not line:
                return
            self._do(json.loads(line))

    def _do(self, command: "dict[str, object]") -> None:
        for name, value in command.items():
            if name == "set":
                cp_pwm.circuit_set(**value)  # type: ignore[arg-type]
            elif name == "card":
                self._hardware.reader.present(str(value))
            elif name == "block_ms":
                self._block(int(value))  # type: ignore[call-overload]
            elif name == "print":
                sys.stdout.write(json.dumps({value: self._report(str(value))}) + "\n")
            elif name == "quit":
                self._ended.set()

    def _block(self, ms: int) -> None:
        end = time.ticks_add(time.ticks_ms(), ms)  # type: ignore[attr-defined]
        while time.ticks_diff(end, time.ticks_ms()) > 0:  # type: ignore[attr-defined]
            continue

    def _report(self, what: str) -> object:
        if what == "heap":
            gc.collect()
            return gc.mem_alloc()  # type: ignore[attr-defined]
        if what == "circuit":
            names = ("now_ms", "closed", "coil", "current_ma", "s2_closed")
            return {name: cp_pwm.circuit_get(name) for name in names}
        snap = self._hardware.pilot.snapshot()
        return [snap.cp_state, snap.contactor_closed, snap.offered_current_a, snap.faults]


def _provision(nvs: Nvs, pki: str, charger_id: str) -> None:
    """At the first start make the broker's entry of what lies in the folder ``pki``."""
    if nvs.read(BROKER) is not None:
        return
    entry = {}
    for field, name in (("ca_pem", "ca.pem"), ("cert_pem", charger_id + ".pem"), ("key_pem", charger_id + ".key")):
        with open(pki + "/" + name) as file:
            entry[field] = file.read()
    nvs.write_object(BROKER, entry)


def _client(
    folder: str, charger_id: str, broker: "tuple[str, int]", pki: "str | None"
) -> "tuple[MqttClient, CertificateLogin | None]":
    """Return the client, and what renews its certificate where it has one."""
    entry = trial = tls = None
    if pki is not None:
        nvs = Nvs(FileNvs(FileStorage(folder)))
        _provision(nvs, pki, charger_id)
        entry, trial = read_broker(nvs)
    if entry is not None and trial is not None:
        tls = open_tls(client_context, entry, trial)
    client = MqttClient(broker[0], broker[1], charger_id, os.urandom, user=charger_id, password=charger_id, ssl=tls)
    client.server_name = "localhost"
    if entry is None or trial is None:
        return client, None
    return client, CertificateLogin(trial, client, entry["cert_pem"], lambda: True)


async def _tell(watch: BrokerWatch) -> None:
    """Print what becomes of the connection."""
    while True:
        news = watch.news()
        if news is not None:
            sys.stdout.write(news + "\n")
        await asyncio.sleep(0.1)


async def run(folder: str, site: str, charger_id: str, host: str, port: int, pki: "str | None" = None) -> int:
    """Run until told to quit or restart; return the exit code. With ``pki``, the broker's name is localhost."""
    hardware = UnixHardware()
    ended = asyncio.Event()
    exit_code = [0]

    def restart(_kind: str) -> None:
        exit_code[0] = RESTART
        ended.set()

    hardware.on_restart = restart
    cp_pwm.circuit_energy_in(folder + "/register")
    cp_pwm.circuit_run(1)
    client, hardware.login = _client(folder, charger_id, (host, port), pki)
    charger = Charger(Identity(site, charger_id), hardware, FileStorage(folder), HostClock(), client, os.urandom)
    charger.boot()
    runner = Runner(charger, client)
    running = asyncio.create_task(runner.run())
    reading = asyncio.create_task(Commands(hardware, ended).run())
    telling = asyncio.create_task(_tell(BrokerWatch(client)))
    await ended.wait()
    reading.cancel()
    telling.cancel()
    runner.stop()
    await running
    return exit_code[0]


if __name__ == "__main__":
    told = sys.argv[6] if len(sys.argv) > 6 else None
    sys.exit(asyncio.run(run(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), told)))
