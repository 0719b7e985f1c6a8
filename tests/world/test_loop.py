"""The virtual loop itself."""

import asyncio
import os
import random
import secrets
import uuid

import pytest

from tests.world.entropy import seeded
from tests.world.loop import Deadlock, VirtualLoop, WallTimeUsed


def test_sleepers_wake_in_order_and_no_time_passes() -> None:
    loop, woken = VirtualLoop(), []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append((name, loop.now_ms))

    async def main() -> None:
        await asyncio.gather(sleeper("late", 3600), sleeper("early", 0.3), sleeper("same", 0.3))

    loop.finish(main())
    assert woken == [("early", 300), ("same", 300), ("late", 3_600_000)]


def test_cancelled_timeout_and_queue() -> None:
    loop = VirtualLoop()

    async def main() -> str:
        queue: asyncio.Queue[str] = asyncio.Queue(1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.get(), 5)
        assert loop.now_ms == 5000
        loop.at(6000, lambda: queue.put_nowait("here"))
        async with asyncio.timeout(60):
            return await queue.get()

    assert loop.finish(main()) == "here"
    assert loop.now_ms == 6000


def test_waiting_for_nothing_is_told() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        VirtualLoop().finish(forever())


def test_threads_are_refused() -> None:
    async def main() -> None:
        await asyncio.to_thread(print)

    with pytest.raises(WallTimeUsed):
        VirtualLoop().finish(main())


def test_a_task_that_fails_unseen_fails_the_world() -> None:
    loop = VirtualLoop()

    async def fail() -> None:
        raise KeyError("lost")

    loop.call_soon(loop.create_task, fail())
    with pytest.raises(KeyError):
        loop.run_until(1)


def draw() -> list[object]:
    return [random.random(), secrets.token_hex(4), uuid.uuid4(), os.urandom(3)]


def test_entropy_comes_from_the_seed() -> None:
    with seeded(1):
        first = draw()
    with seeded(1):
        assert draw() == first
    with seeded(2):
        assert draw() != first
