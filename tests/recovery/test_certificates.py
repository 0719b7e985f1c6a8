"""A key is lost or stolen: an agent's, the broker's, the authority's. On a real Mosquitto with a site's own files."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents.cli.pki.authority import sign_briefly
from agents.runtime.mqtt.certificate import UnusableCertificate, check_identity
from tests.cli.conftest import Run
from tests.cli.test_identity import EVENT, refused
from tests.runtime.test_certificate import options
from tests.tls_broker import TlsBroker, tls_broker
from tests.waiting import eventually_sync

pytestmark = pytest.mark.broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[TlsBroker]:
    with tls_broker(tmp_path) as running:
        yield running


def restarted(broker: TlsBroker) -> None:
    broker.process.stop()
    broker.process.restart()


def test_an_agents_key_is_replaced_without_a_word_to_the_broker(broker: TlsBroker, bare: Run) -> None:
    (broker.pki / "ledger.key").unlink()
    with pytest.raises(UnusableCertificate, match=r"key_file .*ledger\.key cannot be read"):
        check_identity(options(broker.pki))
    assert bare("pki", "renew", "ledger", "--folder", str(broker.pki)).code == 0
    check_identity(options(broker.pki))
    broker.client("ledger")


def test_a_broker_without_its_key_does_not_start_and_gets_a_new_one(broker: TlsBroker, bare: Run) -> None:
    broker.process.stop()
    for folder in (broker.pki, broker.folder / "broker"):
        (folder / "broker.key").unlink()
    failed = subprocess.run(broker.process._command, capture_output=True, text=True, timeout=20)
    assert failed.returncode != 0
    assert "Unable to load server key file" in failed.stderr
    made = bare("pki", "server", "127.0.0.1", "--renew", "--folder", str(broker.pki))
    assert made.code == 0, made.err
    given = bare("pki", "apply", "--no-reload", "--folder", str(broker.pki))
    assert given.code == 0, given.err
    broker.process.restart()
    broker.client("ledger")


def test_without_the_authoritys_key_the_site_goes_on_and_a_backup_brings_it_back(
    broker: TlsBroker, bare: Run, tmp_path: Path
) -> None:
    made = bare("backup", "monday.tar.gz", "--config", str(broker.folder / "site.toml"))
    assert made.code == 0, made.err
    (broker.pki / "ca.key").unlink()
    for arguments in (("issue", "c9"), ("renew", "c1"), ("revoke", "c1"), ("init", "garage")):
        told = bare("pki", *arguments, "--folder", str(broker.pki))
        assert told.code == 1
        assert "ca.key is missing beside ca.pem: bring it back from the backup" in told.err, arguments
    restarted(broker)
    broker.client("c1")
    assert bare("pki", "status", "--folder", str(broker.pki)).code == 0
    done = bare("restore", "monday.tar.gz", "--only", "site", "--folder", "back")
    assert done.code == 0, done.err
    shutil.copy(tmp_path / "back/pki/ca.key", broker.pki / "ca.key")
    assert bare("pki", "issue", "c9", "--no-reload", "--folder", str(broker.pki)).code == 0


def test_a_new_authority_shuts_out_whoever_has_the_stolen_key(broker: TlsBroker, bare: Run) -> None:
    """Everything that was ever issued is worthless; what waits for the ledger stays, for its name is the same."""
    ledger = broker.client("ledger", clean=False)
    ledger.listen(EVENT.format("+"))
    ledger.leave()
    broker.client("c1").say(EVENT.format("c1"), "before")
    charger_before = broker.context("c1")
    forged = forged_context(broker, "anna")
    assert not refused(broker, forged), "whoever has the key can be anybody"

    broker.pki.rename(broker.folder / "pki.stolen")
    made = bare(
        "prepare", "garage", "127.0.0.1", "--folder", str(broker.folder), "--for", "systemd",
        "--device", "c1", "--device", "c2", "--person", "anna",
    )  # fmt: skip
    assert made.code == 0, made.err
    restarted(broker)

    for each in (forged, charger_before):
        each.load_verify_locations(broker.pki / "ca.pem")  # That they would trust the broker does not help them.
        assert refused(broker, each)
    back = broker.client("ledger", clean=False)
    eventually_sync(lambda: [payload for _topic, payload in back.heard] == [b"before"], 10, "what waited")
    broker.client("c1").say(EVENT.format("c1"), "after")
    eventually_sync(lambda: back.heard[-1][1] == b"after", 10, "the charger with its new certificate")


def forged_context(broker: TlsBroker, user: str) -> ssl.SSLContext:
    """Sign a certificate as a thief does who has the authority's key."""
    certificate, key = sign_briefly(broker.pki, user, datetime.now(UTC))
    path = broker.folder / "forged.pem"
    path.write_bytes(certificate + key)
    context = ssl.create_default_context(cafile=broker.pki / "ca.pem")
    context.load_cert_chain(path)
    return context
