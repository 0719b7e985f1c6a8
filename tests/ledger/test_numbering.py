"""An acknowledgement covers nothing that is missing."""

from hypothesis import given
from hypothesis import strategies as st

from agents.ledger.numbering import Lost, Progress, extend, give_up_below


@given(st.sets(st.integers(1, 30)))
def test_contiguous_is_the_highest_without_a_gap(present: set[int]) -> None:
    progress = extend(Progress(), sorted(present))
    assert all(seq in present for seq in range(1, progress.contiguous + 1))
    assert progress.contiguous + 1 not in present
    assert progress.highest == max(present, default=0)
    assert (progress.gap is None) == (progress.contiguous == progress.highest)


@given(st.sets(st.integers(1, 30)), st.integers(1, 40))
def test_giving_up_never_lowers_and_names_every_number_it_skips(present: set[int], oldest: int) -> None:
    before = extend(Progress(), sorted(present))
    after, lost = give_up_below(before, oldest)
    assert after.contiguous == max(before.contiguous, oldest - 1)
    assert after.highest >= after.contiguous
    assert lost == (None if oldest - 1 <= before.contiguous else Lost(before.contiguous + 1, oldest - 1))
