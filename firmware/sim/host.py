"""The process with virtual chargers on a real broker: starts them, stops them, reads the command line's wishes."""

import asyncio
import fcntl
import logging
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from firmware.sim.broker_login import BrokerLogin
from firmware.sim.car_log import CarLog
from firmware.sim.station import ScaledTime, Station, StationOptions
from firmware.sim.visits import Visit, demo_visit, quick_visit

log = logging.getLogger("firmware.sim")


class FolderInUse(Exception):
    """Another process runs virtual chargers in the same folder."""


@dataclass(frozen=True)
class HostOptions:
    """What the process is asked to do."""

    site: str
    chargers: int
    """How many: ``c1`` to ``cN``."""
    folder: Path
    login: BrokerLogin
    speed: float = 1.0
    """World seconds per real second."""
    drivers: str = "demo"
    """``demo``, ``quick`` or ``none``."""
    required_sources: tuple[str, ...] = ()
    """Setting ``required_sources`` of a charger that was never set up."""
    seed: str = "1"
    network_time: bool = True
    firmware_keys: tuple[int, ...] = ()
    """Moduli of the keys that may sign firmware."""


def visits_of(options: HostOptions, index: int) -> Callable[[int], Visit] | None:
    """Return what draws the visits at charger ``index`` (from 0), None without drivers."""
    draw = {"demo": demo_visit, "quick": quick_visit}.get(options.drivers)
    if draw is None:
        return None
    name = f"{options.seed}/{charger_name(index)}"
    return lambda number: draw(name, number, index)


def charger_name(index: int) -> str:
    """Return the id of charger ``index`` (from 0)."""
    return f"c{index + 1}"


async def run(options: HostOptions) -> None:
    """Run until SIGINT or SIGTERM. Raises :class:`FolderInUse`, and whatever a charger's bug raises."""
    options.folder.mkdir(parents=True, exist_ok=True)
    lock = _lock(options.folder)
    cars = CarLog(options.folder / "cars.jsonl")
    try:
        world = ScaledTime(options.speed, time.monotonic())
        common = StationOptions(
            options.site,
            options.folder,
            options.login,
            world,
            cars,
            options.network_time,
            options.firmware_keys,
            options.required_sources,
        )
        stations = [
            Station(common, charger_name(index), visits_of(options, index)) for index in range(options.chargers)
        ]
        log.info("%d virtual chargers of site %s, data in %s", options.chargers, options.site, options.folder)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, _stop, stations)
        async with asyncio.TaskGroup() as group:
            for station in stations:
                group.create_task(station.run(), name=station.charger_id)
    finally:
        cars.close()
        os.close(lock)


def _stop(stations: Iterable[Station]) -> None:
    for station in stations:
        station.stop()


def _lock(folder: Path) -> int:
    """Lock the folder itself, so that no lock file is left behind; the lock ends with the process."""
    number = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(number)
        raise FolderInUse(f"virtual chargers run in {folder} already") from None
    return number
