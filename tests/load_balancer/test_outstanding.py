"""What is stored for a later life: never less than what is outstanding, and nothing twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.load_balancer.granting.outstanding import GRID_S, Place, Step, covers, exceeds, longest_life_s, merged

MAIN = Place(("main",), ("L1", "L2", "L3"), 230.0)
WING = Place(("wing", "main"), ("L1", "L2", "L3"), 230.0)

seconds = st.integers(0, 4_000).map(lambda tenths: tenths / 10)
steps = st.builds(Step, st.sampled_from([0.0, 6.0, 8.5, 16.0, 32.0]), seconds, seconds, st.sampled_from([MAIN, WING]))


def step(current_a: float = 16.0, executable_s: float = 35.0, life_s: float = 105.0, place: Place = MAIN) -> Step:
    return Step(current_a, executable_s, life_s, place)


@given(st.lists(steps, max_size=8))
def test_what_is_stored_covers_all_of_it_and_nothing_twice(needed: list[Step]) -> None:
    stored = merged(needed)
    assert all(covers(stored, each) for each in needed)
    assert merged(stored) == stored
    assert all(not covers([other for other in stored if other is not each], each) for each in stored)
    assert all(each.current_a > 0 and each.life_s % GRID_S == 0 == each.executable_s % GRID_S for each in stored)
    assert not exceeds(stored, needed, 0.0, GRID_S)


def test_times_are_rounded_up() -> None:
    assert merged([step(16.0, 0.1, 105.1)]) == (step(16.0, 5.0, 110.0),)
    assert merged([step(16.0, 0.0, 110.0)]) == (step(16.0, 0.0, 110.0),)


@pytest.mark.parametrize("more", [step(16.1), step(executable_s=35.1), step(life_s=105.1), step(place=WING)])
def test_more_of_anything_is_not_covered(more: Step) -> None:
    assert step().covers(step()) and covers([step()], step())
    assert not step().covers(more) and not covers([step()], more)
    assert covers([more, step()], step()) and not covers([], step())


def test_what_draws_nothing_needs_no_record() -> None:
    assert covers([], step(0.0, 900.0, 900.0)) and not covers([], step(0.1))


def test_more_is_stored_than_needed_only_beyond_what_is_tolerated() -> None:
    stored = [step(16.0, 35.0, 105.0)]
    for still, too_much in (
        ([], True),
        ([step(15.9, 30.0, 100.0)], False),
        ([step(15.8)], True),
        ([step(life_s=94.9)], True),
        ([step(executable_s=24.9)], True),
        ([step(place=WING)], True),
        ([step(6.0), step(16.0)], False),
    ):
        assert exceeds(stored, still, 0.1, 10.0) is too_much
    assert not exceeds([], [step()], 0.1, 10.0)
    assert exceeds([step(), step(32.0)], [step()], 0.1, 10.0)


def test_how_long_an_order_may_live_as_far_as_the_records_go() -> None:
    stored = [step(16.0, 35.0, 105.0), step(6.0, 35.0, 345.0), step(32.0, 0.0, 400.0), step(32.0, 90.0, 500.0, WING)]
    assert longest_life_s(stored, step(16.0)) == 105.0
    assert longest_life_s(stored, step(6.0)) == 345.0
    assert longest_life_s(stored, step(6.1)) == 105.0
    assert longest_life_s(stored, step(16.1)) == 0.0
    assert longest_life_s(stored, step(executable_s=0.0)) == 400.0
    assert longest_life_s(stored, step(executable_s=35.1)) == 0.0
