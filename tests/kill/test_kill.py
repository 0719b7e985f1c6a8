"""``kill -9`` at random moments, on real processes: nothing is lost, nothing doubled (invariants 4, 5 and 11).

``CHARGEBUS_KILL_SEED`` repeats a schedule (the processes' own timing remains real), ``CHARGEBUS_KILL_ROUNDS`` sets
how many kills there are.
"""

import asyncio
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus_schema.topics import AGENT_HEALTH, AGENT_REJECTED, CHARGER_EVENT, CHARGER_STATE
from tests.brokers import RunningBroker
from tests.integration.ear import Ear
from tests.kill.site import CHARGERS, KillSite
from tests.kill.truth import EventKey, disagreements, read_ledger, read_visits
from tests.processes import ROOT
from tests.waiting import eventually

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(900)]

ROUNDS = int(os.environ.get("CHARGEBUS_KILL_ROUNDS", "100"))
SEED = int(os.environ.get("CHARGEBUS_KILL_SEED", random.SystemRandom().randrange(1_000_000)))

ARTEFACTS = Path(os.environ.get("CHARGEBUS_ARTEFACTS", ROOT / "artefacts"))

VICTIMS = {"ledger": 40, "chargers": 30, "broker": 20, "access": 10}
"""How often each is killed, in percent."""

STARTS_S = 4.0
"""Time from the start to the first session on a machine with two cores; on a slower one everything is given longer."""

SLOWEST = 4.0
"""How much slower kills follow each other at most."""

QUIET_S = 120.0
"""Time for everything to come to rest at the end: reconnection (30 s) and sending again (60 s at most)."""


@pytest.fixture
async def site(broker: RunningBroker, tmp_path: Path) -> AsyncIterator[KillSite]:
    site = KillSite(tmp_path, broker, SEED)
    yield site
    site.end()


async def quiet(site: KillSite, ear: Ear, since: int) -> None:
    """Wait until every charger has said, since then, that it has no session and nothing left to tell."""

    def at_rest() -> bool:
        site.check()
        heard = ear.heard[since:]
        newest = {each.topic: each for each in heard if each.topic.endswith("/state") and not each.retained}
        states = [each.read() for each in newest.values()]
        return len(states) == CHARGERS and all(state.session is None and not state.journal_pending for state in states)

    await eventually(at_rest, QUIET_S, "all chargers are at rest and have nothing left to tell")


async def test_kill_nine_loses_nothing_and_doubles_nothing(site: KillSite, broker: RunningBroker) -> None:
    rng = random.Random(SEED)
    killed: Counter[str] = Counter()
    began_s = time.monotonic()
    async with Ear(broker) as ear:
        site.start()
        started_s = time.monotonic()
        await ear.hears(CHARGER_STATE, lambda state: state.session is not None, within_s=120)
        # Where nobody gets as far as a session before the next kill, nothing is shown.
        slower = min(SLOWEST, max(1.0, (time.monotonic() - started_s) / STARTS_S))
        for _ in range(ROUNDS):
            await asyncio.sleep(rng.uniform(0.1, 1.4) * slower)
            together = 2 if rng.random() < 0.1 else 1
            victims = set(rng.choices(list(VICTIMS), list(VICTIMS.values()), k=together))
            await asyncio.gather(*(site.kill(victim, rng.uniform(0, 0.6)) for victim in sorted(victims)))
            killed.update(victims)
        await ear.listening()
        since = len(ear.heard)
        await site.nobody_comes_any_more()
        await ear.hears(AGENT_HEALTH, lambda health: health.online, agent="ledger", within_s=60)
        await quiet(site, ear, since)
        assert await asyncio.to_thread(site.ledger.stop) == 0
        heard = events(ear)
        assert ear.all(AGENT_REJECTED) == []
        assert ear.violations() == []

    visits, ledger = read_visits(site.cars), read_ledger(site.ledger_file)
    sessions = [session for session in ledger.sessions if session.energy_wh]
    print(
        f"\nseed {SEED}: {sum(killed.values())} kills ({dict(killed)}) in {time.monotonic() - began_s:.0f} s; "
        f"{len(visits)} visits of cars took {sum(v.unplug_wh - v.plug_wh for v in visits)} Wh; the ledger has "
        f"{len(ledger.sessions)} sessions ({len(sessions)} with energy) of {sum(s.energy_wh for s in sessions)} Wh, "
        f"{len(ledger.events)} events of {len({(e.charger, e.boot_id) for e in ledger.events})} boots"
    )
    trouble = disagreements(visits, ledger, heard)
    assert not trouble, report(trouble, site)
    assert len(sessions) >= ROUNDS / 5, "hardly anybody charged: the test has shown nothing"


def events(ear: Ear) -> set[EventKey]:
    """Charger, boot and number of every event that was heard on the bus."""
    found = ((heard.address.ids["charger"], heard.read()) for heard in ear.raw(CHARGER_EVENT))
    return {(charger, event.boot_id, event.seq) for charger, event in found}


def report(trouble: list[str], site: KillSite) -> str:
    """Say what is wrong, what was killed when, and where the evidence lies: pytest soon deletes its own folders."""
    evidence = ARTEFACTS / f"kill-{SEED}"
    shutil.copytree(site.folder, evidence, dirs_exist_ok=True)
    return "\n".join(
        [
            f"seed {SEED}: {len(trouble)} disagreements; evidence in {evidence}",
            *trouble[:20],
            "timeline:",
            *site.timeline,
            f"again: CHARGEBUS_KILL_SEED={SEED} CHARGEBUS_KILL_ROUNDS={ROUNDS} pytest tests/kill",
        ]
    )
