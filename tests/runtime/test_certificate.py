"""Certificates of every wrong kind, each told in words that say what to do; and the alarm before one ends."""

import asyncio
import shutil
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import structlog
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from agents.cli.pki.authority import found, issue
from agents.cli.pki.revocation import revoke, serials_of
from agents.cli.pki.rights import give_to_broker
from agents.runtime.agent import BusUnavailable
from agents.runtime.mqtt.certificate import UnusableCertificate, check_identity, read_validity
from agents.runtime.mqtt.login_problem import login_problem
from agents.runtime.mqtt.options import MqttOptions
from agents.runtime.reporting.expiry import CHECK_EVERY_S, ExpiryWatch, expiry_alarm
from bus_schema.site_messages import Alarm
from bus_schema.words import Severity
from tests.runtime.fakes import ManualClock
from tests.tls_broker import tls_broker

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def options(folder: Path, user: str = "ledger", port: int = 8883, **more: Any) -> MqttOptions:
    files = {"ca_file": folder / "ca.pem", "cert_file": folder / f"{user}.pem", "key_file": folder / f"{user}.key"}
    given: dict[str, Any] = {"host": "127.0.0.1", "username": user, **files, **more}
    return MqttOptions(port=port, client_id="x", **given)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pki = tmp_path / "pki"
    found(pki, "garage", NOW)
    issue(pki, "broker", NOW, server_names=["127.0.0.1"])
    issue(pki, "ledger", NOW)
    issue(pki, "access", NOW)
    return pki


def encrypt(path: Path) -> None:
    key = load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))


