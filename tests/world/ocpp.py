"""The world with OCPP: the real bridge and the real backend, between them a WebSocket that breaks.

``python -m tests.world.ocpp --hours 24 --seed 1`` lives through a day in which cars come and go, and chargers, broker,
agents, bridge, backend and every connection fail again and again. Whatever happens, each session of the ledger is
exactly one transaction of the backend, with the same register at its start and at its end.
"""

import argparse
import sqlite3
import sys
import time
from collections import Counter
from random import Random
from typing import Any

from agents.csms.agent import Csms
from agents.csms.settings import CsmsSettings
from agents.ocpp_bridge.agent import OcppBridge
from agents.ocpp_bridge.settings import OcppBridgeSettings
from agents.runtime.agent import Context
from tests.world.agent_process import AgentProcess
from tests.world.checks.base import Check
from tests.world.day import Day, Stay
from tests.world.entropy import stream
from tests.world.faults import KINDS, Severity, Trouble
from tests.world.link import LinkFaults
from tests.world.ocpp_line import Network
from tests.world.world import CHECKS, Plan, World

MINUTE_MS, HOUR_MS = 60_000, 3_600_000

DAY = Severity(
    LinkFaults(delay_ms=40, slow=0.01, slow_ms=2_500, drop=0.05, duplicate=0.01),
    partition_ms=2 * HOUR_MS,
    drop_connection_ms=HOUR_MS,
    broker_ms=2 * HOUR_MS,
    kill_ms=HOUR_MS,
    kill_at_gate=0.0003,
    busy=0.002,
    power_ms=3 * HOUR_MS,
    tear=0.0005,
    hang_ms=12 * HOUR_MS,
    no_network_time=0.1,
)
"""A very bad day: each kind of trouble comes a few times to each part."""

BRIDGE = {
    "backends": [{"name": "csms", "url": "ws://csms"}],
    "configuration": {
        # What a locked database makes the backend refuse must come through in the end.
        "TransactionMessageAttempts": "1000",
        "TransactionMessageRetryInterval": "1",
        "MeterValueSampleInterval": "120",
    },
    "reconnect_max_s": 30,
}


