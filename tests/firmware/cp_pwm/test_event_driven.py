"""The specification gives the same outputs whether it is ticked every millisecond or only when something happens."""

from random import Random

from hypothesis import given, settings

from firmware.cp_pwm.specification import Board
from tests.firmware.cp_pwm.traces import BOARDS, TRACES, Step, changes_of, random_trace, run_by_events, run_every_ms


@given(BOARDS, TRACES)
@settings(max_examples=30, deadline=None)
def test_every_ms_equals_event_driven(board: Board, trace: list[Step]) -> None:
    assert changes_of(run_by_events(board, trace)) == changes_of(run_every_ms(board, trace))


def test_long_random_traces_equal() -> None:
    closings = 0
    for seed in range(10):
        trace = random_trace(Random(seed), 30)
        board = Board(tethered=seed % 3 == 0)
        events = run_by_events(board, trace)
        assert changes_of(events) == changes_of(run_every_ms(board, trace)), f"seed {seed}"
        closings += any(outputs.contactor for _, _, outputs in events)
    assert closings >= 5, "the traces must reach a closed contactor, else they prove nothing"
