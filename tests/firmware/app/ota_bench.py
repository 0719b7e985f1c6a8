"""A charger with two slots for its firmware, and a server that sends images, lies, stalls or breaks."""

from typing import Any

from firmware.app.ota import Ota
from firmware.app.url import TransferFailed, Url
from tests.firmware.app.fakes import Bench
from tests.firmware.app.flash_slots import FlashSlots
from tests.firmware.app.images import image, modulus

OLD, NEW = "0.1.0", "0.2.0"
OLD_PAYLOAD = bytes(range(256)) * 6
NEW_PAYLOAD = bytes((i * 7 + i // 256) % 256 for i in range(2000))
URL = "http://updates.example/firmware.cbfw"


class ScriptedFetch:
    """A server that sends ``data`` in pieces, and may lie, stall or break."""

    def __init__(self, data: bytes, piece: int = 700, length: int | None = -1, fails_at: int | None = None) -> None:
        self.data = data
        self.piece = piece
        self.length = len(data) if length == -1 else length
        self.fails_at = fails_at
        self.stalls_at: int | None = None
        self.drips = False
        self.sent = 0
        self.closed = False

    def read(self, most: int) -> bytes | None:
        assert not self.closed
        if self.fails_at is not None and self.sent >= self.fails_at:
            raise TransferFailed("the connection was reset")
        if self.stalls_at is not None and self.sent >= self.stalls_at:
            return b""
        if self.sent == len(self.data):
            return None
        count = 1 if self.drips else min(most, self.piece)
        data = self.data[self.sent : self.sent + count]
        self.sent += len(data)
        return data

    def close(self) -> None:
        self.closed = True


class OtaBench(Bench):
    """A charger with two slots, on a server that gives what a test puts there."""

    def __init__(self, **options: Any) -> None:
        self.slots: FlashSlots | None = None
        self.served: ScriptedFetch = ScriptedFetch(image(NEW_PAYLOAD))
        self.fetched: list[str] = []
        self.opened: list[ScriptedFetch] = []
        self.keys: tuple[int, ...] = (modulus(),)
        super().__init__(**options)

    def boot(self, connect: bool = True) -> None:
        if self.slots is None:
            self.slots = FlashSlots(self.storage, OLD_PAYLOAD)
        slot = self.slots.boot()
        content = self.slots.content[slot]
        version = {OLD_PAYLOAD: OLD, NEW_PAYLOAD: NEW}[
            bytes(content[: len(OLD_PAYLOAD)])
            if content.startswith(OLD_PAYLOAD)
            else bytes(content[: len(NEW_PAYLOAD)])
        ]
        self.hardware.ota = Ota(self.slots, self.fetch, self.storage, "fake", version, self.keys)
        super().boot(connect)

    @property
    def ota(self) -> Ota:
        ota: Ota = self.hardware.ota
        return ota

    def fetch(self, url: str) -> ScriptedFetch:
        Url(url)
        self.fetched.append(url)
        old = self.served
        fresh = ScriptedFetch(old.data, old.piece, old.length, old.fails_at)
        fresh.stalls_at, fresh.drips = old.stalls_at, old.drips
        self.opened.append(fresh)
        return fresh

    def update(self, **fields: Any) -> dict[str, Any]:
        return self.send("update_firmware", **({"url": URL} | fields))

    def restarts(self, seconds: float = 60) -> bool:
        """Let time pass until the charger wants to restart; then let it."""
        for _ in range(int(seconds * 10)):
            self.run(0.1)
            if self.hardware.restarted:
                self.boot()
                return True
        return False

    def statuses(self) -> list[str]:
        seen: list[str] = []
        for state in self.of("state"):
            update = state.get("firmware_update")
            if update is not None and (not seen or seen[-1] != update["status"]):
                seen.append(update["status"])
        return seen

    def shown(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.state()["firmware_update"]
        return shown
