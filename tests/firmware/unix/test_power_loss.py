"""Power loss by ``kill -9`` at random writes of the journal, on MicroPython's unix port (invariants 4, 5 and 11).

Sessions that are cut end, or go on after the boot where that is set and the car is still there. How many power losses
there are of each kind is set by ``CHARGEBUS_POWER_LOSSES``; ``CHARGEBUS_POWER_SEED`` repeats a schedule.
"""

import asyncio
import os
import random
import struct
from collections import Counter
from pathlib import Path

import pytest

from tests.brokers import RunningBroker
from tests.firmware.unix.program import FOLDER
from tests.firmware.unix.site import EventKey, Site
from tests.waiting import eventually

ROUNDS = int(os.environ.get("CHARGEBUS_POWER_LOSSES", "20"))
SEED = int(os.environ.get("CHARGEBUS_POWER_SEED", random.SystemRandom().randrange(1_000_000)))
UJ_PER_WH = 3_600_000_000
KILLED = -9
MOST_WRITES = 16
"""A life ends at one of so many writes; a session writes about six times."""
OUTSIDE = 0.3
"""Which part of the lives is ended from outside, at a moment and not at a write."""

STAYS = 0.7
"""How often the car is still there when the power comes back, where sessions go on."""
SILENT = 4
"""For so many lives in a row, again and again, the ledger acknowledges nothing: the journal fills."""

pytestmark = [pytest.mark.micropython, pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(120 + 3 * ROUNDS)]


class Lives:
    """One charger, from power loss to power loss."""

    def __init__(self, program: str, folder: Path, broker: RunningBroker) -> None:
        self._command = [program, str(FOLDER / "power_loss.py"), str(folder), broker.host, str(broker.port)]
        self._folder = folder
        self.journalled: set[EventKey] = set()
        """What the charger has said to be safe on flash."""

    async def live(self, seed: int, writes: int, within_s: float, there: bool = False, utc: int = 0) -> int:
        """Live until the power is lost at that write, or after so many seconds; return the exit code."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            str(seed),
            str(writes),
            str(int(there)),
            str(utc),
            env=os.environ | {"MICROPYPATH": ".frozen"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        reading = asyncio.create_task(process.communicate())
        try:
            await asyncio.wait_for(asyncio.shield(reading), within_s)
        except TimeoutError:
            process.kill()
        output, _ = await reading
        self._take(output.decode())
        assert process.returncode is not None
        if process.returncode not in (0, KILLED):
            raise AssertionError(f"seed {seed}: {process.returncode}\n{output.decode()[-3000:]}")
        return process.returncode

    def _take(self, output: str) -> None:
        for line in output.splitlines():
            if line.startswith('J{"boot_id":"') and line.endswith("}"):
                boot_id, seq = line[13:25], line[33:].split(",", 1)[0]
                self.journalled.add((boot_id, int(seq)))

    def true_wh(self) -> int:
        """What has really flowed."""
        (energy_uj,) = struct.unpack("<q", (self._folder / "register.true").read_bytes())
        return int(energy_uj // UJ_PER_WH)


def disagreements(site: Site, lives: Lives) -> list[str]:
    """Say what was lost or doubled."""
    found = [f"event {key} was journalled and never came" for key in sorted(lives.journalled - site.events.keys())]
    found += [f"event {key} came as two different ones" for key in site.conflicts]
    boots: dict[str, set[int]] = {}
    for boot_id, seq in site.events:
        boots.setdefault(boot_id, set()).add(seq)
    for boot_id, numbers in boots.items():
        if numbers != set(range(1, max(numbers) + 1)):
            found.append(f"boot {boot_id}: {sorted(numbers)} has gaps")
    return found + wrong_sessions(site, lives.true_wh())


def wrong_sessions(site: Site, true_wh: int) -> list[str]:
    """The sessions follow one another on the register without a gap, and end where the energy does."""
    started: dict[str, int] = {}
    ended: dict[str, tuple[int, int]] = {}
    found = []
    for event in site.events.values():
        session_id = event.get("session_id")
        if event["type"] == "session_started":
            if session_id in started:
                found.append(f"session {session_id} began twice")
            started[session_id] = event["energy_wh"]
        elif event["type"] == "session_ended":
            if session_id in ended:
                found.append(f"session {session_id} ended twice")
            ended[session_id] = (event["start_energy_wh"], event["energy_wh"])
    for key in started.keys() ^ ended.keys():
        found.append(f"session {key} has no {'end' if key in started else 'beginning'}")
    for key in started.keys() & ended.keys():
        if started[key] != ended[key][0]:
            found.append(f"session {key} began at {started[key]} Wh and at {ended[key][0]} Wh")
    at_wh = 0
    for begin_wh, end_wh in sorted(ended.values()):
        if begin_wh != at_wh:
            found.append(f"from {at_wh} to {begin_wh} Wh: {'lost' if begin_wh > at_wh else 'doubled'}")
        at_wh = end_wh
    if at_wh != true_wh:
        found.append(f"the sessions end at {at_wh} Wh, the energy at {true_wh} Wh")
    return found


def resumed(site: Site) -> int:
    """How many sessions began in one boot and were ended by the car in another."""
    events = site.events.values()
    began = {event["session_id"]: event["boot_id"] for event in events if event["type"] == "session_started"}
    by_a_car = [event for event in events if event["type"] == "session_ended" and event["reason"] != "PowerLoss"]
    return sum(began[event["session_id"]] != event["boot_id"] for event in by_a_car)


@pytest.mark.parametrize("resumes", [False, True], ids=["sessions_end", "sessions_go_on"])
async def test_power_loss_at_any_write_loses_nothing_and_doubles_nothing(
    resumes: bool, unix_port: str, broker: RunningBroker, tmp_path: Path
) -> None:
    schedule = random.Random(SEED)
    site = Site(broker, SEED, acks=0.8)
    site.settings = {"resume_after_power_loss": True} if resumes else None
    running = asyncio.create_task(site.client.run())
    await eventually(lambda: site.client.connected)
    lives = Lives(unix_port, tmp_path, broker)
    ends: Counter[str] = Counter()
    for number in range(ROUNDS):
        site.acks = 0.0 if number // SILENT % 3 == 1 else 0.8
        outside = schedule.random() < OUTSIDE
        within_s = schedule.uniform(0.02, 0.6) if outside else 30
        writes = 10_000 if outside else schedule.randint(1, MOST_WRITES)
        there = resumes and schedule.random() < STAYS
        utc = site.latest_ms + 1000 if resumes else 0
        assert await lives.live(SEED * 100_000 + number, writes, within_s, there, utc) == KILLED
        ends["from outside" if outside else "at a write"] += 1
    site.acks = 1.0
    assert await lives.live(SEED, 0, 60) == 0
    trouble = disagreements(site, lives)
    sessions = [event for event in site.events.values() if event["type"] == "session_ended"]
    cut = sum(event["reason"] == "PowerLoss" for event in sessions)
    print(
        f"\nseed {SEED}: {ROUNDS} power losses ({dict(ends)}): {len(site.events)} events of "
        f"{len({boot_id for boot_id, _ in site.events})} boots ({site.repeated} came again), {len(sessions)} sessions "
        f"({cut} cut, {resumed(site)} went on), {lives.true_wh()} Wh"
    )
    assert not trouble, f"seed {SEED}\n" + "\n".join(trouble[:20])
    assert cut + resumed(site) >= ROUNDS / 10, "hardly a session was cut"
    assert (resumed(site) > 0) == resumes
    site.client.stop()
    await asyncio.wait_for(running, 5)
