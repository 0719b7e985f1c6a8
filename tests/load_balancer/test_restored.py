"""A database that was brought back from a backup: what it holds of grants is old, and so is its count of lives."""

from typing import Any

import pytest
import sqlalchemy as sa

from agents.load_balancer.granting.claim import ALONE_S
from agents.load_balancer.models import InstanceRow, OutstandingRow
from tests.load_balancer.harness import Site
from tests.load_balancer.test_lives import MARGINS_S, Lives, table


async def as_it_is(lives: Lives) -> list[Any]:
    """Return a backup of whose database it is and what is outstanding."""
    with lives.store.engine.connect() as db:
        return [[dict(row._mapping) for row in db.execute(sa.select(each.__table__))] for each in TABLES]


def restore(lives: Lives, backup: list[Any]) -> None:
    with lives.store.engine.begin() as db:
        for each, rows in zip(TABLES, backup, strict=True):
            db.execute(sa.delete(each.__table__))
            if rows:
                db.execute(sa.insert(each.__table__), rows)


TABLES: tuple[Any, ...] = (InstanceRow, OutstandingRow)


async def a_backup_while_nobody_charges(lives: Lives, settings: dict[str, Any]) -> tuple[list[Any], Site]:
    site = lives.site(settings)
    await site.__aenter__()
    site.introduce("c1", fallback_current_a=0.0)
    site.introduce("c2")
    await site.run(60)
    return await as_it_is(lives), site


async def test_what_was_granted_since_the_backup_counts_although_it_is_restored_at_once() -> None:
    lives = Lives()
    chargers = {"c1": {"circuit": "main", "fallback_a": 0.0}, "c2": {"circuit": "main"}}
    settings = table(60, chargers=chargers)
    backup, site = await a_backup_while_nobody_charges(lives, settings)
    site.chargers["c1"].session = "c1-session"
    await site.run(60)
    order = site.orders("c1")[-1]
    lives.held_a, lives.ends_s = order.current_a, lives.clock.time_s + order.valid_for_s
    await site.__aexit__()
    assert lives.held_a == 32
    restore(lives, backup)
    more_s = await lives.next(settings, 400 + MARGINS_S)
    assert more_s is not None and more_s >= lives.ends_s


@pytest.mark.parametrize("away_s", [2.0, 2 * ALONE_S])
async def test_an_older_count_of_lives_does_not_keep_the_balancer_from_its_work(away_s: float) -> None:
    """Else it would say that another process uses its database, and stand by until it was started often enough."""
    lives = Lives()
    backup, site = await a_backup_while_nobody_charges(lives, table(60))
    await site.__aexit__()
    for _ in range(3):
        async with lives.site(table(60)) as site:
            await site.run(30)
    restore(lives, backup)
    await lives.clock.advance(away_s)
    async with lives.site(table(60)) as site:
        await site.ready("c1", "c2")
        await site.run(60)
        assert site.agent.acting, site.host.problems()
