"""C4: a meter that tells late is not called reversed, one that is reversed is, and a right answer heals it."""

from collections import deque
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.load_balancer.seeing.following import FLIPS, LATEST_S, Following

Steps = list[tuple[int, float]]
"""How long the chargers draw how much. s, A."""


def watched(
    steps: Steps,
    late_s: int,
    sign: float = 1.0,
    following: Following | None = None,
    noise_a: float = 0.5,
    begin_s: int = 0,
) -> tuple[Following, int]:
    """Let a meter say what a house and its chargers draw; return what is thought of it, and when it was over."""
    following = following or Following()
    random = Random(late_s)
    told: deque[float] = deque(maxlen=late_s + 1)
    second = begin_s
    for length_s, drawn_a in steps:
        for _ in range(length_s):
            told.append(sign * (3.0 + drawn_a + random.uniform(-noise_a, noise_a)))
            following.take(told[0], drawn_a, float(second))
            second += 1
    return following, second


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 90), st.sampled_from([0.0, 6.0, 7.0, 16.0, 32.0, 48.0])), min_size=1, max_size=15
    ),
    st.integers(0, int(LATEST_S)),
)
def test_a_right_meter_is_never_called_reversed_however_late_it_is(steps: Steps, late_s: int) -> None:
    following, _ = watched(steps, late_s)
    assert not following.reversed


CARS: Steps = [(60, 0.0), (60, 16.0), (60, 0.0), (60, 32.0)]


@pytest.mark.parametrize("late_s", [0, 5, 15])
def test_a_reversed_meter_is_seen_and_its_right_answers_heal_it(late_s: int) -> None:
    following, end_s = watched(CARS, late_s, sign=-1.0)
    assert following.reversed and following.delay_s is None
    following, _ = watched([(60, 32.0), (60, 16.0)], late_s, following=following, begin_s=end_s)
    assert not following.reversed, "turned round, it is believed after the next car has come or gone"
    assert following.delay_s == pytest.approx(late_s, abs=1)


def test_a_house_that_switches_the_other_way_at_the_same_moment_proves_nothing_once() -> None:
    following = Following()
    for second in range(300):
        drawn_a = 16.0 if second >= 100 else 0.0
        house_a = 3.0 if second >= 100 else 35.0
        following.take(drawn_a + house_a, drawn_a, float(second))
    assert not following.reversed and FLIPS > 1
