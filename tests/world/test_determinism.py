"""A seed decides a run, down to the last byte, in whichever process it runs."""

import os
import subprocess
import sys

import pytest


def run(seed: int, hash_seed: str, *options: str) -> str:
    """Return what a world in a process of its own printed, without the time that it took."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.world", "--seed", str(seed), *options],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[0]


@pytest.mark.parametrize("seed", [2, 30, 33])
def test_the_same_seed_gives_the_same_trace(seed: int) -> None:
    first = run(seed, "1")
    assert "digest=" in first
    assert run(seed, "2") == first


def test_another_seed_gives_another_trace() -> None:
    assert run(2, "1").split("digest=")[1] != run(3, "1").split("digest=")[1]
