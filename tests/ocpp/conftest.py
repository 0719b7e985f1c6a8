"""A dispatcher with a peer that a test plays by hand."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from agents.runtime.ocpp import ConnectionLost, Dispatcher
from tests.ledger.harness import ManualClock
from tests.ocpp.pipe import Peer, dispatcher, pipe

Serve = Callable[..., tuple[Dispatcher, Peer]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def serve(clock: ManualClock) -> AsyncIterator[Serve]:
    """Return a function that starts a dispatcher with handlers and returns it with its peer."""
    running: list[asyncio.Task[None]] = []

    def start(handlers: Any = None, **options: Any) -> tuple[Dispatcher, Peer]:
        mine, others = pipe()
        served = dispatcher(mine, clock, handlers, **options)
        running.append(asyncio.create_task(served.run()))
        return served, Peer(others)

    yield start
    for task in running:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionLost):
            await task
