"""How fast a charger wears out its flash: ``python -m tests.bench.flash_wear [--days N]``, about ten seconds.

The firmware's own app lives through a day, virtual car after virtual car, with a ledger that acknowledges; everything
that it asks of its flash is written down. MicroPython's unix port then does the same again, day after day, on its own
littlefs (the one that an ESP32 has) over a flash that counts erased blocks and programmed bytes. What the device keeps
in NVS is counted by ESP-IDF's description of it.

Prints write amplification (bytes programmed per byte that the app wrote) and erases per year of the most worn block,
against what the flash is good for. Exit code 0 if that is more than :data:`YEARS`, else 1.

Sources: 100,000 erases per 4 KiB sector, Winbond W25Q32JV data sheet (the flash of both boards' modules or better);
partitions: MicroPython's partitions-4MiB-ota.csv; NVS: ESP-IDF programming guide, "Non-volatile storage library,
internals": pages of 4096 bytes with 126 entries of 32 bytes, a blob takes an index, a header and its data.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware.boards.nvs import KEPT_IN_NVS
from firmware.boards.nvs import MAX_BYTES as LARGEST_NVS_ENTRY
from firmware.sim import VirtualCar
from tests.firmware.sim.rig import ChargerRig, MemoryStorage
from tests.firmware.unix.program import micropython, run

RATED_ERASES = 100_000
YEARS = 20
"""What is asked for: twice as long as a charger is in use."""
DAY_MS = 86_400_000
ACKNOWLEDGED_MS = 10_000
SESSION_WH = 10_000.0
"""Fifty minutes at 11 kW."""
TOPIC = "ev/v1/garage/charger/c1/event"

NVS_PAGES, NVS_PAGE_ENTRIES, NVS_ENTRY_BYTES = 4, 126, 32


@dataclass
class WritingDown(MemoryStorage):
    """Flash that never fails, and remembers what was asked of it."""

    files: dict[str, bytes] = field(default_factory=dict)
    steps: list[tuple[str, str, int]] = field(default_factory=list)

    def write(self, name: str, data: bytes) -> None:
        super().write(name, data)
        self.steps.append(("write", name, len(data)))

    def append(self, name: str, data: bytes) -> None:
        super().append(name, data)
        self.steps.append(("append", name, len(data)))

    def remove(self, name: str) -> None:
        super().remove(name)
        self.steps.append(("remove", name, 0))


class Acknowledged(ChargerRig):
    """A charger whose ledger commits every event soon."""

    def run(self, ms: int) -> "Acknowledged":
        end_ms = self.now_ms + ms
        while self.now_ms < end_ms:
            seen = len(self.link.published)
            super().run(min(ACKNOWLEDGED_MS, end_ms - self.now_ms))
            events = [message for topic, message in self.link.published[seen:] if topic == "event"]
            del self.link.published[:seen]
            if events:
                self._acknowledge(events[-1])
        return self

    def _acknowledge(self, event: dict[str, Any]) -> None:
        app = self.charger.app
        assert app is not None
        ack = {"ts": self.charger.clock.utc_ms(), "boot_id": event["boot_id"], "seq": event["seq"]}
        app.on_message(f"{TOPIC}/ack", json.dumps(ack).encode(), False)


def live(sessions: int, sample_interval_s: int) -> list[tuple[str, str, int]]:
    """Return what the app asks of its flash in a day."""
    flash = WritingDown()
    rig = Acknowledged(storage=flash)
    rig.command("configure", settings={"sample_interval_s": sample_interval_s})
    rig.run(60_000)
    flash.steps.clear()
    begin_ms = rig.now_ms
    for number in range(sessions):
        rig.plug(VirtualCar.needing(SESSION_WH))
        rig.authorize()
        rig.run(70 * 60_000)
        rig.hardware.unplug()
        rig.run(begin_ms + (number + 1) * DAY_MS // sessions - rig.now_ms)
        ended = rig.charger.app is not None and rig.charger.app.sessions.session is None
        assert ended and any(name.startswith("journal") for _, name, _ in flash.steps), "a session was lived"
    rig.run(begin_ms + DAY_MS - rig.now_ms)
    return flash.steps


def nvs_erases(steps: list[tuple[str, str, int]]) -> float:
    """Return how often each page of NVS is erased for them, with the largest identity and login that fit."""

    def entries(size: int) -> int:
        return 2 + -(-size // NVS_ENTRY_BYTES)

    lasting = entries(LARGEST_NVS_ENTRY) + 4 * entries(1000)
    # One page is always free, and in every turn around the others what lasts is copied.
    room = (NVS_PAGES - 1) * NVS_PAGE_ENTRIES - lasting
    return sum(entries(size) for operation, _, size in steps if operation == "write") / room


def replay(steps: list[tuple[str, str, int]], days: int, folder: str) -> dict[str, Any]:
    """Do it again on littlefs, day after day; return what MicroPython counted."""
    trace = Path(folder) / "trace"
    trace.write_text("".join(json.dumps(step) + "\n" for step in steps))
    script = str(Path(__file__).with_name("flash_wear_device.py"))
    counted: dict[str, Any] = json.loads(
        run(micropython(), script, str(trace), str(days), options=("-X", "heapsize=16M"))
    )
    return counted


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=10, help="days on littlefs (default: 10)")
    days = parser.parse_args().days
    good = True
    print("| day | writes | bytes by the app | programmed | write amplification | erases a year, worst block | lasts |")
    print("|---|---|---|---|---|---|---|")
    for name, sessions, interval_s in (
        ("idle", 0, 900),
        ("10 sessions, samples every 900 s", 10, 900),
        ("10 sessions, samples every 60 s", 10, 60),
    ):
        steps = live(sessions, interval_s)
        files = [step for step in steps if step[1] not in KEPT_IN_NVS]
        nvs = [step for step in steps if step[1] in KEPT_IN_NVS]
        written = sum(size for _, _, size in files)
        with tempfile.TemporaryDirectory() as folder:
            counted = replay(files, days, folder)
        a_day = max(max(counted["erases"]) / days, nvs_erases(nvs))
        a_year = a_day * 365
        years = RATED_ERASES / a_year if a_year else float("inf")
        programmed = counted["programmed_bytes"] / days
        factor = f"{programmed / written:.1f}" if written else "-"
        print(f"| {name} | {len(steps)} | {written} | {programmed:.0f} | {factor} | {a_year:.0f} | {years:.0f} years |")
        good = good and years > YEARS
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
