"""What is on disk is never less than what may have been ordered, also while it is being written."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
import structlog

from agents.load_balancer.agent import LoadBalancer
from agents.load_balancer.history import Told
from agents.load_balancer.models import GrantRow, WorstRow
from agents.load_balancer.records import Records
from agents.runtime.store import Store, StoreUnavailable


class Slow(Store):
    """A database whose transactions begin when the test says so."""

    def __init__(self) -> None:
        super().__init__("sqlite://", LoadBalancer.migrations, threaded=False)
        self.upgrade()
        self.open = asyncio.Event()
        self.open.set()
        self.broken = False

    async def run(self, work: Callable[[Any], Any]) -> Any:
        await self.open.wait()
        if self.broken:
            raise StoreUnavailable("disk full (in this test)")
        return await super().run(work)

    async def worst_a(self) -> dict[str, float]:
        return await self.run(lambda db: {each.charger: each.current_a for each in db.scalars(sa.select(WorstRow))})


async def begun(store: Store) -> Records:
    records = Records(store, structlog.get_logger())
    await records.begin(Random(1))
    return records


async def test_a_raise_is_covered_only_once_it_is_written() -> None:
    store = Slow()
    records = await begun(store)
    store.open.clear()
    writing = asyncio.ensure_future(records.cover({"c1": 16.0}, 0.0))
    await asyncio.sleep(0)
    assert not records.covers({"c1": 16.0})
    store.open.set()
    await writing
    assert records.covers({"c1": 16.0}) and not records.covers({"c1": 16.1})
    assert await store.worst_a() == {"c1": 16.0}


async def test_what_is_being_lowered_covers_nothing_any_more() -> None:
    store = Slow()
    records = await begun(store)
    await records.cover({"c1": 16.0, "c2": 10.0}, 0.0)
    store.open.clear()
    still_a = {"c1": 6.0, "c2": 10.0}
    lowering = asyncio.ensure_future(records.save(lambda: still_a, 5.0))
    raising = asyncio.ensure_future(records.cover({"c1": 12.0}, 5.0))
    await asyncio.sleep(0)
    assert not records.covers({"c1": 12.0}) and records.covers({"c2": 10.0})
    store.open.set()
    await lowering
    await raising
    assert await store.worst_a() == {"c1": 12.0, "c2": 10.0}
    assert records.covers({"c1": 12.0}) and not records.covers({"c1": 16.0})


async def test_a_database_that_fails_covers_no_raise_and_loses_no_reason() -> None:
    store = Slow()
    records = await begun(store)
    store.broken = True
    records.note_told(Told("c1", 1_000, 6.0, "none", "6 A: why"))
    await records.cover({"c1": 16.0}, 0.0)
    assert not records.covers({"c1": 6.0})
    with pytest.raises(StoreUnavailable):
        await records.save(dict, 5.0)
    store.broken = False
    await records.save(dict, 10.0)
    assert await store.run(lambda db: [each.explanation for each in db.scalars(sa.select(GrantRow))]) == ["6 A: why"]
    assert await store.worst_a() == {}


async def test_a_stretch_ends_where_the_next_of_its_charger_begins() -> None:
    store = Slow()
    records = await begun(store)
    for at_ms, current_a in ((1_000, 6.0), (3_000, 8.0)):
        records.note_told(Told("c1", at_ms, current_a, "none", "why"))
    await records.save(dict, 1.0)
    records.note_told(Told("c1", 2_000, 9.0, "none", "the clock went back"))
    records.note_told(Told("c2", 2_500, 9.0, "none", "another"))
    await records.save(dict, 2.0)

    def stretches(db: Any) -> list[tuple[str, int, int | None]]:
        return [(row.charger, row.from_ms, row.to_ms) for row in db.scalars(sa.select(GrantRow).order_by(GrantRow.id))]

    assert await store.run(stretches) == [
        ("c1", 1_000, 3_000),
        ("c1", 3_000, 3_000),
        ("c1", 2_000, None),
        ("c2", 2_500, None),
    ]


async def test_a_newer_process_on_the_database_ends_this_one() -> None:
    store = Slow()
    records = await begun(store)
    await begun(store)
    await records.cover({"c1": 16.0}, 0.0)
    assert records.replaced
    assert await store.worst_a() == {}
