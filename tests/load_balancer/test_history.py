"""The story of a charger, page by page, and what is forgotten of it."""

from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from agents.load_balancer.agent import LoadBalancer
from agents.load_balancer.granting import history
from agents.load_balancer.granting.history import HOUR_MS, PAGE, Changes, Known, Replaced, Told
from agents.load_balancer.granting.outstanding import Place, Step
from agents.load_balancer.models import GrantRow, InstanceRow
from agents.runtime.database.store import Store
from bus_schema import MAX_MESSAGE_BYTES
from bus_schema.site_messages import WhyQuery

NOW_MS = 100 * HOUR_MS


@pytest.fixture
def store() -> Store:
    store = Store("sqlite://", LoadBalancer.migrations, threaded=False)
    store.upgrade()
    return store


async def tell(store: Store, *told: Told) -> None:
    epoch = await store.run(lambda db: db.scalar(sa.select(InstanceRow.epoch)))
    if epoch is None:
        epoch = (await store.run(lambda db: history.begin(db, Random(1)))).epoch
    await store.run(lambda db: history.write(db, epoch, Changes(told=list(told))))


def a_query(**more: Any) -> WhyQuery:
    return WhyQuery(**{"ts": None, "id": "q", "source": "technician", "deadline_ts": NOW_MS, "charger": "c1"} | more)


async def ask(store: Store, **more: Any) -> Any:
    return await store.run(lambda db: history.story(db, a_query(**more), ["c1", "c2"], NOW_MS))


def told(from_ms: int, current_a: float = 6.0, charger: str = "c1", words: str = "why") -> Told:
    return Told(charger, from_ms, current_a, "none", words)


async def test_each_life_has_the_next_epoch_and_the_same_instance(store: Store) -> None:
    lives = [await store.run(lambda db: history.begin(db, Random(7))) for _ in range(3)]
    assert [each.epoch for each in lives] == [1, 2, 3]
    assert {each.instance for each in lives} == {lives[0].instance} and len(lives[0].instance) == 12
    other = Store("sqlite://", LoadBalancer.migrations, threaded=False)
    other.upgrade()
    assert (await other.run(lambda db: history.begin(db, Random(8)))).instance != lives[0].instance


async def test_a_life_leaves_what_it_knew_to_the_next(store: Store) -> None:
    first = await store.run(lambda db: history.begin(db, Random(1)))
    known = {"c1": Known(6.0, 32.0, True, ("L2", "L1")), "c2": Known(0.0, 16.0, False, ())}
    place = Place(("wing", "main"), ("L2",), 240.0)
    outstanding = {"c1": (Step(16.0, 35.0, 105.0, place), Step(6.0, 30.0, 345.0, Place((), (), 230.0)))}
    await store.run(lambda db: history.write(db, first.epoch, Changes(outstanding, known)))
    # A second time in the place of the first.
    await store.run(lambda db: history.write(db, first.epoch, Changes(outstanding, known)))
    second = await store.run(lambda db: history.begin(db, Random(1)))
    assert (second.outstanding, second.known) == (outstanding, known)
    await store.run(lambda db: history.write(db, second.epoch, Changes({"c1": ()}, {"c2": Known(1.0, 2.0, True, ())})))
    third = await store.run(lambda db: history.begin(db, Random(1)))
    assert third.outstanding == {} and third.known == known | {"c2": Known(1.0, 2.0, True, ())}


async def test_it_is_counted_how_often_the_outstanding_was_written(store: Store) -> None:
    first = await store.run(lambda db: history.begin(db, Random(1)))
    assert first.written == 0
    outstanding = Changes({"c1": (Step(16.0, 35.0, 105.0, Place((), (), 230.0)),)})
    for count in (1, 2):
        assert await store.run(lambda db: history.write(db, first.epoch, outstanding)) == count
    assert await store.run(lambda db: history.write(db, first.epoch, Changes(told=[told(NOW_MS)]))) is None
    assert (await store.run(lambda db: history.begin(db, Random(1)))).written == 2


async def test_a_database_that_is_an_older_copy_is_given_another_name_for_good(store: Store) -> None:
    first = await store.run(lambda db: history.begin(db, Random(1)))
    # The same draw once more is not another name.
    renamed = await store.run(lambda db: history.rename(db, first.epoch, Random(1)))
    assert renamed != first.instance and len(renamed) == 12
    second = await store.run(lambda db: history.begin(db, Random(1)))
    assert second.instance == renamed
    with pytest.raises(Replaced):
        await store.run(lambda db: history.rename(db, first.epoch, Random(2)))
    assert (await store.run(lambda db: history.begin(db, Random(1)))).instance == renamed


async def test_an_older_life_writes_nothing(store: Store) -> None:
    first = await store.run(lambda db: history.begin(db, Random(1)))
    await store.run(lambda db: history.begin(db, Random(1)))
    with pytest.raises(Replaced):
        await store.run(lambda db: history.write(db, first.epoch, Changes(told=[told(1)])))
    assert (await ask(store, since_ts=0)).grants == []


