"""What a virtual charger has beside its hardware: slots for its firmware, and a log."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from firmware.app.log import RingLog
from firmware.app.ota import FILE, Ota
from firmware.app.records import kept
from firmware.app.seam import Fetch, Put
from firmware.app.version import FIRMWARE
from firmware.sim.files import VirtualFiles
from firmware.sim.hardware import VirtualHardware
from firmware.sim.slots import VirtualSlots


@dataclass(frozen=True)
class VirtualFirmware:
    """Gives the hardware its ``ota`` and ``log`` at every boot."""

    slots: VirtualSlots
    fetch: Callable[[str], Fetch]
    """Begins to fetch a file."""
    put: Callable[[str, int, Callable[[], Iterator[bytes]]], Put]
    """Begins to put a file."""
    keys: tuple[int, ...] = ()
    """Moduli of the keys that may sign images; none: every image is refused."""
    secrets: tuple[str, ...] = ()
    """What must never stand in the log."""

    @classmethod
    def alone(cls) -> "VirtualFirmware":
        """Return what a charger has that no file server answers: slots in memory, and a log that stays with it."""
        nowhere = VirtualFiles()
        return cls(VirtualSlots(FIRMWARE), nowhere.fetch, nowhere.put)

    def boot(self, charger: str, hardware: VirtualHardware, storage: Any) -> None:
        """Start the image that the boot loader chooses. Raises :class:`OSError`."""
        record = kept(storage, FILE, None)
        version = self.slots.boot(None if record is None else record["version"])
        board = hardware.ratings.hardware
        hardware.ota = Ota(self.slots, self.fetch, storage, board, version, self.keys)
        hardware.log = RingLog(storage, charger, self.put, self.secrets)


def read_key(text: str) -> int:
    """Return the modulus of a public key file: a word and hexadecimal digits. Raises :class:`ValueError`."""
    words = text.split()
    if len(words) != 2 or words[0] != "rsa-3072":
        raise ValueError("a public key for firmware is one line: rsa-3072 and 768 hexadecimal digits")
    return int(words[1], 16)
