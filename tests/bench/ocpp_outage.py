"""What happens when a backend comes back after an hour, and every charge point has messages for it.

``python -m tests.bench.ocpp_outage --charge-points 1000``: in virtual time, the backend goes, the bridge hears of what
every charger has done in the last hour, which makes ``--messages`` transaction messages each, and the backend comes
back. It ends with 1 unless every message arrives once, in order per charge point, and never more of them in a second
than ``drain_per_s`` allows. Printed is also what a message costs of one core, SQLite on disk included.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from ocpp.v16 import datatypes

from agents.ocpp_bridge import outbox
from agents.ocpp_bridge.agent import OcppBridge
from agents.runtime.agent import Context
from agents.runtime.database.store import Store
from agents.runtime.host import AgentHost, RawMessage
from agents.runtime.ocpp import parse_time
from bus_schema import IdToken, Topic
from bus_schema.event import SessionEnded, SessionSampled, SessionStarted
from bus_schema.topics import CHARGER_EVENT
from bus_schema.words import ChargerStatus, IdTokenType, StopReason
from tests.bench.ocpp_charge_points import BOOT, SITE, boot, quiet
from tests.ocpp_bridge.steve import Steve
from tests.world.agent_process import AgentClock
from tests.world.loop import VirtualLoop

EPOCH_MS, HOUR_S = 1_788_249_600_000, 3600
CONNECTED_MS = 120_000
"""By then every charge point has connected."""
TRANSACTION = ("StartTransaction", "MeterValues", "StopTransaction")


class TimedSteve(Steve):
    """Knows every card, and when each message came."""

    def __init__(self, clock: AgentClock) -> None:
        super().__init__(clock)
        self.came: list[tuple[int, str, str, int]] = []
        """Virtual ms, charge point, action, and the moment that the message is about."""

    def _info(self, tag: str) -> datatypes.IdTagInfo:
        return datatypes.IdTagInfo("Accepted")

    def _handler(self, identity: str, action: str) -> Any:
        handle = super()._handler(identity, action)

        async def timed(request: Any) -> Any:
            if action in TRANSACTION:
                stamp = request.meter_value[0].timestamp if action == "MeterValues" else request.timestamp
                self.came.append((self.clock.now_ms() - EPOCH_MS, identity, action, parse_time(stamp)))
            return await handle(request)

        return timed


class Bus:
    """Takes everything and keeps nothing."""

    def __init__(self) -> None:
        self.host: Any = None

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        await asyncio.sleep(0)

    def put(self, row: Topic[Any], message: Any, charger: str) -> None:
        raw = RawMessage(row.format(SITE, charger=charger), row.encode(message), row.qos, False, lambda: None)
        self.host.deliver(raw)


def session(charger: str, began_ms: int, messages: int, random: Random) -> list[Any]:
    """Return the events of a session whose transaction has so many messages."""
    times = sorted(random.sample(range(60, HOUR_S - 60), messages))
    wh, found = random.randrange(100_000), []
    for number, at_s in enumerate(times):
        head = {"ts": began_ms + at_s * 1000, "uptime_ms": 1, "boot_id": BOOT, "seq": number + 1, "oldest_seq": 1}
        common = {**head, "session_id": f"{BOOT}-1", "energy_wh": wh + number}
        if number == 0:
            token = IdToken(type=IdTokenType.RFID, value=charger)
            found.append(SessionStarted(**common, id_token=token, authorized_by="access"))
        elif number < messages - 1:
            found.append(SessionSampled(**common, status=ChargerStatus.CHARGING))
        else:
            found.append(SessionEnded(**common, start_energy_wh=wh, reason=StopReason.LOCAL))
    return found


class Outage:
    """A bridge in virtual time with its charge points, whose backend goes and comes back."""

    def __init__(self, charge_points: int, messages: int, drain_per_s: float, folder: Path) -> None:
        self.loop, random = VirtualLoop(), Random(1)
        clock = AgentClock(self.loop, EPOCH_MS)
        self.steve, self.bus = TimedSteve(clock), Bus()
        self.store = Store(f"sqlite:///{folder / 'bridge.sqlite3'}", OcppBridge.migrations, threaded=False)
        self.store.upgrade()
        self.bus.host = AgentHost(
            _bridge_of(self.steve), _settings(drain_per_s), self.bus, clock, self.store, site=SITE, random=random
        )
        self.drain_per_s = drain_per_s
        self.total = charge_points * messages
        began_ms = EPOCH_MS + CONNECTED_MS - HOUR_S * 1000
        self.lives = {
            name: session(name, began_ms, messages, random) for name in (f"c{n}" for n in range(charge_points))
        }

    def begin(self) -> None:
        """Let every charge point connect, then take the backend away."""
        self.loop.finish(self.bus.host.start())
        self.bus.host.connected()
        for name in self.lives:
            boot(self.bus, name)
        self.loop.run_until(CONNECTED_MS)
        assert len(self.steve.lines) == len(self.lives)
        self.steve.up = False
        self.loop.finish(self.steve.cut())

    def queue(self) -> float:
        """Let the bridge hear of everything; return the seconds of one core.

        The hour is over already: the bridge comes from an outage of its own, and hears now what was journalled.
        """
        events = ((event.ts, name, event) for name, life in self.lives.items() for event in life)
        due = sorted(events, key=lambda each: each[:2])
        began_s = time.process_time()
        for _, name, event in due:
            self.bus.put(CHARGER_EVENT, event, name)
        self.loop.run_until(self.loop.now_ms + 10_000)
        return time.process_time() - began_s

    def waiting(self) -> int:
        """Return how many messages wait on disk."""
        backlogs = self.loop.finish(self.store.run(outbox.backlogs))
        return int(backlogs["b"].messages)

    def drain(self) -> float:
        """Bring the backend back until all must be there; return the seconds of one core."""
        self.steve.up = True
        began_s = time.process_time()
        self.loop.run_until(self.loop.now_ms + 90_000 + int(1000 * self.total / self.drain_per_s))
        return time.process_time() - began_s

    def end(self) -> None:
        self.loop.finish(self.bus.host.stop())
        self.loop.end()
        self.store.close()

    def delivered_right(self) -> bool:
        """Say what has come, and return whether it is everything, once, in order, and no faster than allowed."""
        came, charge_points = self.steve.came, len(self.lives)
        times: dict[str, list[int]] = {name: [] for name in self.lives}
        for _, identity, _, about_ms in came:
            times[identity].append(about_ms)
        right = sum(times[name] == [event.ts for event in life] for name, life in self.lives.items())
        energies = self.steve.energies()
        # `session` counts one Wh per message.
        whole = sum(wh == self.total // charge_points - 1 for wh in energies.values())
        fastest = max(Counter(at_ms // 1000 for at_ms, *_ in came).values(), default=0)
        took_s = (came[-1][0] - came[0][0]) / 1000 if came else 0
        print(f"  delivered  {len(came)} of {self.total}: {right} of {charge_points} have each one once, in order")
        print(f"  sessions   {len(energies)} transactions, {whole} with their Wh")
        print(f"  rate       all within {took_s:.0f} s, at most {fastest} in a second; {self.drain_per_s:g} allowed")
        return len(came) == self.total and right == whole == charge_points and fastest <= self.drain_per_s + 1


def _bridge_of(steve: Steve) -> type[OcppBridge]:
    class Bridge(OcppBridge):
        """The bridge on the backend of the bench."""

        def __init__(self, context: Context[Any]) -> None:
            super().__init__(context, connector=steve)

        async def catch_up(self) -> None:
            """There is no ledger."""

    return Bridge


def _settings(drain_per_s: float) -> Any:
    return OcppBridge.settings_type.model_validate(
        {
            "backends": [{"name": "b", "url": "ws://b", "kind": "steve"}],
            "drain_per_s": drain_per_s,
            "configuration": {"MeterValueSampleInterval": "1"},
        }
    )


def measure(charge_points: int, messages: int, drain_per_s: float, folder: Path) -> int:
    """Run it once, print what came of it, and return the exit code."""
    outage = Outage(charge_points, messages, drain_per_s, folder)
    outage.begin()
    queued_s = outage.queue()
    waiting = outage.waiting()
    print(f"backend gone: {charge_points} charge points have {waiting} messages of an hour for it")
    drained_s = outage.drain()
    good = outage.delivered_right()
    queued_us, drained_us = 1e6 * queued_s / outage.total, 1e6 * drained_s / outage.total
    print(f"  cost       {queued_us:.0f} µs of one core to queue a message, {drained_us:.0f} µs to deliver it")
    outage.end()
    return 0 if good and waiting == outage.total else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--charge-points", type=int, default=100)
    parser.add_argument("--messages", type=int, default=50)
    parser.add_argument("--drain-per-s", type=float, default=200.0)
    options = parser.parse_args()
    quiet()
    with tempfile.TemporaryDirectory() as folder:
        return measure(options.charge_points, options.messages, options.drain_per_s, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
