"""The host of a real charger: MicroPython on an ESP32. ``/main.py`` on the device is these two lines::

from firmware.boards.esp32_host import start
start()
"""

import os
import sys
import time

from ..app.host_clock import HostClock
from ..app.http import HttpFetch, HttpPut
from ..app.log import RingLog
from ..app.ota import Ota
from ..app.storage import FileStorage
from ..app.version import FIRMWARE
from . import main
from .esp32_parts import Esp32Parts
from .network_link import open_lan, open_wlan
from .nvs import BROKER, NAMESPACE, NETWORK, DamagedEntry, Nvs
from .slots import PartitionSlots
from .tls import client_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..app.seam import Pilot, Storage
    from .hardware import BoardHardware
    from .identity import Identity
    from .network_link import Interface, Radio
    from .profile import EthernetPins, Profile

FOLDER = "/chargebus"
MAX_KEYS = 16


class Esp32Host:
    """Imports the chip's modules when it is made."""

    def __init__(self) -> None:
        import esp32  # type: ignore[import-not-found, unused-ignore]
        import machine  # type: ignore[import-not-found, unused-ignore]

        self._machine: Any = machine
        self._esp32: Any = esp32
        self.clock = HostClock()
        self._log: RingLog | None = None
        self._tls: Any = None
        self._keys: Any = None

    def raw_nvs(self) -> "Any":
        """Open non-volatile storage."""
        return self._esp32.NVS(NAMESPACE)

    def files(self) -> FileStorage:
        """Return the application's folder; it is made if need be."""
        try:
            os.mkdir(FOLDER)
        except OSError:
            # It is there; or the file system is broken, which reading it will say.
            return FileStorage(FOLDER)
        return FileStorage(FOLDER)

    def parts(self, profile: "Profile", nvs: Nvs) -> Esp32Parts:
        """Return the board's buses and pins."""
        return Esp32Parts(self._machine, profile, nvs, self.clock.ticks_ms())

    def pilot(self, identity: "Identity") -> "Pilot":
        """Tell the native module what the charger is."""
        from .native_pilot import NativePilot

        return NativePilot(
            identity.rated_current_a,
            tethered=identity.tethered,
            has_mirror=identity.has_mirror,
            has_residual_test=identity.has_residual_test,
            simplified_cap_a=identity.simplified_cap_a,
            has_temperature=identity.drivers["thermometer"] != "none",
        )

    def lan(self, pins: "EthernetPins") -> "Interface":
        """Return ``network.LAN``."""
        return open_lan(pins)

    def wlan(self) -> "Radio":
        """Return ``network.WLAN``."""
        return open_wlan()

    def tls(self, ca_pem: str, cert_pem: "str | None", key_pem: "str | None") -> "Any":
        """Trust one certificate authority, and nobody else; show the charger's own certificate if it has one."""
        self._tls = client_context(ca_pem, cert_pem, key_pem)
        return self._tls

    def equip(self, hardware: "BoardHardware", identity: "Identity", storage: "Storage") -> None:
        """Add the log, and firmware updates where the flash has two slots."""
        tls = self._tls
        log = RingLog(
            storage, identity.charger, lambda url, length, pieces: HttpPut(url, length, pieces, tls), self._secrets()
        )
        hardware.log = log
        hardware.ready_to_restart = lambda: log.write_out(self.clock.ticks_ms())
        self._log = log
        try:
            slots = PartitionSlots(self._esp32.Partition)
        except OSError as error:
            self.write("no firmware updates over the bus: %s" % error)
            return
        keys = tuple([int(key, 16) for key in identity.firmware_keys])
        hardware.ota = Ota(slots, lambda url: HttpFetch(url, tls), storage, identity.board, FIRMWARE, keys)

    def _secrets(self) -> "tuple[str, ...]":
        """Return what must never stand in a log."""
        secrets = []
        for name, field in ((BROKER, "password"), (NETWORK, "key")):
            try:
                entry = Nvs(self.raw_nvs()).read_object(name) or {}
            except (DamagedEntry, OSError):
                continue
            secrets.append(str(entry.get(field, "")))
        return tuple(secrets)

    def random(self, count: int) -> bytes:
        """Return bytes of the chip's generator."""
        return os.urandom(count)

    def keys(self) -> str:
        """Return what was typed, without waiting."""
        if self._keys is None:
            from ..app.console import stdin_keys

            self._keys = stdin_keys()
        typed: str = self._keys()
        return typed

    def write(self, line: str) -> None:
        """Print."""
        sys.stdout.write(line + "\n")

    def crashed(self, error: BaseException) -> None:
        """Print the traceback, and log its last line."""
        sys.print_exception(error)  # type: ignore[attr-defined, unused-ignore]
        if self._log is not None:
            now = self.clock.ticks_ms()
            self._log.add(self.clock.utc_ms(), now, "crashed: %s: %s" % (type(error).__name__, error), now)
            self._log.write_out(now)

    def pause(self, seconds: float) -> None:
        """Do nothing."""
        time.sleep(seconds)

    def reset(self, kind: str) -> None:
        """Restart."""
        if kind == "soft":
            self._machine.soft_reset()
        self._machine.reset()


def start() -> None:
    """Run the charger for good."""
    main.start(Esp32Host())
