"""MicroPython's unix port with the native module in it: where it is, and how a script is run on it."""

import os
import subprocess
from pathlib import Path

from tests.missing import missing

ROOT = Path(__file__).parents[3]
FOLDER = Path(__file__).parent
BUILD = ROOT / "firmware/build_micropython_unix.sh"
BUILT = ROOT / "firmware/build/micropython"

NOT_THERE = 3
"""Exit code of the build when something that it needs is missing."""


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
