"""A virtual charger with everything around it, for tests: time moves when the test says so."""

import json
from random import Random
from typing import Any

from firmware.sim import Identity, Ratings, VirtualCar, VirtualCharger, VirtualHardware
from firmware.sim.firmware import VirtualFirmware

UTC_MS = 1_750_000_000_000


class MemoryStorage:
    """Flash that never fails."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def write(self, name: str, data: bytes) -> None:
        self.files[name] = bytes(data)

    def append(self, name: str, data: bytes) -> None:
        self.files[name] = self.files.get(name, b"") + bytes(data)

    def remove(self, name: str) -> None:
        self.files.pop(name, None)

    def size(self, name: str) -> int:
        return len(self.files.get(name, b""))


class RecordingLink:
    """A broker that takes everything."""

    connected = True

    def __init__(self) -> None:
        self.published: list[tuple[str, dict[str, Any]]] = []

    def publish(self, topic: str, payload: str | bytes, qos: int, retain: bool) -> bool:
        self.published.append((topic.split("/charger/c1/")[-1], json.loads(payload)))
        return True


class HardwareRig:
    """Hardware whose app is the test."""

    def __init__(self, **ratings: Any) -> None:
        self.now_ms = 1_000
        self.hardware = VirtualHardware(Ratings(**ratings), self.now_ms)
        self.beats = True

    def run(self, ms: int, step_ms: int = 500) -> "HardwareRig":
        end_ms = self.now_ms + ms
        while self.now_ms < end_ms:
            self.now_ms = min(end_ms, self.now_ms + step_ms)
            self.hardware.advance(self.now_ms)
            if self.beats:
                self.hardware.pilot.heartbeat()
                self.hardware.pilot.temperature(self.hardware.temperature_c())
        return self

    def charge(self, car: VirtualCar, offer_a: float = 16.0) -> "HardwareRig":
        self.run(500)
        self.hardware.plug(car)
        self.run(500)
        self.hardware.pilot.offer(offer_a)
        self.hardware.pilot.permit(True)
        return self.run(4_000)


class ChargerRig:
    """A whole virtual charger with the firmware's app, on a flash and with updates of the test's choice."""

    def __init__(
        self, seed: int = 1, storage: MemoryStorage | None = None, firmware: VirtualFirmware | None = None
    ) -> None:
        self.now_ms = 1_000
        self.link = RecordingLink()
        self.hardware = VirtualHardware(Ratings(), self.now_ms)
        self.charger = VirtualCharger(
            Identity("garage", "c1"),
            self.hardware,
            storage or MemoryStorage(),
            self.link,
            Random(seed).randbytes,
            self.now_ms,
            UTC_MS,
            firmware=firmware,
        )
        self.boot()

    def boot(self) -> None:
        self.charger.boot(self.now_ms)
        assert self.charger.app is not None
        self.charger.app.on_connected()

    def run(self, ms: int) -> "ChargerRig":
        end_ms = self.now_ms + ms
        while (due_ms := self.charger.next_ms()) <= end_ms:
            self.charger.run(due_ms)
            self.now_ms = due_ms
        self.charger.run(end_ms)
        self.now_ms = end_ms
        return self

    def plug(self, car: VirtualCar) -> "ChargerRig":
        self.hardware.plug(car)
        self.charger.run(self.now_ms, force=True)
        return self.run(1_000)

    def command(self, op: str, **fields: Any) -> None:
        utc_ms = self.charger.clock.utc_ms()
        assert utc_ms is not None and self.charger.app is not None
        message = {
            "op": op,
            "id": f"{op}-{self.now_ms}",
            "ts": utc_ms,
            "source": "access",
            "deadline_ts": utc_ms + 5_000,
            **fields,
        }
        topic = "ev/v1/garage/charger/c1/command/from/access"
        self.charger.app.on_message(topic, json.dumps(message).encode(), False)
        self.charger.run(self.now_ms, force=True)

    def authorize(self, card: str = "04AABBCC") -> None:
        self.command("authorize", id_token={"type": "rfid", "value": card})

    def last(self, suffix: str) -> dict[str, Any]:
        return next(message for topic, message in reversed(self.link.published) if topic == suffix)

    def events(self, kind: str) -> list[dict[str, Any]]:
        seen = {(m["boot_id"], m["seq"]): m for t, m in self.link.published if t == "event" and m["type"] == kind}
        return list(seen.values())
