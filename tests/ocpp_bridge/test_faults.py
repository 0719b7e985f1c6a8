"""A random life of bridge and backend under faults: every session is one transaction with equal Wh."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from bus_schema.topics import CHARGER_EVENT
from tests.ocpp_bridge.stage import Stage, StageClock, settle
from tests.ocpp_bridge.steve import Steve

KEYS = {"TransactionMessageAttempts": "1000", "TransactionMessageRetryInterval": "1", "MeterValueSampleInterval": "20"}


class Life:
    """One run, a function of its seed."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = Random(seed)
        self.url = f"sqlite:///{folder / f'{seed}.sqlite3'}"
        self.clock = StageClock()
        self.steve = Steve(self.clock)
        self.steve.tags = {tag: ("Accepted", None) for tag in "ABC"}
        self.stage = self._stage()
        self.sent: list[tuple[str, object]] = []
        """Events that the broker may deliver again: not known to be acknowledged."""
        self.energy: dict[tuple[str, str], int] = {}
        self.kills = 0

    def _stage(self) -> Stage:
        return Stage(self.url, self.clock, {"steve": self.steve}, configuration=KEYS, call_timeout_s=5)

    async def run(self, steps: int) -> None:
        await self.stage.__aenter__()
        for name in ("c1", "c2"):
            await self.stage.charger(name)
        for _ in range(steps):
            await self._step()
            await self.stage.pass_time(self.random.choice((0.5, 2, 10, 30)))
        await self._end()

    async def _step(self) -> None:
        charger = self.stage.chargers[self.random.choice(("c1", "c2"))]
        what = self.random.choice(
            (
                "session",
                "session",
                "session",
                "session",
                "meter",
                "meter",
                "sample",
                "cut",
                "down",
                "up",
                "refuse",
                "lose",
                "silent",
                "again",
                "kill",
            )
        )
        match what:
            case "session":
                await self._begin_or_end(charger)
            case "meter" if charger.session is not None:
                charger.energy_wh += self.random.randrange(500)
                await charger.telemetry()
            case "sample" if charger.session is not None:
                self.sent.append((charger.name, await charger.sample()))
            case "cut":
                await self.steve.cut(self.random.choice(("c1", "c2")))
            case "down":
                self.steve.up = False
                await self.steve.cut()
            case "up":
                self.steve.up = True
                self.steve.silent.clear()
            case "refuse":
                action = self.random.choice(
                    ("StartTransaction", "MeterValues", "StopTransaction", "StatusNotification")
                )
                self.steve.refusing[action] = self.random.randrange(3)
            case "lose":
                self.steve.cut_after = self.random.choice(("StartTransaction", "MeterValues", "StopTransaction"))
            case "silent":
                self.steve.silent.add(self.random.choice(("StartTransaction", "StopTransaction")))
            case "again":
                await self._deliver_again(self.stage)
            case "kill":
                await self._kill()

    async def _begin_or_end(self, charger) -> None:
        if charger.session is None:
            event = await charger.start(self.random.choice("ABC"))
        else:
            event = await charger.end()
            self.energy[charger.name, event.session_id] = event.energy_wh - event.start_energy_wh
        self.sent.append((charger.name, event))

    async def _deliver_again(self, stage: Stage) -> None:
        for name, event in self.sent[-self.random.randrange(1, 6) :]:
            stage.put(CHARGER_EVENT, event, charger=name)
        await settle()

    async def _kill(self) -> None:
        """``kill -9`` in the middle of handling events; the broker delivers what was not acknowledged again."""
        self.kills += 1
        for name, event in self.sent[-4:]:
            self.stage.put(CHARGER_EVENT, event, charger=name)
        for _ in range(self.random.randrange(60)):
            await asyncio.sleep(0)
        chargers = self.stage.chargers
        await self.stage.kill()
        self.stage = self._stage()
        await self.stage.__aenter__()
        self.stage.chargers = chargers
        for charger in chargers.values():
            charger.stage = self.stage
            await charger.boot()
        await self._deliver_again(self.stage)

    async def _end(self) -> None:
        for charger in self.stage.chargers.values():
            if charger.session is not None:
                await self._begin_or_end(charger)
        self.steve.up, self.steve.cut_after = True, None
        self.steve.silent.clear()
        self.steve.refusing.clear()
        await self.stage.pass_time(400)
        await self.stage.__aexit__()


@pytest.mark.parametrize("seed", range(3))
async def test_every_session_is_one_transaction_with_equal_wh(seed, tmp_path):
    life = Life(seed, tmp_path)
    await life.run(60)
    theirs = sorted(
        (kept["key"][0], kept["stop"].meter_stop - kept["start"].meter_start)
        for kept in life.steve.transactions.values()
    )
    ours = sorted((charger, wh) for (charger, _), wh in life.energy.items())
    assert theirs == ours
    assert life.steve.discarded == []
    assert len(ours) > 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 103))
async def test_long_lives(seed, tmp_path):
    life = Life(seed, tmp_path)
    await life.run(150)
    theirs = sorted(
        (kept["key"][0], kept["stop"].meter_stop - kept["start"].meter_start)
        for kept in life.steve.transactions.values()
    )
    assert theirs == sorted((charger, wh) for (charger, _), wh in life.energy.items())
    assert life.steve.discarded == []
