"""More connections than there is room for: closed at once, counted, and the process keeps its descriptors."""

import asyncio
import contextlib
import resource
import socket
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.runtime.serving.descriptors import RESERVED, share
from agents.runtime.serving.listener import BoundedListener
from tests.waiting import eventually


def listener_of(most: int, most_of_one: int) -> tuple[BoundedListener, list[str]]:
    refused: list[str] = []
    listener = BoundedListener(
        "127.0.0.1", 0, most=most, most_of_one=most_of_one, refused=lambda _host, why: refused.append(why)
    )
    listener.listen(100)
    listener.setblocking(False)
    return listener, refused


def connected(listener: BoundedListener) -> socket.socket:
    client = socket.create_connection(listener.getsockname())
    client.settimeout(5)
    return client


def test_one_too_many_is_closed_and_there_is_room_again_when_one_has_gone() -> None:
    listener, refused = listener_of(2, 10)
    clients = [connected(listener) for _ in range(3)]
    served = [listener.accept()[0] for _ in range(2)]
    with contextlib.suppress(BlockingIOError):
        listener.accept()
        raise AssertionError("the third was taken")
    assert clients[2].recv(1) == b"" and len(refused) == 1 and "2 connections are open" in refused[0]
    assert listener.full
    served[0].close()
    served[0].close()
    assert listener.count == 1
    clients.append(connected(listener))
    served.append(listener.accept()[0])
    assert listener.count == 2
    for each in (*clients, *served, listener):
        each.close()


def test_one_peer_does_not_keep_the_others_out_unless_it_has_shown_who_it_is() -> None:
    listener, refused = listener_of(10, 2)
    clients = [connected(listener) for _ in range(2)]
    served = [listener.accept() for _ in range(2)]
    clients.append(connected(listener))
    with contextlib.suppress(BlockingIOError):
        listener.accept()
    assert len(refused) == 1 and "of this peer" in refused[0]
    listener.settled(served[0][1])
    listener.settled(served[0][1])
    clients.append(connected(listener))
    served.append(listener.accept())
    assert listener.count == 3
    for each in (*clients, *(one for one, _ in served), listener):
        each.close()
    assert listener.count == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["connect", "close", "settle"]), max_size=40))
def test_what_is_counted_is_what_is_open(steps: list[str]) -> None:
    listener, _ = listener_of(4, 2)
    clients, served = [], []
    for step in steps:
        if step == "connect":
            clients.append(connected(listener))
            with contextlib.suppress(BlockingIOError):
                served.append(listener.accept())
        elif served and step == "close":
            served.pop(0)[0].close()
        elif served:
            listener.settled(served[-1][1])
        assert listener.count == len(served) <= 4
    for each in (*clients, *(one for one, _ in served), listener):
        each.close()


WITHOUT_DESCRIPTORS = """
import asyncio, os, resource, sys
from agents.runtime.serving.listener import BoundedListener
async def main():
    refused = []
    listener = BoundedListener("127.0.0.1", 0, most=9999, most_of_one=9999, refused=lambda _h, why: refused.append(why))
    server = await asyncio.start_server(lambda reader, writer: None, sock=listener)
    print(listener.getsockname()[1], flush=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
    loop = asyncio.get_running_loop()
    while len(refused) < 200:
        await asyncio.sleep(0.01)
    print(refused[-1], flush=True)
    os._exit(0)
asyncio.run(main())
"""
"""A process whose limit nobody has counted with."""


async def test_a_process_without_descriptors_writes_no_traceback_for_each_connection() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", WITHOUT_DESCRIPTORS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    port = int(child.stdout.readline())

    async def knock() -> None:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await reader.read()
            writer.close()

    knocking = [asyncio.create_task(knock()) for _ in range(260)]
    out, err = await asyncio.to_thread(child.communicate, timeout=20)
    for task in knocking:
        task.cancel()
    await asyncio.gather(*knocking, return_exceptions=True)
    assert "no descriptor left" in out and err == ""


def test_what_servers_get_leaves_the_process_its_own() -> None:
    for limit in (64, 128, 1024, 65_536):
        stations, api, metrics = share(limit, 0.6, 10_000), share(limit, 0.2, 128), share(limit, 0.1, 32)
        assert stations + api + metrics <= max(limit - RESERVED, 12)
    assert share(0, 0.5, 100) == 4
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 0


async def test_an_event_loop_serves_it() -> None:
    listener = BoundedListener("127.0.0.1", 0, most=3, most_of_one=3)
    seen: list[asyncio.StreamWriter] = []

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer)

    server = await asyncio.start_server(serve, sock=listener)
    port = listener.getsockname()[1]
    clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
    await eventually(lambda: len(seen) == 3, 5, "three are served")
    assert await clients[4][0].read() == b""
    for writer in seen:
        writer.close()
    await eventually(lambda: listener.count == 0, 5, "they have gone")
    for _, client in clients:
        client.close()
    server.close()