def test_changes_are_nothing_until_there_are_some() -> None:
    assert HOUR_MS == 60 * 60 * 1000
    assert not Changes()
    assert Changes({"c1": ()}) and Changes(known={"c1": Known(0, 0, True, ())}) and Changes(told=[told(1)])


async def test_the_story_comes_in_pages_that_follow_each_other(store: Store) -> None:
    await tell(store, *(told(NOW_MS - 1000 + n, float(n)) for n in range(PAGE + 1)), told(NOW_MS - 2, charger="c2"))
    first = await ask(store)
    assert first.ok and [grant.current_a for grant in first.grants] == [0, 1, 2, 3, 4]
    assert [grant.to_ts for grant in first.grants] == [NOW_MS - 999 + n for n in range(PAGE)]
    last = await ask(store, cursor=first.cursor)
    assert [grant.current_a for grant in last.grants] == [5] and last.cursor is None
    assert last.grants[0].to_ts is None


async def test_a_page_that_is_full_to_the_last_has_no_next(store: Store) -> None:
    await tell(store, *(told(NOW_MS - 1000 + n) for n in range(PAGE)))
    answer = await ask(store)
    assert len(answer.grants) == PAGE and answer.cursor is None


async def test_the_last_hour_is_told_if_nothing_else_is_asked_for(store: Store) -> None:
    for ends_ms in (NOW_MS - HOUR_MS - 1, NOW_MS - HOUR_MS):
        await tell(store, told(ends_ms - 10, 1.0), told(ends_ms, 2.0))
        await store.run(lambda db: db.execute(sa.update(GrantRow).where(GrantRow.to_ms.is_(None)).values(to_ms=5)))
    assert [grant.to_ts for grant in (await ask(store)).grants] == [NOW_MS - HOUR_MS]
    assert len((await ask(store, since_ts=0)).grants) == 4


async def test_long_words_make_shorter_pages_and_are_cut(store: Store) -> None:
    long = "\N{PILE OF POO}" * 500
    await tell(store, *(Told("c1", NOW_MS - 100 + n, 1.0, "x" * 200, long) for n in range(PAGE)))
    answer = await ask(store)
    assert 0 < len(answer.grants) < PAGE
    assert len(answer.model_dump_json().encode()) <= MAX_MESSAGE_BYTES
    assert answer.cursor is not None and (await ask(store, cursor=answer.cursor)).grants
    assert len(answer.grants[0].explanation) == 400 and len(answer.grants[0].constraint) == 100


@pytest.mark.parametrize(("more", "on_the_page"), [(0, PAGE), (1, PAGE - 1)], ids=["to the last byte", "a byte more"])
async def test_a_page_holds_what_a_message_holds(store: Store, more: int, on_the_page: int) -> None:
    """Not one stretch less than fits: the next page begins behind the last that was shown."""
    await tell(store, *(told(NOW_MS - 100 + n, words="x" * 400) for n in range(PAGE)))
    left = MAX_MESSAGE_BYTES + more - len((await ask(store)).model_dump_json().encode())
    wide = "\N{EURO SIGN}"  # Two bytes more than an x.
    twos, ones = divmod(left, 2)
    texts = [wide * min(400, max(0, twos - 400 * n)) for n in range(PAGE)]
    texts = [
        text + ("\N{LATIN SMALL LETTER E WITH ACUTE}" * ones if not n else "") for n, text in enumerate(reversed(texts))
    ]
    await store.run(lambda db: db.execute(sa.delete(GrantRow)))
    await tell(store, *(told(NOW_MS - 100 + n, words=text.ljust(400, "x")) for n, text in enumerate(texts)))
    answer = await ask(store)
    assert len(answer.grants) == on_the_page
    if not more:
        assert len(answer.model_dump_json().encode()) == MAX_MESSAGE_BYTES and answer.cursor is None
    else:
        rest = await ask(store, cursor=answer.cursor)
        assert [grant.from_ts for grant in rest.grants] == [NOW_MS - 100 + PAGE - 1] and rest.cursor is None


async def test_bad_questions_are_told_so(store: Store) -> None:
    answer = await ask(store, charger="c9")
    assert not answer.ok and "c9 is not among those" in answer.reason
    for cursor in ("x", "-1", "1" * 19):
        answer = await ask(store, cursor=cursor)
        assert not answer.ok and answer.reason.startswith("cursor:")
    assert (await ask(store, cursor="1" * 18)).ok


async def test_a_stretch_of_one_charger_ends_none_of_another(store: Store) -> None:
    await tell(store, told(10, 1.0))
    await tell(store, told(20, 2.0, "c2"))
    await tell(store, told(30, 3.0))
    ends = {}
    for name in ("c1", "c2"):
        answer = await ask(store, charger=name, since_ts=0)
        ends[name] = [(grant.from_ts, grant.to_ts) for grant in answer.grants]
    assert ends == {"c1": [(10, 30), (30, None)], "c2": [(20, None)]}


async def test_what_was_over_earlier_is_forgotten(store: Store) -> None:
    await tell(store, told(10, 1.0), told(20, 2.0), told(30, 3.0))
    await store.run(lambda db: history.forget_before(db, 30))
    assert [grant.current_a for grant in (await ask(store, since_ts=0)).grants] == [2, 3]
