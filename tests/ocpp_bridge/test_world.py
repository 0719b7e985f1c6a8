"""Bridge and backend in the simulated world: under every fault each session is one transaction with equal Wh."""

import sqlite3
from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from ocpp.v16 import datatypes

from agents.ocpp_bridge.agent import OcppBridge
from agents.runtime.agent import Context
from tests.ocpp_bridge.steve import Steve
from tests.world.agent_process import AgentClock
from tests.world.day import Day, Stay
from tests.world.entropy import stream
from tests.world.world import EPOCH_MS, Plan, World


class Welcoming(Steve):
    """A backend that knows every card."""

    def _info(self, tag: str) -> datatypes.IdTagInfo:
        return datatypes.IdTagInfo("Accepted")


def settings() -> dict[str, Any]:
    return {
        "backends": [{"name": "steve", "url": "ws://steve/ocpp", "kind": "steve"}],
        "configuration": {
            "TransactionMessageAttempts": "1000",
            "TransactionMessageRetryInterval": "1",
            "MeterValueSampleInterval": "120",
        },
        "reconnect_max_s": 30,
    }


def join(world: World, random: Random, *, trouble_until_ms: int) -> Steve:
    """Add bridge and backend to a world that is built; the backend has troubles of its own."""
    steve = Welcoming(AgentClock(world.loop, EPOCH_MS))

    class InWorld(OcppBridge):
        """The bridge with the world's backend."""

        def __init__(self, context: Context[Any]) -> None:
            super().__init__(context, connector=steve)

    world.add_agent(InWorld, settings()).start()

    def misbehave() -> None:
        if world.loop.now_ms >= trouble_until_ms:
            steve.up, steve.cut_after = True, None
            steve.silent.clear()
            steve.refusing.clear()
            return
        steve.up = random.random() < 0.7
        steve.cut_after = random.choice((None, None, "StartTransaction", "StopTransaction", "MeterValues"))
        steve.silent = {"StartTransaction"} if random.random() < 0.1 else set()
        steve.refusing = {random.choice(("StartTransaction", "StopTransaction", "MeterValues")): random.randrange(3)}
        if random.random() < 0.2:
            world.agents["ocpp_bridge"].kill()
        world.loop.create_task(steve.cut(None if random.random() < 0.5 else random.choice(sorted(world.boxes))))
        world.loop.at(world.loop.now_ms + random.randrange(5_000, 240_000), misbehave)

    world.loop.at(random.randrange(60_000), misbehave)
    return steve


def recorded(world: World) -> list[tuple[str, int]]:
    """What the ledger has: charger and Wh of every session that has ended."""
    rows = world.ledger_database().execute(
        "SELECT charger, end_wh - start_wh FROM ledger_session WHERE end_seq IS NOT NULL AND start_seq IS NOT NULL"
    )
    return sorted(rows)


def transacted(steve: Steve) -> list[tuple[str, int]]:
    """What the backend has kept."""
    ended: Iterable[Any] = (kept for kept in steve.transactions.values() if kept["stop"] is not None)
    return sorted((kept["key"][0], kept["stop"].meter_stop - kept["start"].meter_start) for kept in ended)


def doubted(world: World) -> list[tuple[str, int]]:
    """What the bridge says that the backend has probably not kept: in the world some clocks are wrong."""
    database = sqlite3.connect(f"file:{world.agents['ocpp_bridge'].database}?mode=ro", uri=True)
    rows = database.execute(
        "SELECT charger, end_wh - start_wh FROM ocpp_bridge_transaction WHERE doubt IS NOT NULL"
    ).fetchall()
    database.close()
    return rows


def live(seed: int, minutes: int) -> None:
    with World(Plan(seed, chargers=2, minutes=minutes, trace=False)) as world:
        world.build()
        steve = join(world, stream(seed, "steve"), trouble_until_ms=minutes * 60_000)
        world.loop.run_until(minutes * 60_000)
        world.settle()
        found = sorted(transacted(steve) + doubted(world))
        assert found == recorded(world), f"seed {seed}"
        assert len(steve.discarded) <= len(doubted(world))


@pytest.mark.parametrize("seed", range(1))
def test_every_session_is_one_transaction_under_every_fault(seed):
    live(seed, 6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", (11, 12))
def test_more_lives(seed):
    live(seed, 15)


@pytest.mark.slow
def test_a_working_day():
    hour_ms = 3_600_000
    stays = [
        Stay("c1", hour_ms // 6, 2 * hour_ms, 9_000.0, 16.0, 3),
        Stay("c2", hour_ms // 3, 6 * hour_ms, 20_000.0, 32.0, 1),
        Stay("c1", 3 * hour_ms, 6 * hour_ms, 30_000.0, 16.0, 3),
    ]
    with Day(stays) as world:
        world.build()
        steve = join(world, stream(1, "working day"), trouble_until_ms=6 * hour_ms)
        world.loop.run_until(6 * hour_ms + 600_000)
        world.settle()
        found = transacted(steve)
        assert found == recorded(world) and [wh for _, wh in found] == [9_000, 30_000, 20_000]
