"""TLS on MicroPython: the app's client, mbedTLS and a real Mosquitto that knows chargers by their certificates."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.cli.pki.authority import found, issue
from tests.brokers import RunningBroker, remove_broker, start_broker
from tests.firmware.unix.charger_process import Charger
from tests.waiting import eventually

pytestmark = [pytest.mark.micropython, pytest.mark.broker]

NAMES = ["localhost"]
LONG_AGO = timedelta(days=3000)
"""Longer than a certificate lasts."""


def make_pki(folder: Path, *, ran_out: str = "") -> Path:
    """Make an authority and a certificate for everybody; that of ``ran_out`` has run out."""
    now = datetime.now(UTC)
    found(folder, "garage", now - LONG_AGO)
    for name in ("broker", "site", "c1"):
        at = now - LONG_AGO if name == ran_out else now
        issue(folder, name, at, server_names=NAMES if name == "broker" else ())
    return folder


@contextmanager
def serving(pki: Path, folder: Path) -> Iterator[RunningBroker]:
    """Run a Mosquitto that lets nobody in without a certificate, and everybody write as themselves only."""
    acl = folder / "acl"
    acl.write_text("pattern readwrite ev/v1/garage/charger/%u/#\nuser site\ntopic readwrite ev/v1/garage/#\n")
    tls = f"cafile {pki}/ca.pem\ncertfile {pki}/broker.pem\nkeyfile {pki}/broker.key\n"
    names = "require_certificate true\nuse_identity_as_username true\n"
    extra = f"per_listener_settings false\nacl_file {acl}\n"
    broker = start_broker("installed", folder, extra_conf=extra, listener_conf=tls + names, wait_for_login=False)
    try:
        yield broker
    finally:
        remove_broker(broker)


async def refusals(program: str, folder: Path, broker: RunningBroker, pki: Path) -> list[str]:
    """Start a charger that cannot connect; return what it says of that, once it has tried twice and still runs."""
    charger = Charger(program, folder, broker, pki)
    await charger.start()
    try:
        await eventually(lambda: [line for line in charger.output if "not connected" in line], 10, "a refusal")
        assert (await charger.ask("pilot"))[1] is False, "it lives, and its contactor is open"
        log = Path(broker.log_path)  # type: ignore[attr-defined]
        await eventually(lambda: log.read_text().count("New connection") >= 2, 15, "a second try")
        assert charger.process.returncode is None, "".join(charger.output)
        return [line.strip() for line in charger.output if line.startswith("broker:")]
    finally:
        await charger.end()


class Silent:
    """Where nobody answers."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port


async def test_a_session_over_tls_with_the_chargers_own_certificate(unix_port: str, tmp_path: Path) -> None:
    pki = make_pki(tmp_path / "pki")
    with serving(pki, tmp_path) as broker:
        async with Charger(unix_port, tmp_path, broker, pki) as charger:
            charging = await charger.charge()
            assert charging["offered_current_a"] == 32.0
            heap = await charger.ask("heap")
            print(f"\nheap while charging over TLS: {heap} bytes")
            assert heap < charger.memory.kept_charging_over_tls
            charger.tell(set={"car_ohm": 0, "s2": 0, "cable_ohm": 1_000_000})
            await eventually(charger.ended_sessions)
            assert "broker: connected\n" in charger.output
            assert "as c1 (p2, c1, k30, u'c1')" in Path(broker.log_path).read_text()  # type: ignore[attr-defined]


async def test_another_authority_is_refused_in_words(unix_port: str, tmp_path: Path) -> None:
    with serving(make_pki(tmp_path / "pki"), tmp_path) as broker:
        said = await refusals(unix_port, tmp_path, broker, make_pki(tmp_path / "other"))
        assert set(said) == {
            "broker: not connected: ProtocolError: the broker is not trusted: "
            "The certificate is not correctly signed by the trusted CA"
        }


async def test_a_brokers_certificate_that_has_run_out_is_refused_in_words(unix_port: str, tmp_path: Path) -> None:
    pki = make_pki(tmp_path / "pki", ran_out="broker")
    with serving(pki, tmp_path) as broker:
        said = await refusals(unix_port, tmp_path, broker, pki)
        assert set(said) == {
            "broker: not connected: ProtocolError: the broker is not trusted: The certificate validity has expired"
        }


async def test_a_chargers_certificate_that_has_run_out_lets_nobody_in(unix_port: str, tmp_path: Path) -> None:
    pki = make_pki(tmp_path / "pki", ran_out="c1")
    with serving(pki, tmp_path) as broker:
        said = await refusals(unix_port, tmp_path, broker, pki)
        assert all("not connected: OSError" in line for line in said), said


async def test_a_handshake_that_hangs_keeps_nothing_else_waiting(unix_port: str, tmp_path: Path) -> None:
    """A broker that takes the connection and says nothing: the interpreter goes on answering."""
    pki = make_pki(tmp_path / "pki")
    taken = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    silent = Silent("127.0.0.1", port)
    charger = Charger(unix_port, tmp_path, silent, pki)  # type: ignore[arg-type]
    await charger.start()
    try:
        await asyncio.wait_for(taken.wait(), 10)
        charger.tell(set={"car_ohm": 2740, "cable_ohm": 220})
        for _ in range(3):
            before = time.monotonic()
            assert (await charger.ask("pilot"))[1] is False
            assert time.monotonic() - before < 1, "it answers while the handshake hangs"
        assert not [line for line in charger.output if line.startswith("broker:")], "neither there nor given up"
    finally:
        await charger.end()
        server.close()
