"""Randomness out of one seed, also for code that asks the operating system for it."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch


def stream(seed: int, *names: object) -> random.Random:
    """Return a random stream of its own for ``names``: what one actor draws does not change what another gets."""
    return random.Random("/".join(str(part) for part in (seed, *names)))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Make ``random``, ``secrets``, ``uuid4`` and ``os.urandom`` deterministic inside the block."""
    source = stream(seed, "operating system")
    before = random.getstate()
    random.seed(f"{seed}/global")
    try:
        with patch.object(os, "urandom", source.randbytes), patch.object(random, "_urandom", source.randbytes):
            yield
    finally:
        random.setstate(before)
