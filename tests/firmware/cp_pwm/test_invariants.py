"""Design, invariant 1: safe alone. Nothing that comes from outside closes the contactor where it must not."""

import os
from random import Random

from hypothesis import given, settings

from firmware.cp_pwm.specification import Board
from tests.firmware.cp_pwm.invariants import Checker
from tests.firmware.cp_pwm.traces import BOARDS, TRACES, Step, random_trace, run_every_ms

ROUNDS = int(os.environ.get("CHARGEBUS_TRACES", "5"))


def check(board: Board, trace: list[Step]) -> int:
    checker = Checker(board)
    for sample in run_every_ms(board, trace):
        checker.tick(sample)
    return checker.closings


@given(BOARDS, TRACES)
@settings(max_examples=ROUNDS * 2, deadline=None)
def test_safe_alone(board: Board, trace: list[Step]) -> None:
    check(board, trace)


def test_safe_alone_in_long_traces() -> None:
    closings = 0
    for seed in range(ROUNDS):
        try:
            closings += check(Board(tethered=seed % 3 == 0), random_trace(Random(seed), 40))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    assert closings >= ROUNDS / 2, "the traces must close the contactor, else they prove nothing"
