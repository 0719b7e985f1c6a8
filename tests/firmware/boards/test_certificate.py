"""What the firmware reads of a certificate, and how the charger's own one is replaced."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.cli.pki_authority import found, issue, renew_same_key
from firmware.boards.certificate import Certificate
from firmware.boards.file_nvs import FileNvs
from firmware.boards.login import ATTEMPTS, CertificateLogin, read_broker
from firmware.boards.nvs import BROKER, RENEWED, Nvs
from tests.firmware.app.fakes import MemoryStorage, PowerLost

NOW = datetime(2026, 12, 1, 4, 5, 6, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(ends: datetime, key: ec.EllipticCurvePrivateKey = KEY, name: str = "c1") -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, ends - timedelta(days=1), ends)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@settings(max_examples=50, deadline=None)
@given(st.datetimes(datetime(1951, 1, 1), datetime(2099, 12, 31)))
@example(datetime(2000, 2, 29, 23, 59, 59))
@example(datetime(2049, 12, 31, 23, 59, 59))
@example(datetime(2050, 1, 1))
def test_the_end_of_any_certificate_is_read(ends: datetime) -> None:
    ends = ends.replace(microsecond=0, tzinfo=UTC)
    assert Certificate(certificate(ends)).ends_ts == ends.timestamp() * 1000


def test_what_the_sites_authority_issues_is_read(tmp_path: Path) -> None:
    found(tmp_path, "garage", NOW)
    issued = issue(tmp_path, "c1", NOW)
    old = Certificate((tmp_path / "c1.pem").read_text())
    assert old.ends_ts == issued.ends.timestamp() * 1000
    renew_same_key(tmp_path, "c1", NOW + timedelta(days=90))
    new = Certificate((tmp_path / "c1.pem").read_text())
    assert (new.subject, new.public_key) == (old.subject, old.public_key) and new.ends_ts > old.ends_ts


GOOD = certificate(NOW)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.binary().map(lambda data: data.decode("latin-1"))), st.integers(0, len(GOOD)))
def test_any_other_text_is_refused_in_words(text: str, at: int) -> None:
    for broken in (text, GOOD[:at] + text + GOOD[at + 1 :], GOOD[: at - 1]):
        try:
            Certificate(broken)
        except ValueError:
            continue
        assert "BEGIN CERTIFICATE" in broken


class Client:
    """What :class:`CertificateLogin` needs of the MQTT client."""

    def __init__(self) -> None:
        self.connected = True
        self.connections = 1
        self.failures = 0
        self.last_error = ""
        self.contexts: list[Any] = []

    def reconnect(self, make_ssl: Any) -> None:
        self.contexts.append(make_ssl)
        self.connected = False
        self.failures = 1

    def let_in(self) -> None:
        self.connected = True
        self.connections += 1


OLD, NEW = certificate(NOW), certificate(NOW + timedelta(days=825))
ENTRY = {"address": "1.2.3.4", "password": "secret", "ca_pem": "ca", "cert_pem": OLD, "key_pem": "key"}


class Bench:
    def __init__(self) -> None:
        self.flash = MemoryStorage()
        self.nvs = Nvs(FileNvs(self.flash))
        self.nvs.write_object(BROKER, ENTRY)
        self.client = Client()
        self.login = CertificateLogin(self.nvs, self.client, lambda *texts: texts, "ca", OLD, "key")  # type: ignore[arg-type]


def test_a_certificate_is_kept_only_once_it_is_proven() -> None:
    bench = Bench()
    login, client = bench.login, bench.client
    login.check(NEW)
    login.try_out(NEW)
    assert client.contexts[-1]() == ("ca", NEW, "key") and not login.is_let_in
    assert bench.nvs.read_object(BROKER) == ENTRY and login.ends_ts == NOW.timestamp() * 1000
    client.let_in()
    assert login.is_let_in
    login.keep()
    assert read_broker(bench.nvs) == ENTRY | {"cert_pem": NEW}
    assert login.uses(NEW) and not login.uses(OLD)
    assert login.ends_ts == (NOW + timedelta(days=825)).timestamp() * 1000


def test_the_old_connection_proves_nothing() -> None:
    bench = Bench()
    bench.login.try_out(NEW)
    bench.client.connected = True
    assert not bench.login.is_let_in


def test_it_is_refused_after_several_attempts() -> None:
    bench = Bench()
    bench.login.try_out(NEW)
    bench.client.last_error = "OSError: -30592"
    for bench.client.failures in range(1, ATTEMPTS + 1):
        assert bench.login.refusal is None
    bench.client.failures += 1
    assert bench.login.refusal == "OSError: -30592"


def test_the_old_certificate_is_used_again() -> None:
    bench = Bench()
    bench.login.try_out(NEW)
    bench.login.go_back()
    assert bench.client.contexts[-1]() == ("ca", OLD, "key")
    assert bench.nvs.read_object(BROKER) == ENTRY


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        (certificate(NOW, ec.generate_private_key(ec.SECP256R1())), "for another key"),
        (certificate(NOW, name="c2"), "for another name"),
        (NEW + OLD, "not one certificate"),
        ("-----BEGIN PRIVATE KEY-----", "not one certificate"),
        (OLD, "does not end later"),
    ],
)
def test_what_cannot_take_its_place_is_refused_before_it_is_tried(pem: str, words: str) -> None:
    bench = Bench()
    with pytest.raises(ValueError, match=words):
        bench.login.check(pem)
    assert bench.client.contexts == []


def test_power_lost_at_any_byte_leaves_the_old_or_the_new_one() -> None:
    for after in range(0, 4000, 50):
        bench = Bench()
        bench.login.try_out(NEW)
        bench.client.let_in()
        bench.flash.cut(after)
        kept = False
        try:
            bench.login.keep()
            kept = True
            read_broker(bench.nvs)
        except PowerLost:
            pass
        bench.flash.left = None
        entry = read_broker(bench.nvs)
        assert entry == (ENTRY | {"cert_pem": NEW} if kept else ENTRY)
        assert bench.nvs.read_object(BROKER) == entry and bench.nvs.read(RENEWED) is None


def test_what_was_provisioned_since_is_not_replaced() -> None:
    later, another = certificate(NOW + timedelta(days=900)), certificate(NOW, ec.generate_private_key(ec.SECP256R1()))
    for provisioned in (later, another, "nonsense", None):
        bench = Bench()
        bench.login.try_out(NEW)
        bench.login.keep()
        entry = {name: value for name, value in (ENTRY | {"cert_pem": provisioned}).items() if value is not None}
        bench.nvs.write_object(BROKER, entry)
        assert read_broker(bench.nvs) == entry and bench.nvs.read(RENEWED) is None


def test_a_flash_that_refuses_is_told() -> None:
    bench = Bench()
    bench.login.try_out(NEW)
    bench.client.let_in()
    bench.flash.full = True
    with pytest.raises(OSError, match="no space"):
        bench.login.keep()
    assert bench.nvs.read_object(BROKER) == ENTRY and bench.login.ends_ts == NOW.timestamp() * 1000
