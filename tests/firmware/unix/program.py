"""MicroPython's unix port with the native module in it: where it is, how a script is run on it, what memory it has.

``$MICROPYTHON`` chooses the program: ``firmware/build/micropython32`` is made as a chip's.
"""

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.missing import missing

ROOT = Path(__file__).parents[3]
FOLDER = Path(__file__).parent
BUILD = ROOT / "firmware/build_micropython_unix.sh"
BUILT = ROOT / "firmware/build/micropython"

NOT_THERE = 3
"""Exit code of the build when something that it needs is missing."""


class Memory(NamedTuple):
    """What the app has, and what it may keep of it. Bytes."""

    heap: int
    """In which everything runs: what is kept, and what is freed again."""
    kept_charging: int
    kept_charging_over_tls: int


KIB = 1024
MEMORY = {
    32: Memory(112 * KIB, 56 * KIB, 96 * KIB),
    64: Memory(160 * KIB, 120 * KIB, 136 * KIB),
}
"""By bits of a pointer. That of 32 bits is the budget on an ESP32 without external RAM: what its system, the network
and the safety part leave of 520 KiB (ours; not measured on one yet)."""


def memory(program: str) -> Memory:
    """Return what the app has on a program."""
    return MEMORY[int(run_code(program, "import sys; print(len(bin(sys.maxsize)) - 1)"))]


def micropython() -> str:
    """Return the program, made from what is here now; ``$MICROPYTHON`` overrides it. Skips where it was never built."""
    chosen = os.environ.get("MICROPYTHON")
    if chosen:
        return chosen
    if not BUILT.exists():
        missing("micropython (sh firmware/build_micropython_unix.sh makes one)")
    done = subprocess.run(["sh", str(BUILD)], capture_output=True, text=True, check=False)
    if done.returncode == NOT_THERE:
        missing(f"micropython ({done.stderr.strip()})")
    assert done.returncode == 0, done.stderr
    return str(BUILT)


def run_code(program: str, code: str) -> str:
    """Run a line of Python and return what it prints."""
    return subprocess.run([program, "-c", code], capture_output=True, text=True, check=True).stdout


def run(program: str, script: str, *arguments: str, within_s: float = 60, options: tuple[str, ...] = ()) -> str:
    """Run a script of this folder with the frozen app and return what it prints; fail if it fails."""
    command = [program, *options, str(FOLDER / script), *arguments]
    done = subprocess.run(
        command,
        env=os.environ | {"MICROPYPATH": ".frozen"},
        capture_output=True,
        text=True,
        check=False,
        timeout=within_s,
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout
