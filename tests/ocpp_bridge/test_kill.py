"""``kill -9`` of the bridge at random moments, as a real process between a real broker and a real WebSocket."""

import asyncio
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agents.runtime.clock import SystemClock
from tests.brokers import RunningBroker
from tests.integration.conftest import ear
from tests.integration.ear import SITE, Ear
from tests.ocpp_bridge.served_steve import ServedSteve, served
from tests.ocpp_bridge.stage import Charger
from tests.processes import start_agent
from tests.waiting import eventually

__all__ = ["ear"]

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(240)]

SEED = random.SystemRandom().randrange(1_000_000)
CHARGERS, KILLS = 5, 8


class OnTheBus(Charger):
    """A charger whose messages go over a real broker."""

    def __init__(self, ear: Ear, name: str) -> None:
        self.clock = SystemClock()
        super().__init__(self, name)  # type: ignore[arg-type]
        self._ear = ear

    async def say(self, row: Any, message: Any, retained: bool = False) -> None:
        await self._ear.say(row, message, charger=self.name)


def configure(folder: Path, broker: RunningBroker, steve: ServedSteve) -> Path:
    file = folder / "site.toml"
    file.write_text(
        f'site = "{SITE}"\ndata_dir = "data"\n'
        f'[broker]\nhost = "{broker.host}"\nport = {broker.port}\nkeepalive_s = 5\n'
        "[ocpp_bridge]\nreconnect_max_s = 1\ndrain_per_s = 500\n"
        'configuration = { TransactionMessageAttempts = "1000", TransactionMessageRetryInterval = "1" }\n'
        f'[[ocpp_bridge.backends]]\nname = "steve"\nurl = "{steve.url}"\nkind = "steve"\n'
    )
    return file


async def test_kill_nine_of_the_bridge_loses_nothing_and_doubles_nothing(
    broker: RunningBroker, ear: Ear, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    async with served() as steve:
        steve.tags["CARD"] = ("Accepted", None)
        config, log = configure(tmp_path, broker, steve), tmp_path / "bridge.log"
        chargers = [OnTheBus(ear, f"c{n}") for n in range(CHARGERS)]
        expected: list[tuple[str, int]] = []
        process: subprocess.Popen[bytes] = start_agent("ocpp_bridge", config, log)
        try:
            for charger in chargers:
                await charger.boot()
            await eventually(
                lambda: len(steve.on_line) == CHARGERS, 60, f"all are connected:\n{log.read_text()[-2000:]}"
            )
            for _ in range(KILLS):
                for charger in chargers:
                    await charger.start("CARD")
                    charger.energy_wh += chance.randrange(1, 999)
                    end = await charger.end()
                    expected.append((charger.name, end.energy_wh - end.start_energy_wh))
                await asyncio.sleep(chance.random() * 0.15)
                process.kill()
                process.wait(10)
                process = start_agent("ocpp_bridge", config, log)
                if chance.random() < 0.5:
                    # It is killed while it works off what has waited, too.
                    await asyncio.sleep(1.5 + chance.random())
                    steve.cut_after = None
            await eventually(
                lambda: len(steve.transactions) >= len(expected) and None not in steve.energies().values(),
                90,
                f"seed {SEED}: every transaction has ended; {log.read_text()[-3000:]}",
            )
        finally:
            process.kill()
            process.wait(10)
        found = sorted((kept["key"][0], steve.energies()[number]) for number, kept in steve.transactions.items())
        assert found == sorted(expected), f"seed {SEED}"
        assert steve.discarded == []