Spoil = Callable[[Path], object]
WRONG: dict[str, tuple[Spoil, str]] = {
    "no certificate": (
        lambda pki: (pki / "ledger.pem").unlink(),
        r"cert_file .*ledger.pem cannot be read: No such",
    ),
    "no key": (lambda pki: (pki / "ledger.key").unlink(), r"key_file .*ledger.key cannot be read: No such file"),
    "no authority": (lambda pki: (pki / "ca.pem").unlink(), r"ca_file .*ca.pem cannot be read"),
    "not PEM": (lambda pki: (pki / "ledger.pem").write_bytes(b"\x30\x82\xff"), r"ledger.pem is no certificate in PEM"),
    "empty key": (lambda pki: (pki / "ledger.key").write_bytes(b""), r"ledger.key is no private key in PEM form"),
    "encrypted key": (lambda pki: encrypt(pki / "ledger.key"), r"ledger.key is encrypted: .* decrypted"),
    "key of another": (
        lambda pki: shutil.copy(pki / "access.key", pki / "ledger.key"),
        r"ledger.key is not the key of .*ledger.pem",
    ),
    "certificate of another": (
        lambda pki: [shutil.copy(pki / f"access.{kind}", pki / f"ledger.{kind}") for kind in ("pem", "key")],
        r"is of user access, not of ledger",
    ),
    "certificate of a server": (
        lambda pki: [shutil.copy(pki / f"broker.{kind}", pki / f"ledger.{kind}") for kind in ("pem", "key")],
        r"is a server's certificate: issue one for a user",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_with_the_files_is_said_before_the_broker_is_asked(folder: Path, kind: str) -> None:
    check_identity(options(folder))
    spoil, words = WRONG[kind]
    spoil(folder)
    with pytest.raises(UnusableCertificate, match=words):
        check_identity(options(folder))


def test_a_wrong_clock_is_called_that(folder: Path) -> None:
    validity = read_validity(folder / "ledger.pem")
    assert validity.problem(NOW) is None
    early = validity.problem(datetime(2000, 1, 1, tzinfo=UTC))
    assert early is not None and "clock is wrong" in early and "2000-01-01" in early
    late = validity.problem(datetime(2040, 1, 1, tzinfo=UTC))
    assert late is not None and "renew it" in late and "2040-01-01" in late


class Bus:
    """Keeps the alarms that stand; may be away."""

    site = "garage"

    def __init__(self) -> None:
        self.stands: dict[str, Alarm] = {}
        self.away = False

    async def publish(self, _topic: object, message: Alarm, *, alarm: str) -> None:
        if self.away:
            raise BusUnavailable("away")
        self.stands[alarm] = message

    async def clear(self, _topic: object, *, alarm: str) -> None:
        if self.away:
            raise BusUnavailable("away")
        self.stands.pop(alarm, None)


@pytest.mark.parametrize(
    ("days", "severity"), [(31, None), (29, Severity.WARNING), (6, Severity.CRITICAL), (-1, Severity.CRITICAL)]
)
def test_the_alarm_stands_from_thirty_days_before(days: int, severity: Severity | None) -> None:
    alarm = expiry_alarm("ledger", NOW + timedelta(days=days), NOW)
    assert (None if alarm is None else alarm.severity) == severity
    if alarm is not None:
        assert "pki renew ledger" in alarm.remedy


async def test_the_alarm_ends_with_the_renewal_and_outlives_a_bus_that_is_away(folder: Path) -> None:
    ends = read_validity(folder / "ledger.pem").ends
    clock, bus = ManualClock(), Bus()
    clock.time_s = (ends - timedelta(days=20)).timestamp() - 1_760_000_000
    watch = ExpiryWatch("ledger", folder / "ledger.pem", bus, clock, structlog.get_logger())  # type: ignore[arg-type]
    await watch.check()
    assert set(bus.stands) == {"certificate-ledger"}
    issue(folder, "ledger", ends - timedelta(days=20), renew=True)
    bus.away = True
    with pytest.raises(BusUnavailable):
        await watch.check()
    bus.away = False
    await watch.check()
    assert bus.stands == {}
    bus.stands["certificate-ledger"] = Alarm.model_construct()
    later = ExpiryWatch("ledger", folder / "ledger.pem", bus, clock, structlog.get_logger())  # type: ignore[arg-type]
    await later.check()
    assert bus.stands == {}, "one of an earlier life ends, too"
    assert CHECK_EVERY_S == 86_400


@pytest.mark.broker
async def test_what_the_broker_refuses_is_told_in_words(tmp_path: Path) -> None:
    """With TLS 1.3 the library sees nothing but a connection that ends."""
    now = datetime.now(UTC)
    with tls_broker(tmp_path) as broker:
        other = tmp_path / "other"
        found(other, "north", now)
        issue(other, "c1", now)
        issue(broker.pki, "c7", now)
        revoke(broker.pki, serials_of(broker.pki, ["c2"], now), now)
        issue(broker.pki, "late", now - timedelta(days=3000))
        issue(broker.pki, "early", now + timedelta(days=30))
        list(give_to_broker(broker.folder))
        broker.process.stop()
        broker.process.restart()
        of = lambda user, **more: options(broker.pki, user, broker.port, **more)  # noqa: E731
        nobody = MqttOptions("127.0.0.1", broker.port, "x", ca_file=broker.pki / "ca.pem")
        cases = {
            "does not know the authority": of("c1", cert_file=other / "c1.pem", key_file=other / "c1.key"),
            "was revoked": of("c2"),
            "wants a client certificate": nobody,
            "renew it": of("late"),
            "the clock is wrong": of("early"),
            "broker's certificate is not trusted": of("c7", ca_file=other / "ca.pem"),
            "no name in the broker's certificate": of("c7", host="127.1"),
        }
        told = await asyncio.gather(*(failed(each, now) for each in cases.values()))
        assert await failed(of("c7"), now) == "let in"
    for words, text in zip(cases, told, strict=True):
        assert words in text, (words, text)


async def failed(asked: MqttOptions, now: datetime) -> str:
    """Try to connect and return what is said about it."""
    try:
        client = aiomqtt.Client(
            asked.host, asked.port, username=asked.username, tls_context=asked.tls_context(), timeout=1
        )
        async with client:
            return "let in"
    except (aiomqtt.MqttError, ssl.SSLError) as error:
        return await login_problem(error, asked, round(now.timestamp() * 1000))
