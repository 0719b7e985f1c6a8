"""The charger's HTTP client against servers that do as they like."""

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.app import http
from firmware.app.http import HttpFetch, HttpPut
from firmware.app.url import TransferFailed, Url
from tests.firmware.app.http_server import saying, serving

BODY = bytes(range(256)) * 100


async def fetched(url: str, most: int = 4096) -> bytes:
    fetch = HttpFetch(url)
    data = b""
    try:
        async with asyncio.timeout(10):
            while (piece := fetch.read(most)) is not None:
                data += piece
                if not piece:
                    await asyncio.sleep(0.001)
    finally:
        fetch.close()
    return data


async def failure(url: str) -> str:
    with pytest.raises(TransferFailed) as error:
        await fetched(url)
    return str(error.value)


async def test_a_file_comes_in_pieces_and_whole() -> None:
    requests: list[bytes] = []
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)
    async with serving(saying(head + BODY[:5], BODY[5:]), requests) as url:
        assert await fetched(url.replace("://", "://u:p@") + "/a/b?c=d") == BODY
    assert requests[0].startswith(b"GET /a/b?c=d HTTP/1.0\r\nHost: 127.0.0.1:")
    assert b"\r\nAuthorization: Basic dTpw\r\n" in requests[0]


async def test_a_file_without_a_length_ends_with_the_connection() -> None:
    async with serving(saying(b"HTTP/1.0 200 OK\r\n\r\n", BODY)) as url:
        assert await fetched(url, 7000) == BODY


async def test_what_is_not_read_is_not_taken() -> None:
    """A slow flash slows the server down; memory stays bounded."""
    sent = 0

    async def endless(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(65536))
            await writer.drain()
            sent += 65536

    async with serving(endless) as url:
        fetch = HttpFetch(url)
        before = -1
        for _ in range(200):
            await asyncio.sleep(0.01)
            if before == sent > 0:
                break
            before = sent
        assert len(fetch._buffer) <= http.MAX_BUFFERED + 1024
        fetch.close()
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "answers 404 Not Found"),
        (b"HTTP/1.1 500\r\n\r\n", "answers 500"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 ok\r\n\r\n", "does not speak HTTP"),
        (b"", "without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-", "without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "length that is no number"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "in chunks"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 5000, "head of the server's answer is too long"),
        (b"HTTP/1.1 302 Found\r\nLocation: ftp://x/y\r\n\r\n", "not ftp"),
        (b"HTTP/1.1 302 Found\r\nLocation: https://x/y\r\n\r\n", "redirects to https"),
        (b"HTTP/1.1 302 Found\r\n\r\n", "over http and https only"),
        (b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n", "redirects more than 3 times"),
        (b"\xff\xfe\r\n\r\n", ""),
    ],
)
async def test_answers_that_are_none(answer: bytes, words: str) -> None:
    async with serving(saying(answer)) as url:
        assert words in await failure(url + "/a")


async def test_a_redirection_is_followed() -> None:
    async with serving(saying(b"HTTP/1.0 200 OK\r\n\r\nhere")) as there:
        answer = b"HTTP/1.1 302 Found\r\nLocation: " + there.encode() + b"/x\r\n\r\n"
        async with serving(saying(answer)) as url:
            assert await fetched(url) == b"here"


async def test_nobody_listens() -> None:
    async with serving(saying(b"")) as url:
        pass
    assert "127.0.0.1" in await failure(url)


async def test_a_body_that_is_cut_is_shorter() -> None:
    async with serving(saying(b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\nhalf")) as url:
        fetch = HttpFetch(url)
        data = b""
        async with asyncio.timeout(5):
            while (piece := fetch.read(10)) is not None:
                data += piece
                await asyncio.sleep(0.001)
        assert (data, fetch.length) == (b"half", 100)


@pytest.mark.parametrize(
    "url", ["ftp://a/b", "https://a/b", "http://", "http://a:0/", "http://:80/", "http://a?b", "mqtt://a/b", "x"]
)
async def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(TransferFailed):
        HttpFetch(url)


@given(st.text(max_size=60), st.sampled_from(["http://", "https://", ""]))
def test_any_text_is_an_address_or_refused(text: str, scheme: str) -> None:
    with contextlib.suppress(TransferFailed):
        url = Url(scheme + text)
        assert 1 <= url.port <= 65535
        assert url.host


def test_what_is_told_of_an_address_has_no_password() -> None:
    assert Url("https://joe:secret@host:8443/logs/?token=abc").safe() == "host:8443/logs/"


# --- putting ---


async def put(url: str, body: bytes = BODY) -> None:
    transfer = HttpPut(url, len(body), lambda: iter([body[:100], body[100:]]))
    try:
        async with asyncio.timeout(10):
            while not transfer.poll():
                await asyncio.sleep(0.001)
    finally:
        transfer.close()


async def test_a_file_is_put() -> None:
    got: list[bytes] = []

    async def take(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.readexactly(len(BODY)))
        writer.write(b"HTTP/1.1 201 Created\r\n\r\n")

    requests: list[bytes] = []
    async with serving(take, requests) as url:
        await put(url + "/log")
    assert got == [BODY]
    assert requests[0].startswith(b"PUT /log HTTP/1.0\r\n")
    assert b"Content-Length: %d\r\n" % len(BODY) in requests[0]


async def test_a_server_without_put_gets_a_post() -> None:
    got: dict[bytes, bytes] = {}

    async def take(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method = head.split()[0]
        got[method] = await reader.readexactly(len(BODY))
        writer.write(b"HTTP/1.1 405 No\r\n\r\n" if method == b"PUT" else b"HTTP/1.1 200 OK\r\n\r\n")

    async with serving(take) as url:
        await put(url)
    assert got[b"POST"] == BODY


@pytest.mark.parametrize("answer", [b"HTTP/1.1 507 Full\r\n\r\n", b"HTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n", b""])
async def test_a_refused_file_is_told(answer: bytes) -> None:
    async with serving(saying(answer)) as url:
        with pytest.raises(TransferFailed):
            await put(url)
