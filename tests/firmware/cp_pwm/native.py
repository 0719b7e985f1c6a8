"""The C core as a shared library, driven by ctypes, and its comparison with the specification."""

import argparse
import ctypes
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

from firmware.cp_pwm.specification import Board, Inputs, Outputs, PilotInterlock
from firmware.cp_pwm.specification.instants import LONG_AGO
from firmware.cp_pwm.specification.levels import STATES
from tests.firmware.cp_pwm.traces import DIRECTED, DIRECTED_BOARDS, Step, apply, random_trace, run_by_events

MAKE_FOLDER = Path(__file__).parents[3] / "firmware" / "cp_pwm" / "host"


class CBoard(ctypes.Structure):
    _fields_ = [
        ("rated_ma", ctypes.c_int32),
        ("simplified_cap_ma", ctypes.c_int32),
        ("tethered", ctypes.c_bool),
        ("has_mirror", ctypes.c_bool),
        ("has_residual_test", ctypes.c_bool),
        ("has_temperature", ctypes.c_bool),
        ("has_disconnect", ctypes.c_bool),
        ("has_emergency_stop", ctypes.c_bool),
        ("has_ground_monitor", ctypes.c_bool),
    ]


class CInputs(ctypes.Structure):
    _fields_ = [
        ("heartbeat_ms", ctypes.c_int64),
        ("temperature_ms", ctypes.c_int64),
        ("high_mv", ctypes.c_int32),
        ("low_mv", ctypes.c_int32),
        ("proximity_ohm", ctypes.c_int32),
        ("offer_ma", ctypes.c_int32),
        ("temperature_mc", ctypes.c_int32),
        ("clear_count", ctypes.c_uint32),
        ("residual_trip", ctypes.c_bool),
        ("mirror_closed", ctypes.c_bool),
        ("permit", ctypes.c_bool),
        ("available", ctypes.c_bool),
        ("disconnect", ctypes.c_bool),
        ("emergency_stop", ctypes.c_bool),
        ("ground_lost", ctypes.c_bool),
    ]


class COutputs(ctypes.Structure):
    _fields_ = [
        ("offered_ma", ctypes.c_int32),
        ("cable_ma", ctypes.c_int32),
        ("derated_ma", ctypes.c_int32),
        ("faults", ctypes.c_uint32),
        ("locked", ctypes.c_uint32),
        ("duty_permille", ctypes.c_int16),
        ("state", ctypes.c_uint8),
        ("contactor", ctypes.c_bool),
        ("residual_test", ctypes.c_bool),
        ("disconnected", ctypes.c_bool),
    ]

    def outputs(self) -> Outputs:
        return Outputs(
            STATES[self.state],
            self.contactor,
            self.duty_permille,
            self.offered_ma,
            self.cable_ma,
            self.faults,
            self.residual_test,
            self.derated_ma,
            self.locked,
            self.disconnected,
        )


def c_struct(kind: type[ctypes.Structure], value: object) -> ctypes.Structure:
    return kind(**{name: getattr(value, name) for name, *_ in kind._fields_})


def make(build: Path, *variables: str) -> Path:
    """Build the library; every warning is an error."""
    command = ["make", "-s", "-C", str(MAKE_FOLDER), f"BUILD={build}", *variables]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return build / "libcp.so"


class Native:
    """A loaded library."""

    def __init__(self, path: Path) -> None:
        self._library = self.library = ctypes.CDLL(str(path))
        self._library.cp_library_new.restype = ctypes.c_void_p
        self._library.cp_library_new.argtypes = [ctypes.POINTER(CBoard), ctypes.c_int64]
        self._library.cp_library_free.argtypes = [ctypes.c_void_p]
        self._library.cp_library_ticks.argtypes = [
            ctypes.c_void_p,
            ctypes.c_int64,
            ctypes.POINTER(CInputs),
            ctypes.POINTER(COutputs),
            ctypes.c_int32,
        ]

    def compare(self, board: Board, trace: list[Step], start_ms: int = 1_000) -> int:
        """Drive both through the trace; return the number of ticks. Raises AssertionError at the first difference."""
        spec, inputs, now_ms = PilotInterlock(board, start_ms), Inputs(heartbeat_ms=LONG_AGO), start_ms
        core = self._library.cp_library_new(c_struct(CBoard, board), start_ms)
        try:
            for step in trace:
                apply(inputs, step.changes, now_ms, spec.outputs)
                made = (COutputs * step.wait_ms)()
                self._library.cp_library_ticks(core, now_ms, c_struct(CInputs, inputs), made, step.wait_ms)
                for native in made:
                    wanted = spec.tick(now_ms, inputs)
                    got = native.outputs()
                    assert got == wanted, f"at {now_ms} ms of {trace} on {board}\n{replace(inputs)}\n{got}\n{wanted}"
                    now_ms += 1
        finally:
            self._library.cp_library_free(core)
        return now_ms - start_ms

    def compare_events(self, board: Board, trace: list[Step], start_ms: int = 1_000) -> int:
        """Like :meth:`compare`, but tick both only when something may happen: a day takes no time.

        Return the number of ticks.
        """
        samples = run_by_events(board, trace, start_ms)
        with Twin(self, board, start_ms) as twin:
            for now_ms, inputs, wanted in samples:
                got = twin.tick(now_ms, inputs)
                assert got == wanted, f"at {now_ms} ms of {trace} on {board}\n{inputs}\n{got}\n{wanted}"
        return len(samples)


class Twin:
    """One C core beside a specification."""

    def __init__(self, native: Native, board: Board, now_ms: int) -> None:
        self._library = native.library
        self._core = self._library.cp_library_new(c_struct(CBoard, board), now_ms)
        self._made = COutputs()

    def __enter__(self) -> "Twin":
        return self

    def __exit__(self, *_: object) -> None:
        self._library.cp_library_free(self._core)

    def tick(self, now_ms: int, inputs: Inputs) -> Outputs:
        self._library.cp_library_ticks(self._core, now_ms, c_struct(CInputs, inputs), self._made, 1)
        return self._made.outputs()


def random_board(random: Random) -> Board:
    return Board(
        rated_ma=random.choice((16_000, 32_000, 80_000)),
        tethered=random.random() < 0.3,
        has_mirror=random.random() < 0.9,
        has_residual_test=random.random() < 0.7,
        simplified_cap_ma=random.choice((0, 10_000)),
        has_temperature=random.random() < 0.8,
        has_disconnect=random.random() < 0.5,
        has_emergency_stop=random.random() < 0.5,
        has_ground_monitor=random.random() < 0.5,
    )


def main() -> int:
    """Compare a built library for so many ticks: ``python -m tests.firmware.cp_pwm.native LIBRARY --ticks N``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("library", type=Path)
    parser.add_argument("--ticks", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--events", action="store_true", help="tick at changes and deadlines only: more happens")
    arguments = parser.parse_args()
    native, ticks, seed = Native(arguments.library), 0, arguments.seed
    compare = native.compare_events if arguments.events else native.compare
    for name, trace in DIRECTED.items():
        for board in DIRECTED_BOARDS:
            try:
                ticks += compare(board, list(trace))
            except AssertionError as error:
                print(f"{name}: {error}")
                return 1
    while ticks < arguments.ticks:
        random = Random(f"native {seed}")
        try:
            ticks += compare(random_board(random), random_trace(random, 30))
        except AssertionError as error:
            print(f"seed {seed}: {error}")
            return 1
        seed += 1
    print(f"{ticks} ticks equal, seeds {arguments.seed} to {seed - 1}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
