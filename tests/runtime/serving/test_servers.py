"""Both HTTP servers against peers that never finish, send too much, or are too many."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from threading import active_count
from typing import Any

import pytest
from fastapi import FastAPI, Request
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

import agents.runtime.serving.http_timeouts as http_timeouts
import agents.runtime.serving.plain_http as plain_http
from agents.runtime.http_server import HttpServer
from agents.runtime.reporting.metrics import serving_metrics
from tests.waiting import eventually

Server = Callable[[], AbstractAsyncContextManager[int]]


class One(Collector):
    def collect(self) -> Any:
        yield GaugeMetricFamily("one", "One.", 1)


@contextlib.asynccontextmanager
async def metrics() -> AsyncIterator[int]:
    async with serving_metrics(One(), "127.0.0.1", 0) as port:
        yield port


@contextlib.asynccontextmanager
async def api() -> AsyncIterator[int]:
    app = FastAPI()

    @app.get("/metrics")
    async def one() -> str:
        return "one 1.0"

    @app.post("/metrics")
    async def length(request: Request) -> int:
        return len(await request.body())

    server = HttpServer(app, "127.0.0.1", 0, what="the API", settings="api_port")
    url = await server.start()
    yield int(url.rstrip("/").rsplit(":", 1)[1])
    await server.stop()


async def ask(port: int, text: str, wait_s: float = 5) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text.encode())
        return await asyncio.wait_for(reader.read(), wait_s)
    finally:
        writer.close()


def get(path: str = "/metrics", host: str = "localhost", **headers: str) -> str:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n"


BOTH = pytest.mark.parametrize("server", [metrics, api])


@BOTH
async def test_what_is_asked_is_answered(server: Server) -> None:
    async with server() as port:
        answer = await ask(port, get())
        assert b" 200 OK\r\n" in answer and b"one 1.0" in answer
        assert b"frame-ancestors 'none'" in answer and b"nosniff" in answer
        assert b" 404 " in await ask(port, get("/secrets"))


@BOTH
async def test_names_and_pages_of_others_are_refused(server: Server) -> None:
    async with server() as port:
        assert b" 421 " in await ask(port, get(host="evil.example"))
        foreign = await ask(port, get(Origin="http://evil.example"))
        assert b" 403 " in foreign and b"access-control" not in foreign.lower()
        assert b" 403 " in await ask(port, get(Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors"))
        assert b" 200 " in await ask(port, get(Origin="http://localhost"))


@BOTH
async def test_half_requests_do_not_stand(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_timeouts, "HEAD_S", 0.3)
    monkeypatch.setattr(plain_http, "HEAD_S", 0.3)
    async with server() as port:
        for half in ("", "GET /metrics HT", "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: "):
            assert await ask(port, half) == b""


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_timeouts, "EXCHANGE_S", 0.3)
    async with api() as port:
        head = "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345"
        assert b" 200 " not in await ask(port, head)


@BOTH
async def test_a_head_that_is_too_long_is_refused(server: Server) -> None:
    async with server() as port:
        with contextlib.suppress(ConnectionError):
            assert b" 200 " not in await ask(port, get(X="y" * 100_000))


async def test_a_body_that_is_too_long_is_refused_before_it_comes() -> None:
    async with api() as port:
        head = "POST /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        assert b" 413 " in await ask(port, f"{head}Content-Length: 10000000\r\n\r\n")
        assert b"\r\n\r\n5" in await ask(port, f"{head}Content-Length: 5\r\n\r\n12345")
        chunks = f"{0x10000:x}\r\n{'x' * 0x10000}\r\n" * 8
        with contextlib.suppress(ConnectionError):
            answer = await ask(port, f"{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
            assert b" 200 " not in answer


@BOTH
async def test_three_hundred_connections_make_no_threads_and_are_bounded(server: Server) -> None:
    async with server() as port:
        before = active_count()
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(300)]
        closed = 0

        async def ends(reader: asyncio.StreamReader) -> None:
            nonlocal closed
            with contextlib.suppress(ConnectionError):
                await reader.read()
            closed += 1

        ending = [asyncio.create_task(ends(reader)) for reader, _ in opened]
        most = 128 if server is api else plain_http.MOST_CONNECTIONS
        await eventually(lambda: closed >= 300 - most, 5, "those that are too many are closed")
        assert active_count() == before
        for _, writer in opened:
            writer.close()
        await asyncio.gather(*ending)
        # As soon as there is room, the next one is served.
        await asyncio.sleep(0)
        assert b" 200 " in await ask(port, get())


def test_a_head_of_a_request_is_read_or_refused() -> None:
    assert plain_http.read_head(b"GET / HTTP/1.1\r\nHost:  x \r\n\r\n") == ("GET", "/", ((b"host", b"x"),))
    for bad in (b"", b"GET /\r\n\r\n", b"GET / HTTP/2\r\n\r\n", b"GET / HTTP/1.1\r\n x: y\r\n\r\n", b"\xff / HTTP/1.1"):
        assert plain_http.read_head(bad) is None
    assert b"418" in plain_http.written(plain_http.Answer(HTTPStatus.IM_A_TEAPOT))
