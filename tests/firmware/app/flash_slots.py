"""Two slots and a boot loader, as ESP-IDF has them, on a flash that may lose power in the middle of any write.

The boot loader's choice stands in two sectors, each with a number, a slot and a state, and a checksum. The valid one
with the higher number counts. A new one is tried once: after a restart without a confirmation it is given up.
"""

from dataclasses import dataclass

from tests.firmware.app.fakes import MemoryStorage, PowerLost

NEW, PENDING, VALID, ABORTED = "new", "pending", "valid", "aborted"
ERASED = 0xFF


@dataclass(frozen=True)
class Choice:
    number: int
    slot: str
    state: str


class FlashSlots:
    """The seam's ``Slots``. Shares the power budget of ``storage``."""

    block_bytes = 256

    def __init__(self, storage: MemoryStorage, old: bytes, blocks: int = 16) -> None:
        self._storage = storage
        self.size = blocks * self.block_bytes
        self.content = {name: bytearray([ERASED]) * self.size for name in ("ota_0", "ota_1")}
        self.content["ota_0"][: len(old)] = old
        self.sectors: list[Choice | None] = [Choice(1, "ota_0", VALID), None]
        self.booted = "ota_0"
        self.broken: str | None = None
        self.damage: int | None = None
        """Position at which a read gives a wrong byte."""
        self.written: list[int] = []

    # --- the boot loader ---

    def boot(self) -> str:
        """Power on: return the slot that is booted."""
        choice = self._newest()
        if choice.state == PENDING:
            self._rewrite(choice, ABORTED)
            choice = self._newest()
        elif choice.state == NEW:
            self._rewrite(choice, PENDING)
        self.booted = choice.slot
        return self.booted

    def _newest(self) -> Choice:
        good = [choice for choice in self.sectors if choice is not None and choice.state != ABORTED]
        return max(good, key=lambda choice: choice.number)

    def _rewrite(self, old: Choice, state: str) -> None:
        self._sector(self.sectors.index(old), Choice(old.number, old.slot, state))

    def _sector(self, index: int, choice: Choice) -> None:
        """Erase and write a sector: torn, it holds nothing that counts."""
        self.sectors[index] = None
        self._storage._spend(32, "otadata", None)
        self.sectors[index] = choice

    # --- the seam ---

    def running(self) -> str:
        return self.booted

    def spare(self) -> str:
        return "ota_1" if self.booted == "ota_0" else "ota_0"

    def write(self, block: int, data: bytearray) -> None:
        if self.broken == "write":
            raise OSError(5, "input/output error")
        assert len(data) == self.block_bytes
        start = block * self.block_bytes
        assert start + len(data) <= self.size
        self.written.append(block)
        left = self._storage.left
        slot = self.content[self.spare()]
        slot[start : start + len(data)] = bytes([ERASED]) * len(data)
        if left is not None and left < len(data):
            slot[start : start + left] = data[:left]
            raise PowerLost
        self._storage._spend(len(data), "slot", None)
        slot[start : start + len(data)] = data

    def read(self, block: int, data: bytearray) -> None:
        if self.broken == "read":
            raise OSError(5, "input/output error")
        start = block * self.block_bytes
        data[:] = self.content[self.spare()][start : start + len(data)]
        if self.damage is not None and start <= self.damage < start + len(data):
            data[self.damage - start] ^= 1

    def boot_spare(self) -> None:
        if self.broken == "boot":
            raise OSError(-5379, "ESP_ERR_OTA_VALIDATE_FAILED")
        newest = self._newest()
        self._sector(1 - self.sectors.index(newest), Choice(newest.number + 1, self.spare(), NEW))

    def confirm(self) -> None:
        newest = self._newest()
        if newest.state != VALID:
            self._rewrite(newest, VALID)
