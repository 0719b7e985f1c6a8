"""Waiting says what there was instead, as it was when the time was over."""

import pytest

from tests.waiting import eventually, eventually_sync


def test_a_callable_is_asked_when_the_time_is_over_and_not_before() -> None:
    looked: list[int] = []

    def condition() -> bool:
        looked.append(1)
        return False

    with pytest.raises(AssertionError, match=r"not within 0\.02 s: true; looked [1-9]\d* times"):
        eventually_sync(condition, 0.02, lambda: f"true; looked {len(looked)} times")
    assert eventually_sync(lambda: len(looked), 0.02, lambda: pytest.fail("nobody asked")) == len(looked)


async def test_words_stay_words() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.02 s: the end of the world"):
        await eventually(lambda: False, 0.02, "the end of the world")