class WithOcpp:
    """Bridge and backend of a world, and the trouble between them."""

    def __init__(self, world: World, *, seed: int, every_ms: int, until_ms: int, bridge: type[OcppBridge]) -> None:
        self.world = world
        self.network = network = Network(world.loop, stream(seed, "websocket"))
        self._random = stream(seed, "ocpp trouble")
        self._every_ms, self._until_ms = every_ms, until_ms

        class Bridge(bridge):  # type: ignore[valid-type, misc]
            """The bridge on the world's WebSocket."""

            def __init__(self, context: Context[OcppBridgeSettings]) -> None:
                super().__init__(context, connector=network)

        class Backend(Csms):
            """The backend on the world's WebSocket."""

            def __init__(self, context: Context[CsmsSettings]) -> None:
                super().__init__(context, network.listener)

            def kill(self) -> None:
                super().kill()
                network.backend_is_gone()

        stations = {name: {"on_bus": False, "without_password": True} for name in world.boxes}
        csms = {"port": 1, "accept_unknown_tags": True, "call_timeout_s": 30, "stations": stations}
        self.backend = world.add_agent(Backend, csms)
        self.bridge = world.add_agent(Bridge, BRIDGE)
        for agent in (self.backend, self.bridge):
            agent.start()
        world.loop.at(self._random.randrange(every_ms), self._misbehave)

    def _misbehave(self) -> None:
        loop, random, network = self.world.loop, self._random, self.network
        network.mend()
        if loop.now_ms >= self._until_ms:
            return
        network.up = random.random() < 0.8
        network.cut_at = random.choice((None, "StartTransaction", "StopTransaction", "MeterValues"))
        network.lost_answers = random.choice((0, 0, 0, 1, 2))
        victim = random.choice(sorted(self.world.boxes))
        match random.choice(("cut one", "cut all", "die", "bridge", "backend", "restart", "nothing")):
            case "cut one":
                network.cut(lambda line: line.identity == victim)
            case "cut all":
                network.cut(lambda _line: True)
            case "die":
                for line in [line for line in network.lines if line.identity == victim]:
                    line.die()
            case "bridge":
                self.bridge.kill()
            case "backend":
                self.backend.kill()
            case "restart":
                random.choice((self.bridge, self.backend)).restart()
        loop.at(loop.now_ms + random.randrange(self._every_ms // 20, self._every_ms), self._misbehave)

    # What came of it

    def differences(self) -> list[str]:
        """Say where ledger and backend do not agree; empty if every session is one transaction with equal Wh."""
        sessions = self.sessions()
        numbers = {session: number for session, number in _read(self.bridge, _NUMBERS)}
        kept = {number: row for number, *row in _read(self.backend, _KEPT)}
        found = []
        for session, (charger, start_wh, end_wh) in sessions.items():
            row = kept.pop(numbers.get(session), None)
            if row != [charger, start_wh, end_wh, 0]:
                found.append(f"session {session} of {charger}, {start_wh} to {end_wh} Wh: the backend has {row}")
        begun = {numbers.get(session) for session in self.begun()}
        found += [
            f"transaction {number} is of no session: {row}" for number, row in kept.items() if number not in begun
        ]
        found += [
            f"{action} {number} of {who} was sent in {len(texts)} ways"
            for (who, action, number), texts in self.network.messages.items()
            if len(texts) > 1
        ]
        return found

    def sessions(self) -> dict[str, tuple[str, int, int]]:
        """Return the sessions of the ledger that have begun and ended: charger and registers."""
        rows = self.world.ledger_database().execute(
            "SELECT session_id, charger, start_wh, end_wh FROM ledger_session"
            " WHERE end_seq IS NOT NULL AND start_seq IS NOT NULL"
        )
        return {session: (charger, start_wh, end_wh) for session, charger, start_wh, end_wh in rows}

    def begun(self) -> list[str]:
        """Return the sessions that have not ended."""
        rows = self.world.ledger_database().execute("SELECT session_id FROM ledger_session WHERE end_seq IS NULL")
        return [session for (session,) in rows]


_NUMBERS = "SELECT session_id, transaction_id FROM ocpp_bridge_transaction"
_KEPT = "SELECT id, identity, meter_start_wh, meter_stop_wh, discarded FROM csms_transaction"


def _read(agent: AgentProcess, query: str) -> list[Any]:
    database = sqlite3.connect(f"file:{agent.database}?mode=ro", uri=True)
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def short_life(
    seed: int,
    minutes: float,
    bridge: type[OcppBridge] = OcppBridge,
    faults: frozenset[str] = frozenset(KINDS),
) -> list[str]:
    """Return the differences after some minutes with trouble of these kinds at its worst."""
    with World(Plan(seed, chargers=2, minutes=minutes, faults=faults, trace=False)) as world:
        world.build()
        until_ms = int(minutes * MINUTE_MS)
        ocpp = WithOcpp(world, seed=seed, every_ms=120_000, until_ms=until_ms, bridge=bridge)
        world.loop.run_until(until_ms)
        world.settle()
        return ocpp.differences()


class OcppDay(Day):
    """A day of cars that come and go, with trouble until shortly before its end."""

    def __init__(self, seed: int, hours: float, chargers: int, checks: tuple[type[Check], ...] = CHECKS) -> None:
        super().__init__(_stays(stream(seed, "stays"), hours, chargers), seed=seed, checks=checks)
        self.severity = DAY
        self._hours = hours
        self.ocpp: WithOcpp

    def build(self) -> None:
        super().build()
        until_ms = int(self._hours * HOUR_MS)
        seed = self.plan.seed
        self.ocpp = WithOcpp(self, seed=seed, every_ms=20 * MINUTE_MS, until_ms=until_ms, bridge=OcppBridge)
        self.trouble = Trouble(self, stream(seed, "trouble"), DAY)


def _stays(random: Random, hours: float, chargers: int) -> list[Stay]:
    """Return cars for every charger, each there for ten minutes to an hour and a half."""
    stays = []
    for number in range(chargers):
        at_ms = random.randrange(MINUTE_MS, 30 * MINUTE_MS)
        while True:
            leaves_ms = at_ms + random.randrange(10 * MINUTE_MS, 90 * MINUTE_MS)
            if leaves_ms > hours * HOUR_MS:
                break
            current_a, phases = random.choice([(10.0, 1), (16.0, 3), (32.0, 1), (11.0, 3)])
            wanted_wh = 230 * current_a * phases * (leaves_ms - at_ms) / HOUR_MS * random.uniform(0.3, 1.2)
            stays.append(Stay(f"c{number + 1}", at_ms, leaves_ms, wanted_wh, current_a, phases))
            at_ms = leaves_ms + random.randrange(2 * MINUTE_MS, 30 * MINUTE_MS)
    return stays


def live_a_day(seed: int, hours: float, chargers: int) -> tuple[list[str], str]:
    """Return the differences after a day, and its figures."""
    with OcppDay(seed, hours, chargers) as day:
        began_s = time.process_time()
        day.run_day()
        ocpp = day.ocpp
        sessions = ocpp.sessions().values()
        wh = sum(end_wh - start_wh for _, start_wh, end_wh in sessions)
        per_charger = Counter(charger for charger, *_ in sessions)
        figures = (
            f"{hours:g} h, {chargers} chargers, seed {seed}: {len(sessions)} sessions of {len(per_charger)} chargers, "
            f"{wh} Wh; {sum(box.boots for box in day.boxes.values())} boots of chargers, "
            f"{ocpp.bridge.deaths} deaths of the bridge, {ocpp.backend.deaths} of the backend, "
            f"{ocpp.network.broken} connections broken, {ocpp.network.transmissions} transmissions of "
            f"{len(ocpp.network.messages)} stops and their starts; {time.process_time() - began_s:.0f} s of one core"
        )
        return ocpp.differences(), figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--chargers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    differences, figures = live_a_day(options.seed, options.hours, options.chargers)
    print(figures)
    for difference in differences:
        print(difference)
    print(f"{len(differences)} differences between ledger and backend")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
