"""Bridge and backend in the world: every session is exactly one transaction with equal Wh, whatever fails.

A whole day: ``python -m tests.world.ocpp --hours 24 --seed 1``.
"""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from agents.ocpp_bridge.agent import OcppBridge
from agents.ocpp_bridge.models import TransactionRow
from agents.ocpp_bridge.recording import Recording
from agents.runtime.agent import Received
from agents.runtime.ocpp import Dispatcher
from bus_schema.event import Event, SessionRecord
from tests.world.faults import KINDS
from tests.world.ocpp import live_a_day, short_life

MINUTES = 5.0


@pytest.mark.parametrize("seed", range(4))
def test_every_session_is_one_transaction_with_equal_wh(seed: int) -> None:
    assert short_life(seed, MINUTES) == [], f"seed {seed}"


@pytest.mark.slow
def test_two_hours_of_a_very_bad_day() -> None:
    differences, figures = live_a_day(seed=1, hours=2, chargers=2)
    print(figures)
    assert differences == [], figures


def without_repair(monkeypatch: pytest.MonkeyPatch) -> type[OcppBridge]:
    """What events have not brought is not taken from the ledger's records."""

    async def nothing(_recording: Recording, _record: SessionRecord, _now_ms: int) -> None:
        return

    monkeypatch.setattr(Recording, "repair", nothing)
    return OcppBridge


def commits_too_late(monkeypatch: pytest.MonkeyPatch) -> type[OcppBridge]:
    """The bus message is acknowledged, and what it said is written some seconds later."""
    in_time = Recording.events

    async def late(self: Recording, batch: list[Received[Event]]) -> None:
        async def later() -> None:
            await self._shared.clock.sleep(5)
            await in_time(self, batch)

        self._shared.tasks.start(later(), "late")

    monkeypatch.setattr(Recording, "events", late)
    return without_repair(monkeypatch)


class ForgetsItsTransactions(OcppBridge):
    """What the backend has called the transactions is not known any more after a restart."""

    async def start(self) -> None:
        await self.store.run(lambda db: db.execute(update(TransactionRow).values(transaction_id=None)))
        await super().start()


def stops_differ(monkeypatch: pytest.MonkeyPatch) -> type[OcppBridge]:
    """A StopTransaction that is sent again has another register."""
    call_encoded, times = Dispatcher.call_encoded, Counter[str]()

    async def changed(self: Dispatcher, action: str, payload: str, **options: Any) -> Any:
        if action == "StopTransaction":
            stop = json.loads(payload)
            stop["meterStop"] += times[payload]
            times[payload] += 1
            payload = json.dumps(stop)
        return await call_encoded(self, action, payload, **options)

    monkeypatch.setattr(Dispatcher, "call_encoded", changed)
    return OcppBridge


TRUE_TO_THE_EVENTS = frozenset({"delay", "duplicate", "partition", "kill", "busy", "power"})
"""Faults with which events alone bring everything: the broker keeps its memory, and the order."""


@pytest.mark.parametrize(
    ("mutation", "seed", "faults", "told"),
    [
        (commits_too_late, 1, TRUE_TO_THE_EVENTS, "the backend has "),
        (lambda _patch: ForgetsItsTransactions, 0, frozenset(KINDS), "the backend has None"),
        (stops_differ, 0, frozenset(KINDS), "was sent in"),
    ],
    ids=["commits_too_late", "forgets_its_transactions", "stops_differ"],
)
def test_the_world_catches(
    mutation: Callable[[pytest.MonkeyPatch], type[OcppBridge]],
    seed: int,
    faults: frozenset[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``seed`` is one in which it is known to be caught; when the world changes, the next ones are tried too."""
    bridge = mutation(monkeypatch)
    for each in range(seed, seed + 10):
        found = short_life(each, MINUTES, bridge, faults)
        if found:
            assert any(told in difference for difference in found), found
            return
    raise AssertionError("not caught in ten seeds")


@pytest.mark.parametrize("seed", range(2))
def test_events_alone_bring_everything_while_the_broker_remembers(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert short_life(seed, MINUTES, without_repair(monkeypatch), TRUE_TO_THE_EVENTS) == []
