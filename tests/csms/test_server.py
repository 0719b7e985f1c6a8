"""The handshake and the socket: names, passwords, TLS, subprotocol."""

import asyncio
import contextlib
import json
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.datastructures import Headers
from websockets.exceptions import InvalidMessage, InvalidStatus

from agents.csms import agent
from agents.csms.gate import Gate, Verdict, identity_of
from agents.csms.settings import CsmsSettings
from agents.runtime.agent import CannotStart
from agents.runtime.clock import SystemClock
from tests.csms.stage import Stage
from tests.waiting import eventually


class RealTime(Stage):
    """The same with the machine's own time: sockets do not wait for a test's."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(clock=SystemClock(), **settings)  # type: ignore[arg-type]

    def url(self, name: str = "box", scheme: str = "ws") -> str:
        return f"{scheme}://127.0.0.1:{self.agent.settings.port}/ocpp/{name}"


async def call(socket: ClientConnection, action: str, payload: Any) -> Any:
    await socket.send(json.dumps([2, action, action, payload]))
    return await answer(socket, action)


async def answer(socket: ClientConnection, message_id: str) -> Any:
    """The next answer; what is asked meanwhile is accepted."""
    while True:
        message = json.loads(await asyncio.wait_for(socket.recv(), 5))
        if message[0] == 2:
            await socket.send(json.dumps([3, message[1], {"status": "Accepted"}]))
        else:
            assert message[1] == message_id
            return message


BOOT = {"chargePointVendor": "Acme", "chargePointModel": "Box"}


async def test_a_station_boots_over_a_real_socket() -> None:
    async with RealTime() as site, connect(site.url(), subprotocols=["ocpp1.6"]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "ocpp1.6"
        assert (await call(socket, "BootNotification", BOOT))[2]["status"] == "Accepted"
        assert (await call(socket, "Bogus", {}))[2] == "NotImplemented"
        await socket.send(b"\x00\x01")
        assert (await answer(socket, "-1"))[2] == "FormationViolation"
        assert "currentTime" in (await call(socket, "Heartbeat", {}))[2]


async def test_a_second_socket_does_not_close_a_living_first() -> None:
    async with RealTime() as site:
        async with connect(site.url(), subprotocols=["ocpp1.6"]) as first:  # type: ignore[list-item]
            second = await connect(site.url(), subprotocols=["ocpp1.6"])  # type: ignore[list-item]
            await asyncio.wait_for(second.wait_closed(), 5)
            assert (second.close_code, second.close_reason) == (1008, "another connection of this station is alive")
            assert (await call(first, "BootNotification", BOOT))[2]["status"] == "Accepted"
        async with connect(site.url(), subprotocols=["ocpp1.6"]) as again:  # type: ignore[list-item]
            assert "currentTime" in (await call(again, "Heartbeat", {}))[2]


async def test_a_socket_whose_station_is_gone_makes_room_within_a_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "PING_S", 0.3)
    async with RealTime() as site:
        dead = await connect(site.url(), subprotocols=["ocpp1.6"])  # type: ignore[list-item]
        dead.transport.pause_reading()
        began = time.monotonic()
        async with connect(site.url(), subprotocols=["ocpp1.6"]) as socket:  # type: ignore[list-item]
            assert (await call(socket, "BootNotification", BOOT))[2]["status"] == "Accepted"
        assert time.monotonic() - began < 3
        dead.transport.abort()


@pytest.mark.parametrize(
    ("path", "subprotocols", "user", "status"),
    [
        ("stranger", ["ocpp1.6"], None, 404),
        ("..%2Fbox%00", ["ocpp1.6"], None, 404),
        ("box", ["ocpp2.0.1"], None, 400),
        ("box", None, None, 400),
        ("locked", ["ocpp1.6"], None, 401),
        ("locked", ["ocpp1.6"], "locked:wrong", 401),
        ("locked", ["ocpp1.6"], "box:secret", 401),
        ("locked", ["ocpp1.6"], "locked:secret", 101),
    ],
)
async def test_who_may_connect(tmp_path: Path, path: str, subprotocols: Any, user: str | None, status: int) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    stations = {"box": {}, "locked": {"password_file": password}}
    async with RealTime(stations=stations) as site:
        where = site.url(path) if user is None else site.url(path).replace("//", f"//{user}@")
        got = 101
        try:
            async with connect(where, subprotocols=subprotocols):
                pass
        except InvalidStatus as refused:
            got = refused.response.status_code
            assert refused.response.headers.get("WWW-Authenticate") == ('Basic realm="OCPP"' if got == 401 else None)
        assert got == status


async def test_tls(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    async with RealTime(cert_file=certificate, key_file=key) as site:
        trust = ssl.create_default_context(cafile=str(certificate))
        async with connect(site.url(scheme="wss"), subprotocols=["ocpp1.6"], ssl=trust) as socket:  # type: ignore[list-item]
            assert (await call(socket, "BootNotification", BOOT))[2]["status"] == "Accepted"
        with pytest.raises((OSError, InvalidMessage)):
            await connect(site.url(), subprotocols=["ocpp1.6"])  # type: ignore[list-item]


async def test_a_port_that_is_taken_is_named() -> None:
    async with RealTime() as site:
        other = RealTime(port=site.agent.settings.port)
        with pytest.raises(CannotStart, match=r"set host, port, .* in section \[csms\]"):
            await other.__aenter__()
        other.store.close()


async def test_a_storm_of_sockets_leaves_one() -> None:
    async with RealTime() as site:
        sockets = await asyncio.gather(
            *(connect(site.url(), subprotocols=["ocpp1.6"]) for _ in range(50))  # type: ignore[list-item]
        )
        await eventually(lambda: sum(socket.close_code is None for socket in sockets) == 1, 10, "one is left")
        left = next(socket for socket in sockets if socket.close_code is None)
        assert (await call(left, "BootNotification", BOOT))[2]["status"] == "Accepted"
        await left.close()


@given(st.text(max_size=80), st.lists(st.text(max_size=40), max_size=2))
def test_no_path_and_no_header_opens_the_gate(path: str, values: list[str]) -> None:
    settings = CsmsSettings.model_validate({"stations": {"box": {}}, "password_file": "password"})
    gate = Gate(settings, {"box": "secret"})
    headers = Headers()
    for value in values:
        with contextlib.suppress(ValueError):
            headers["Authorization"] = value
    assert gate.judge("/" + path, headers) is not Verdict.ADMITTED
    identity = identity_of("/" + path)
    assert identity is None or (0 < len(identity) <= 48 and "/" not in identity)


def self_signed(folder: Path) -> tuple[Path, Path]:
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "csms")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file
