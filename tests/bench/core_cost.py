"""What the C core of the control pilot costs: size of its objects and its memory, and the longest tick in instructions.

usage: python -m tests.bench.core_cost [--traces N]

The objects are built with ``-Os`` for the machine at hand. Every tick at which something happens, in all directed and N
random traces, is counted by itself by callgrind: the longest is the worst path that any of them took, and the traces
take every branch (tests/firmware/cp_pwm/test_core_quality.py). The tick at rest is one at which nothing happens. Needs
a C compiler, ``size`` and valgrind. Exit code 1 above 1,000 instructions; an ESP32 at 240 MHz has 240,000 cycles from
one tick to the next.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

from firmware.cp_pwm.specification import Board
from tests.firmware.cp_pwm.native import MAKE_FOLDER, CBoard, CInputs, c_struct, random_board
from tests.firmware.cp_pwm.traces import CLOSING, DIRECTED, DIRECTED_BOARDS, Step, random_trace, run_by_events

CORE = MAKE_FOLDER.parent / "core"
LIMIT = 1_000
START_MS = 1_000
RESTS = 200
FLAGS = ("-std=c11", "-Os", "-g", f"-I{CORE}")


def run(*command: str, cwd: Path, stdin: bytes = b"") -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, check=False, cwd=cwd)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr.decode()}")
    return done.stdout.decode()


def build(folder: Path) -> Path:
    sources = [str(path) for path in sorted(CORE.glob("*.c"))]
    run("cc", *FLAGS, "-c", *sources, cwd=folder)
    objects = sorted(str(path) for path in folder.glob("cp_*.o"))
    program = folder / "core_cost"
    run("cc", *FLAGS, "-o", str(program), str(Path(__file__).with_suffix(".c")), *objects, cwd=folder)
    return program


def sizes(folder: Path) -> tuple[int, int, int]:
    """Return the sums of text, data and bss of all objects. Bytes."""
    rows = run("size", *(path.name for path in sorted(folder.glob("cp_*.o"))), cwd=folder).splitlines()[1:]
    text, data, bss = (sum(int(row.split()[column]) for row in rows) for column in range(3))
    return text, data, bss


def lives(traces: int) -> Iterator[tuple[Board, list[Step]]]:
    """Yield boards and what happens to them."""
    for trace in DIRECTED.values():
        for board in DIRECTED_BOARDS:
            yield board, list(trace)
    for seed in range(traces):
        random = Random(f"cost {seed}")
        yield random_board(random), random_trace(random, 30)


def ticks_of(board: Board, trace: list[Step]) -> tuple[bytes, int]:
    """Return what the replaying program reads for a life, and its number of ticks."""
    samples = run_by_events(board, trace, START_MS)
    records = b"".join(
        now_ms.to_bytes(8, sys.byteorder, signed=True) + bytes(c_struct(CInputs, inputs))
        for now_ms, inputs, _ in samples
    )
    head = bytes(c_struct(CBoard, board))
    return head + START_MS.to_bytes(8, sys.byteorder) + records, len(samples)


def counted(program: Path, folder: Path, stdin: bytes) -> list[int]:
    """Return the instructions of every tick."""
    options = ("--toggle-collect=cp_core_tick", "--dump-after=cp_core_tick", "--callgrind-out-file=out")
    run("valgrind", "--tool=callgrind", *options, str(program), cwd=folder, stdin=stdin)
    counts = []
    for path in folder.glob("out.*"):
        counts += [int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith("totals:")]
        path.unlink()
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.core_cost")
    parser.add_argument("--traces", type=int, default=5, help="random traces besides the directed ones")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = build(folder)
        text, data, bss = sizes(folder)
        longest = ticks = 0
        for board, trace in lives(arguments.traces):
            stdin, number = ticks_of(board, trace)
            longest = max(longest, *counted(program, folder, stdin))
            ticks += number
        resting, number = ticks_of(
            Board(has_residual_test=False), [*CLOSING, *[Step((("heartbeat", True),), 1)] * RESTS]
        )
        core_bytes = int(run(str(program), cwd=folder, stdin=resting))
        at_rest = sorted(counted(program, folder, resting))[number // 2]
    print(f"objects, -Os: text {text} B, data {data} B, bss {bss} B; sizeof(cp_core) {core_bytes} B")
    print(f"longest of {ticks} ticks at which something happened: {longest} instructions; at rest {at_rest}")
    ok = longest <= LIMIT
    figures = {"text_b": text, "data_b": data, "bss_b": bss, "core_b": core_bytes}
    print(json.dumps({**figures, "longest_tick": longest, "tick_at_rest": at_rest, "limit": LIMIT, "ok": ok}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
