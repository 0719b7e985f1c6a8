"""Real sockets: what a backend may do at each stage of the handshake, TLS, and the credentials of the profiles."""

import asyncio
import base64
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from websockets.asyncio.server import Server, serve

from agents.ocpp_bridge.connecting import Target, Unreachable
from agents.ocpp_bridge.websocket_connector import WebSocketConnector
from agents.runtime.ocpp import ConnectionLost, Dispatcher, message_ids
from agents.runtime.ocpp.v16 import V16
from tests.ledger.harness import NOW_MS
from tests.ocpp_bridge.authority import Authority, key_pem

LOCAL = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]


@contextlib.asynccontextmanager
async def backend(handler: Any = None, **options: Any) -> AsyncIterator[str]:
    async def echo(socket: Any) -> None:
        async for message in socket:
            await socket.send(message)

    options.setdefault("subprotocols", ["ocpp1.6"])
    server: Server
    async with serve(handler or echo, "127.0.0.1", 0, **options) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"{'wss' if options.get('ssl') else 'ws'}://127.0.0.1:{port}/c1"


async def refused(url: str, **fields: Any) -> str:
    with pytest.raises(Unreachable) as raised:
        await WebSocketConnector().connect(Target(url, "ocpp1.6", **fields))
    return str(raised.value)


async def test_text_goes_both_ways():
    async with backend() as url:
        connection = await WebSocketConnector().connect(Target(url, "ocpp1.6"))
        await connection.send("[2]")
        assert await connection.receive() == "[2]"
        await connection.close()
        with pytest.raises(ConnectionLost):
            await connection.receive()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "does not know this charge point"),
        (401, "refuses the password"),
        (400, "refuses the handshake"),
        (500, "500"),
    ],
)
async def test_refusals_say_what_to_do(status, words):
    def refusing(connection, _request):
        return connection.respond(HTTPStatus(status), "no\n")

    async with backend(process_request=refusing) as url:
        assert words in await refused(url)


async def test_a_backend_without_the_subprotocol_is_refused():
    async with backend(subprotocols=None) as url:
        assert "chose no subprotocol" in await refused(url)
    async with backend(subprotocols=["ocpp2.0.1"]) as url:
        assert await refused(url)


async def test_nobody_there_and_no_websocket_there():
    assert "no connection" in await refused("ws://127.0.0.1:1/c1")

    async def mute(_reader, writer):
        writer.write(b"220 smtp ready\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        assert await refused(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/c1")


async def test_a_backend_that_closes_at_once_is_a_lost_connection():
    async def closing(socket):
        await socket.close(1008, "not you")

    async with backend(closing) as url:
        connection = await WebSocketConnector().connect(Target(url, "ocpp1.6"))
        with pytest.raises(ConnectionLost, match=r"1008 \(not you\)"):
            await connection.receive()


async def test_the_password_is_sent_as_the_identity_s():
    seen = []

    def looking(_connection, request):
        seen.append(request.headers["Authorization"])

    async with backend(process_request=looking) as url:
        connection = await WebSocketConnector().connect(Target(url, "ocpp1.6", "c1", b"\xffsecret:with"))
        await connection.close()
    assert base64.b64decode(seen[0].removeprefix("Basic ")) == b"c1:\xffsecret:with"


async def test_one_attempt_at_a_time_and_no_compression():
    """The package's own reconnection would end at a 404, and deflate costs memory for each charge point."""
    asked = []

    def refusing(connection, request):
        asked.append(request.headers)
        return connection.respond(HTTPStatus.NOT_FOUND, "no\n")

    async with backend(process_request=refusing, compression="deflate") as url:
        assert "does not know this charge point" in await refused(url)
    assert len(asked) == 1 and "Sec-WebSocket-Extensions" not in asked[0]


def server_tls(folder: Path, authority: Authority, *, client: bool = False, names: Any = None, days: int = 365) -> Any:
    key, certificate = authority.issue("backend", names=LOCAL if names is None else names, days=days)
    file = folder / "server.pem"
    file.write_text(certificate + key_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    if client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=authority.root_pem)
    return context


def now_ms() -> int:
    import time

    return round(time.time() * 1000)


async def test_tls_with_the_installed_root(tmp_path):
    authority = Authority(now_ms())
    async with backend(ssl=server_tls(tmp_path, authority)) as url:
        connection = await WebSocketConnector().connect(Target(url, "ocpp1.6", ca_pem=(authority.root_pem,)))
        await connection.close()
        assert "certificate is not valid" in await refused(url)
        other = Authority(now_ms())
        assert "certificate is not valid" in await refused(url, ca_pem=(other.root_pem,))
        assert "cannot be used" in await refused(url, ca_pem=("garbage",))


async def test_a_certificate_that_is_expired_or_for_another_host(tmp_path):
    authority = Authority(now_ms())
    async with backend(ssl=server_tls(tmp_path, authority, days=-1)) as url:
        assert "expired" in await refused(url, ca_pem=(authority.root_pem,))
    async with backend(ssl=server_tls(tmp_path, authority, names=[x509.DNSName("other.example")])) as url:
        assert "certificate is not valid" in await refused(url, ca_pem=(authority.root_pem,))


async def test_a_certificate_of_our_own(tmp_path):
    authority = Authority(now_ms())
    key, certificate = authority.issue("c1")
    async with backend(ssl=server_tls(tmp_path, authority, client=True)) as url:
        own = {"cert_pem": certificate, "key_pem": key_pem(key)}
        connection = await WebSocketConnector().connect(Target(url, "ocpp1.6", ca_pem=(authority.root_pem,), **own))
        await connection.send("[2]")
        assert await connection.receive() == "[2]"
        await connection.close()


async def test_frames_of_ten_mebibytes_and_binary_end_nothing_but_themselves():
    import structlog

    from agents.runtime.clock import SystemClock

    answers: list[Any] = []

    async def rude(socket):
        await socket.send(b'[2,"1","Reset",{"type":"Soft"}]')
        answers.append(await socket.recv())
        await socket.send('[2,"2","ClearCache",{}]')
        answers.append(await socket.recv())
        with contextlib.suppress(Exception):
            await socket.send('[2,"3","DataTransfer",{"vendorId":"' + "x" * (10 * 1024 * 1024) + '"}]')
            await socket.recv()

    async with backend(rude) as url:
        connection = await WebSocketConnector().connect(Target(url, "ocpp1.6"))
        dispatcher = Dispatcher(
            connection,
            V16,
            {},
            clock=SystemClock(),
            message_ids=message_ids(__import__("random").Random(1)),
            log=structlog.get_logger(),
        )
        with pytest.raises(ConnectionLost):
            await asyncio.wait_for(dispatcher.run(), 20)
    assert "FormationViolation" in answers[0] and "NotSupported" in answers[1]
    assert NOW_MS
