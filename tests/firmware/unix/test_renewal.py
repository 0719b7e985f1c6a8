"""A charger's certificate renewed over the bus: the app on MicroPython, a real Mosquitto, the site's authority."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from agents.cli.pki.authority import authority_of, found, issue, read, renew_same_key
from agents.cli.pki.revocation import FILE as REVOKED
from agents.cli.pki.revocation import revoke
from agents.cli.pki.revoke import Door, Eviction, list_superseded
from tests.brokers import RunningBroker, remove_broker, start_broker
from tests.firmware.unix.charger_process import TOPIC, Charger
from tests.tls_broker import tls_broker
from tests.waiting import eventually

pytestmark = [pytest.mark.micropython, pytest.mark.broker]


def make_pki(folder: Path, issued: datetime) -> Path:
    """Make an authority, and certificates for the broker, the site and charger c1, that of ``c1`` issued then."""
    now = datetime.now(UTC)
    found(folder, "garage", min(issued, now))
    revoke(folder, (), now)
    issue(folder, "broker", now, server_names=["localhost", "127.0.0.1"])
    issue(folder, "site", now)
    issue(folder, "c1", issued)
    return folder


def signed_by_another(folder: Path, pem: str) -> str:
    """Return a certificate for the same name and key, signed by an authority that the broker does not know."""
    now = datetime.now(UTC)
    found(folder, "garage", now)
    authority, key = authority_of(folder)
    there = x509.load_pem_x509_certificate(pem.encode())
    builder = x509.CertificateBuilder(
        authority.subject, there.subject, there.public_key(), 7, now - timedelta(days=1), now + timedelta(days=3000)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


class Yard:
    """A broker that asks for certificates and reads the list of revoked ones, a charger, and its authority."""

    def __init__(self, pki: Path, broker: RunningBroker, charger: Charger) -> None:
        self.pki, self.broker, self.charger = pki, broker, charger

    def renew(self, certificate: str) -> str:
        """Send the command as anna; return its id."""
        site, number = self.charger.site, f"renew-{len(self.charger.site.replies)}"
        now_ms = site.utc(site.states[-1])
        command = {
            "op": "renew_certificate",
            "ts": now_ms,
            "id": number,
            "source": "technician",
            "deadline_ts": now_ms + 60_000,
            "certificate_pem": certificate,
        }
        site.client.publish(f"{TOPIC}/command/from/anna", json.dumps(command), 1, False)
        return number

    async def answer(self, number: str) -> dict[str, Any]:
        replies = self.charger.site.replies

        def last() -> list[dict[str, Any]]:
            return [each for each in replies if each["id"] == number and each["stage"] != "accepted"]

        return (await eventually(last, 60, lambda: f"an answer: {replies} {self.charger.output}"))[-1]

    def ends(self) -> int:
        """End of the charger's certificate as it says itself."""
        return int(self.charger.site.of("charger_meta")[-1]["certificate_ends_ts"])

    async def restart(self) -> None:
        """Take the charger's power away, and give it back."""
        connections = self.connections()
        await self.charger.end()
        await self.charger.start()
        await eventually(lambda: self.connections() > connections, 20, "connected again")

    def connections(self) -> int:
        return Path(self.broker.log_path).read_text().count(" as c1 (p2")  # type: ignore[attr-defined]


@asynccontextmanager
async def yard(program: str, folder: Path, issued: datetime) -> AsyncIterator[Yard]:
    pki = make_pki(folder / "pki", issued)
    acl = folder / "acl"
    acl.write_text("pattern readwrite ev/v1/garage/charger/%u/#\nuser site\ntopic readwrite ev/v1/garage/#\n")
    tls = f"cafile {pki}/ca.pem\ncertfile {pki}/broker.pem\nkeyfile {pki}/broker.key\ncrlfile {pki}/{REVOKED}\n"
    names = "require_certificate true\nuse_identity_as_username true\n"
    extra = f"per_listener_settings false\nacl_file {acl}\n"
    broker = start_broker("installed", folder, extra_conf=extra, listener_conf=tls + names, wait_for_login=False)
    try:
        async with Charger(program, folder, broker, pki, comes_back=True) as charger:
            await eventually(lambda: charger.site.states and charger.site.of("charger_meta"), 15, "the charger")
            yield Yard(pki, broker, charger)
    finally:
        remove_broker(broker)


