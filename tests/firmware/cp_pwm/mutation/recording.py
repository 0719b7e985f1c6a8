"""What the specification says to the traces of the tests, written down so that each mutant can be held against it."""

import ctypes
import struct
from collections.abc import Iterator
from pathlib import Path
from random import Random

from firmware.cp_pwm.specification import Board
from firmware.cp_pwm.specification.duty import clamp_ma, duty_permille
from firmware.cp_pwm.specification.levels import STATES, classify
from tests.firmware.cp_pwm.native import CBoard, CInputs, COutputs, c_struct, random_board
from tests.firmware.cp_pwm.traces import (
    CLOSING,
    DIRECTED,
    DIRECTED_BOARDS,
    TESTED,
    Step,
    random_trace,
    run_by_events,
)

TRACES = 100
"""Random ones; the same as in test_native.py."""
START_MS = 1_000
TEN_YEARS_MS = 10 * 365 * 86_400_000

Life = tuple[Board, list[Step], int]
"""A board, what happens to it, and when it begins."""


class Tick(ctypes.Structure):
    """As in replay.c."""

    _fields_ = [
        ("now_ms", ctypes.c_int64),
        ("begins", ctypes.c_bool),
        ("board", CBoard),
        ("inputs", CInputs),
        ("outputs", COutputs),
    ]


def lives() -> Iterator[Life]:
    """Return what test_native.py compares by events."""
    for trace in DIRECTED.values():
        for board in DIRECTED_BOARDS:
            yield board, list(trace), START_MS
    yield Board(), [*TESTED, Step((("high_mv", 12_000),), 25 * 3_600_000)], START_MS
    for extreme in (-(2**31), 2**31 - 1, 0, -1):
        for name in ("high_mv", "low_mv", "proximity_ohm", "offer_ma"):
            yield Board(), [*CLOSING, Step(((name, extreme),), 300), Step((("good", True),), 6_000)], START_MS
    yield Board(), random_trace(Random(3), 20), TEN_YEARS_MS
    for seed in range(TRACES):
        random = Random(f"events {seed}")
        yield random_board(random), random_trace(random, 40), START_MS


def recorded(life: Life) -> Iterator[bytes]:
    """Return the ticks of a life, its beginning first."""
    board, trace, start_ms = life
    yield bytes(Tick(now_ms=start_ms, begins=True, board=c_struct(CBoard, board)))
    for now_ms, inputs, outputs in run_by_events(board, trace, start_ms):
        made = {name: getattr(outputs, name) for name, *_ in COutputs._fields_ if name != "state"}
        said = COutputs(state=STATES.index(outputs.cp_state), **made)
        yield bytes(Tick(now_ms=now_ms, inputs=c_struct(CInputs, inputs), outputs=said))


def calls() -> Iterator[tuple[int, int, int, int]]:
    """Return what the functions that stand alone return to every current and every voltage."""
    for current_ma in range(-10, 90_000):
        yield 0, current_ma, 0, clamp_ma(current_ma)
    for current_ma in range(6_000, 80_001):
        yield 1, current_ma, 0, duty_permille(current_ma)
    for before, word in enumerate(STATES):
        for high_mv in range(-14_000, 14_000):
            yield 2, high_mv, before, STATES.index(classify(high_mv, word))


def record(path: Path) -> int:
    """Write the file that replay.c reads; return the number of ticks."""
    ticks = [tick for life in lives() for tick in recorded(life)]
    answers = [struct.pack("=4i", *call) for call in calls()]
    path.write_bytes(struct.pack("=2q", len(ticks), len(answers)) + b"".join(ticks) + b"".join(answers))
    return len(ticks)
