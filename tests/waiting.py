"""Waiting for a condition instead of sleeping."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
What = str | Callable[[], str]
"""What is waited for; a callable is asked when the time is over, and can say what there is instead."""


async def eventually(condition: Callable[[], T], within_s: float = 10.0, what: What = "") -> T:
    """Return the first true result of ``condition``; fail with ``what`` if there is none within ``within_s``."""
    deadline = time.monotonic() + within_s
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, _in_words(condition, within_s, what)
        await asyncio.sleep(0.005)


def eventually_sync(condition: Callable[[], T], within_s: float = 10.0, what: What = "") -> T:
    """The same for code without an event loop."""
    deadline = time.monotonic() + within_s
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, _in_words(condition, within_s, what)
        time.sleep(0.005)


def _in_words(condition: object, within_s: float, what: What) -> str:
    return f"not within {within_s} s: {(what() if callable(what) else what) or condition}"