async def test_from_the_old_certificate_to_the_new_one(unix_port: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    async with yard(unix_port, tmp_path, now - timedelta(days=100)) as site:
        old = read(site.pki / "c1.pem")
        assert site.ends() == round(old.ends.timestamp() * 1000)
        eviction = Eviction(site.pki, "c1")
        new = renew_same_key(site.pki, "c1", now)
        heap = await site.charger.ask("heap")
        answer = await site.answer(site.renew((site.pki / "c1.pem").read_text()))
        assert (answer["stage"], answer["reason"]) == ("done", "the new certificate is in use")
        assert site.charger.restarts == 1
        await eventually(lambda: site.ends() == round(new.ends.timestamp() * 1000), 20, "its end on the bus")
        events = site.charger.site.events.values()
        await eventually(lambda: [each for each in events if "renewed by technician (anna)" in str(each)], 20)
        print(f"\nheap: {heap} bytes before, {await site.charger.ask('heap')} after")

        assert list_superseded(site.pki, ["c1"], now) == 1
        site.broker.stop()
        site.broker.restart()
        assert eviction.is_refused(Door(site.broker.host, site.broker.port)) is True, "the old one"
        await site.restart()
        assert site.ends() == round(new.ends.timestamp() * 1000)
        assert not (tmp_path / "candidate").exists(), "it has moved to its place"


async def test_a_certificate_of_another_authority_is_given_back(unix_port: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    async with yard(unix_port, tmp_path, now) as site:
        good = (site.pki / "c1.pem").read_text()
        answer = await site.answer(site.renew(signed_by_another(tmp_path / "other", good)))
        assert (answer["stage"], answer["code"]) == ("failed", "bad_certificate"), answer
        assert "OSError" in answer["reason"] and "the old one is in use again" in answer["reason"]
        assert site.charger.restarts == 2, "into the trial and back"
        assert json.loads((tmp_path / "broker").read_text())["cert_pem"] == good
        assert not (tmp_path / "candidate").exists()
        await site.restart()


async def test_power_lost_while_one_is_tried_leaves_the_old_one(unix_port: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    async with yard(unix_port, tmp_path, now) as site:
        good = (site.pki / "c1.pem").read_text()
        number = site.renew(signed_by_another(tmp_path / "other", good))
        for boot in (b"1", b"2"):
            trial = tmp_path / "trial"
            await eventually(lambda: trial.exists() and trial.read_bytes() == boot, 60, "it is tried")  # noqa: B023
            await site.charger.end()
            await site.charger.start()
        answer = await site.answer(number)
        assert answer["stage"] == "failed" and "restarted 2 times" in answer["reason"], answer
        assert not (tmp_path / "candidate").exists()
        await site.restart()


class Address:
    """Where a broker is."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port


async def test_one_command_renews_it_and_ends_the_old_one(unix_port: str, tmp_path: Path) -> None:
    """The whole way, with a site as it is prepared: technician, authority, broker's lists, charger."""
    with tls_broker(tmp_path / "it") as site:
        issue(site.pki, "c1", datetime.now(UTC) - timedelta(days=1441), renew=True)
        old = Eviction(site.pki, "c1")
        memory = tmp_path / "charger"
        memory.mkdir()
        broker: Any = Address("127.0.0.1", site.port)
        charger = Charger(unix_port, memory, broker, comes_back=True)
        charger.started_with(site.pki)
        await charger.start()
        try:
            await eventually(lambda: "broker: connected\n" in charger.output, 30, "the charger")
            options = ("--folder", site.pki, "--config", site.folder / "site.toml", "--as", "anna", "--timeout", "60")
            command = (sys.executable, "-m", "agents.cli.main", "renew-certificate", "c1", *options)
            typed = await asyncio.create_subprocess_exec(
                *map(str, command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
            said = (await typed.communicate())[0].decode()
            assert typed.returncode == 0, said + "".join(charger.output)
            assert "the new certificate is in use" in said and "revoked 2 earlier certificates\n" in said
            assert old.is_refused(Door(broker.host, broker.port)) is True
            await charger.end()
            await charger.start()
            await eventually(
                lambda: "broker: connected\n" in charger.output, 30, "with the new one, after a power loss"
            )
        finally:
            await charger.end()
