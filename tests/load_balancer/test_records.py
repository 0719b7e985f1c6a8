"""What is on disk is never less than what may have been ordered, also while it is being written."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
import structlog

from agents.load_balancer.agent import LoadBalancer
from agents.load_balancer.granting import history
from agents.load_balancer.granting.history import Known, Told
from agents.load_balancer.granting.outstanding import Place, Step
from agents.load_balancer.granting.records import Records
from agents.load_balancer.models import GrantRow
from agents.runtime.database.migration import upgrade
from agents.runtime.database.store import Store, StoreUnavailable


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

    async def left(self) -> dict[str, list[tuple[float, float]]]:
        """Return what a later life would find: amperes and seconds."""
        found = await self.run(lambda db: history.begin(db, Random(2)))
        return {name: [(step.current_a, step.life_s) for step in steps] for name, steps in found.outstanding.items()}


WING = Place(("wing", "main"), ("L1", "L2", "L3"), 230.0)


def draws(current_a: float, life_s: float = 105.0, executable_s: float = 35.0, place: Place = WING) -> list[Step]:
    return [Step(current_a, executable_s, life_s, place)]


async def begun(store: Store) -> Records:
    records = Records(store, structlog.get_logger())
    await records.begin(Random(1))
    return records


async def test_a_raise_is_covered_only_once_it_is_written() -> None:
    store = Slow()
    records = await begun(store)
    store.open.clear()
    writing = asyncio.ensure_future(records.cover({"c1": draws(16.0)}, 0.0))
    await asyncio.sleep(0)
    assert not records.covers({"c1": draws(16.0)})
    store.open.set()
    await writing
    assert records.covers({"c1": draws(16.0)}) and not records.covers({"c1": draws(16.1)})
    assert await store.left() == {"c1": [(16.0, 105.0)]}


async def test_a_new_life_says_how_often_earlier_ones_have_written() -> None:
    """Less would be taken for an older copy of the database, in which grants are missing."""
    store = Slow()
    records = await begun(store)
    assert records.written == 0
    await records.cover({"c1": draws(16.0)}, 0.0)
    await records.cover({"c1": draws(20.0)}, 1.0)
    assert records.written == 2
    assert (await begun(store)).written == 2


async def test_an_end_is_covered_as_the_current_is() -> None:
    store = Slow()
    records = await begun(store)
    await records.cover({"c1": draws(16.0)}, 0.0)
    for more in (
        draws(16.0, life_s=105.1),
        draws(16.0, executable_s=35.1),
        draws(16.0, place=replace(WING, phases=())),
    ):
        assert not records.covers({"c1": more})
    await records.cover({"c1": draws(6.0, life_s=345.0)}, 1.0)
    assert records.covers({"c1": draws(6.0, life_s=345.0)}) and not records.covers({"c1": draws(7.0, life_s=106.0)})
    assert records.longest_life_s("c1", draws(6.0)[0]) == 345.0
    assert records.longest_life_s("c1", draws(16.0)[0]) == 105.0
    assert records.longest_life_s("c1", draws(17.0)[0]) == 0.0
    assert await store.left() == {"c1": [(16.0, 105.0), (6.0, 345.0)]}


async def test_what_nobody_renews_runs_out_in_the_database_too() -> None:
    """Else a grant that nobody answers would count in full again with every restart."""
    store = Slow()
    records = await begun(store)
    await records.cover({"c1": draws(16.0, 300.0)}, 0.0)
    await records.save(lambda: {"c1": draws(16.0, 280.0)}, 20.0)
    assert records.covers({"c1": draws(16.0, 300.0)})
    await records.save(lambda: {"c1": draws(16.0, 262.0)}, 38.0)
    assert not records.covers({"c1": draws(16.0, 265.1)})
    await records.save(lambda: {"c1": ()}, 300.0)
    assert not records.covers({"c1": draws(0.1)}) and records.covers({"c1": draws(0.0)})
    assert await store.left() == {}


async def test_what_is_being_lowered_covers_nothing_any_more() -> None:
    store = Slow()
    records = await begun(store)
    await records.cover({"c1": draws(16.0), "c2": draws(10.0)}, 0.0)
    store.open.clear()
    still = {"c1": draws(6.0), "c2": draws(10.0)}
    lowering = asyncio.ensure_future(records.save(lambda: still, 5.0))
    raising = asyncio.ensure_future(records.cover({"c1": draws(12.0)}, 5.0))
    await asyncio.sleep(0)
    assert not records.covers({"c1": draws(12.0)}) and records.covers({"c1": draws(6.0), "c2": draws(10.0)})
    store.open.set()
    await lowering
    await raising
    assert records.covers({"c1": draws(12.0)}) and not records.covers({"c1": draws(16.0)})
    assert await store.left() == {"c1": [(12.0, 105.0)], "c2": [(10.0, 105.0)]}


async def test_a_database_that_fails_covers_no_raise_and_loses_no_reason() -> None:
    store = Slow()
    records = await begun(store)
    store.broken = True
    records.note_told(Told("c1", 1_000, 6.0, "none", "6 A: why"))
    await records.cover({"c1": draws(16.0)}, 0.0)
    assert not records.covers({"c1": draws(6.0)})
    with pytest.raises(StoreUnavailable):
        await records.save(dict, 5.0)
    store.broken = False
    await records.save(dict, 10.0)
    assert await store.run(lambda db: [each.explanation for each in db.scalars(sa.select(GrantRow))]) == ["6 A: why"]
    assert await store.left() == {}


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


async def test_each_charger_and_each_of_its_currents_must_be_covered() -> None:
    store = Slow()
    records = await begun(store)
    await records.cover({"c1": draws(16.0)}, 0.0)
    assert not records.covers({"c1": draws(16.0), "c2": draws(6.0)})
    both = [*draws(16.0), *draws(6.0, 345.0)]
    assert not records.covers({"c1": both})
    await records.cover({"c1": both}, 1.0)
    assert records.covers({"c1": both})


async def test_what_is_lowered_to_more_than_was_stored_is_relied_on_once_it_is_written() -> None:
    store = Slow()
    records = await begun(store)
    await records.cover({"c1": draws(16.0)}, 0.0)
    store.open.clear()
    lowering = asyncio.ensure_future(records.save(lambda: {"c1": draws(6.0, 345.0)}, 5.0))
    await asyncio.sleep(0)
    assert not records.covers({"c1": draws(6.0, 345.0)}) and not records.covers({"c1": draws(16.0)})
    store.open.set()
    await lowering
    assert records.covers({"c1": draws(6.0, 345.0)})


async def test_what_chargers_said_is_kept_until_it_is_written() -> None:
    store = Slow()
    records = await begun(store)
    assert records.saved_s == 0.0
    store.broken = True
    records.note_known("c1", Known(6.0, 32.0, True, ("L1",)))
    with pytest.raises(StoreUnavailable):
        await records.save(dict, 5.0)
    assert records.saved_s == 0.0
    store.broken = False
    records.note_known("c2", Known(0.0, 16.0, False, ()))
    await records.save(dict, 9.0)
    assert records.saved_s == 9.0
    assert set((await store.run(lambda db: history.begin(db, Random(1)))).known) == {"c1", "c2"}


async def test_a_process_that_is_replaced_relies_on_nothing_that_it_could_not_write() -> None:
    store = Slow()
    records = await begun(store)
    await begun(store)
    for current_a in (16.0, 20.0):
        await records.cover({"c1": draws(current_a)}, 7.0)
        assert records.replaced and not records.covers({"c1": draws(current_a)}) and records.saved_s == 0.0


async def test_a_newer_process_on_the_database_ends_this_one() -> None:
    store = Slow()
    records = await begun(store)
    await begun(store)
    await records.cover({"c1": draws(16.0)}, 0.0)
    assert records.replaced
    assert await store.left() == {}


async def test_a_database_of_before_counts_for_the_longest_that_was_ever_granted() -> None:
    store = Store("sqlite://", LoadBalancer.migrations, threaded=False)
    with store.engine.begin() as connection:
        upgrade(connection, str(LoadBalancer.migrations), "0002")
        connection.execute(sa.text("INSERT INTO load_balancer_worst VALUES ('c1', 32.0), ('c2', 0.0)"))
    store.upgrade()
    records = await begun(store)
    assert records.stored == {"c1": (Step(32.0, 35.0, 1865.0, Place((), ("L1", "L2", "L3"), 230.0)),)}
