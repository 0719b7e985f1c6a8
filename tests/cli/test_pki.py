"""The site's certificates: made once, kept, renewed, and what Mosquitto and Python make of them."""

import json
import os
import shutil
import ssl
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from agents.cli.main import app
from agents.cli.pki.authority import DEVICES_LAST, PkiError, all_issued, found, issue, read, renew_same_key
from agents.cli.pki.revocation import revoke, revoked_serials, serials_of
from tests.brokers import remove_broker, start_broker
from tests.waiting import eventually_sync

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert found(tmp_path / "pki", "garage", NOW)
    return tmp_path / "pki"


def test_the_authority_is_made_once(folder: Path) -> None:
    before = (folder / "ca.key").read_bytes()
    assert not found(folder, "garage", NOW)
    assert (folder / "ca.key").read_bytes() == before
    assert (folder / "ca.key").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("lost", ["ca.pem", "ca.key"])
def test_half_an_authority_is_not_replaced(folder: Path, lost: str) -> None:
    (folder / lost).unlink()
    with pytest.raises(PkiError, match=f"{lost} is missing.*backup"):
        found(folder, "garage", NOW)


def test_a_certificate_is_kept_until_it_is_renewed(folder: Path) -> None:
    first = issue(folder, "c1", NOW)
    assert issue(folder, "c1", NOW + timedelta(days=1)) == first
    second = issue(folder, "c1", NOW + timedelta(days=2), renew=True)
    assert second.serial != first.serial
    assert second.ends == NOW + timedelta(days=2) + DEVICES_LAST
    assert not [path for path in folder.iterdir() if path.suffix == ".new"]


def test_a_renewed_key_is_readable_for_whoever_read_the_old_one(folder: Path) -> None:
    """Under systemd an agent's key is its own user's, in a container it is readable."""
    issue(folder, "ledger", NOW)
    key = folder / "ledger.key"
    key.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(key, 4711, 4712)
    before = key.stat()
    issue(folder, "ledger", NOW, renew=True)
    after = key.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino


def test_a_renewal_may_keep_the_key_which_need_not_be_there(folder: Path) -> None:
    first = issue(folder, "m1", NOW, role="meter")
    old, key = _public(folder, "m1"), (folder / "m1.key").read_bytes()
    second = renew_same_key(folder, "m1", NOW + timedelta(days=2))
    assert (folder / "m1.key").read_bytes() == key
    (folder / "m1.key").unlink()
    third = renew_same_key(folder, "m1", NOW + timedelta(days=3))
    assert _public(folder, "m1") == old
    assert not (folder / "m1.key").exists()
    assert len({first.serial, second.serial, third.serial}) == 3
    assert (third.role, third.ends) == ("meter", NOW + timedelta(days=3) + DEVICES_LAST)
    assert serials_of(folder, ["m1"], NOW) == {first.serial, second.serial, third.serial}, "each can be revoked"


def _public(folder: Path, name: str) -> object:
    return x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes()).public_key()


def test_a_key_that_does_not_fit_is_not_signed_again(folder: Path, tmp_path: Path) -> None:
    issue(folder, "c1", NOW)
    issue(folder, "c2", NOW)
    issue(folder, "broker", NOW, server_names=["broker.local"])
    found(tmp_path / "other", "garage", NOW)
    issue(tmp_path / "other", "c3", NOW)
    shutil.copy(tmp_path / "other" / "c3.pem", folder)
    shutil.copy(folder / "c2.key", folder / "c1.key")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for name, reason in [
        ("c1", "c1.key is not the key of .*c1.pem"),
        ("c3", "c3.pem is of another authority"),
        ("broker", "is not a user's"),
        ("ca", "is not a user's"),
        ("c9", "c9.pem is no certificate that can be read"),
    ]:
        with pytest.raises(PkiError, match=reason):
            renew_same_key(folder, name, NOW)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_servers_certificate_does_not_become_a_users_by_renewal(folder: Path) -> None:
    made = issue(folder, "broker", NOW, server_names=["broker.local"])
    with pytest.raises(PkiError, match=r"is a server's: renew it with `chargebus pki server"):
        issue(folder, "broker", NOW, renew=True)
    assert read(folder / "broker.pem") == made


@pytest.mark.parametrize(
    ("name", "role", "days"),
    [
        ("anna", "technician", 366),
        ("ledger", "", 731),
        ("influx_logger-2", "", 731),
        ("c1", "", 1461),
        ("m1", "meter", 1461),
    ],
)
def test_people_get_a_year_agents_two_and_devices_four(folder: Path, name: str, role: str, days: int) -> None:
    made = issue(folder, name, NOW, role=role)
    assert made.ends == NOW + timedelta(days=days)
    assert made.role == (role or {"c1": "charger", "influx_logger-2": "influx_logger"}.get(name, name))


def test_a_damaged_register_or_list_is_told_and_nothing_is_lost(folder: Path) -> None:
    issue(folder, "c1", NOW)
    with (folder / "issued.jsonl").open("a") as register:
        register.write("{half a line")
    with pytest.raises(PkiError, match=r"issued.jsonl, line 2 is damaged: remove that line"):
        serials_of(folder, ["c1"], NOW)
    revoke(folder, [5], NOW)
    (folder / "revoked.crl").write_bytes(b"\0" * 20)
    with pytest.raises(PkiError, match=r"revoked.crl cannot be read .*backup"):
        revoke(folder, [6], NOW)


@given(st.lists(st.sets(st.integers(1, 2**150), max_size=4), max_size=6))
def test_whatever_is_revoked_stays_revoked_and_each_list_is_newer(groups: list[set[int]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pki"
        found(folder, "garage", NOW)
        revoke(folder, (), NOW)
        made: list[datetime] = []
        for group in groups:
            before = (folder / "revoked.crl").read_bytes()
            known = revoked_serials(folder)
            revoke(folder, group, NOW)
            assert ((folder / "revoked.crl").read_bytes() == before) == (group <= known)
            crl = x509.load_pem_x509_crl((folder / "revoked.crl").read_bytes())
            if not group <= known:
                made.append(crl.last_update_utc)
            assert crl.last_update_utc < NOW, "no broker takes it for one of tomorrow"
            assert crl.next_update_utc is not None and crl.next_update_utc > NOW + timedelta(days=7300)
        assert revoked_serials(folder) == set().union(*groups)
        assert made == sorted(set(made))


def test_a_servers_names_are_not_changed_in_silence(folder: Path) -> None:
    issue(folder, "broker", NOW, server_names=["broker.local", "10.0.0.2"])
    with pytest.raises(PkiError, match=r"is for broker.local, 10.0.0.2: use --renew"):
        issue(folder, "broker", NOW, server_names=["other.local"])
    assert issue(folder, "broker", NOW, server_names=["other.local"], renew=True).alternative_names == ("other.local",)


@pytest.mark.parametrize("name", ["ca", "", "../c1", "C1", "a/b", "-x", "x" * 64, "a b"])
def test_names_that_are_none(folder: Path, name: str) -> None:
    with pytest.raises(PkiError, match="is no name"):
        issue(folder, name, NOW)


def test_without_an_authority_nothing_is_issued(tmp_path: Path) -> None:
    with pytest.raises(PkiError, match="pki init"):
        issue(tmp_path, "c1", NOW)


def test_openssl_agrees(folder: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("missing: openssl")
    issue(folder, "c1", datetime.now(UTC))
    done = subprocess.run(
        ["openssl", "verify", "-purpose", "sslclient", "-x509_strict", "-CAfile", "ca.pem", "c1.pem"],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    # An authority that is as young as this test but "from yesterday" is valid now.
    assert "c1.pem: OK" in done.stdout or "not yet valid" in done.stderr, done


def test_the_command_line(tmp_path: Path) -> None:
    runner = CliRunner()
    pki = ["--folder", str(tmp_path / "pki")]
    assert runner.invoke(app, ["pki", "init", "garage", *pki]).exit_code == 0
    assert "there already" in runner.invoke(app, ["pki", "init", "garage", *pki]).output
    assert runner.invoke(app, ["pki", "server", "localhost", "127.0.0.1", *pki]).exit_code == 0
    assert runner.invoke(app, ["pki", "issue", "c1", "ledger", *pki]).exit_code == 0
    shown = runner.invoke(app, ["pki", "status", "--json", *pki])
    assert shown.exit_code == 0
    rows = {row["name"]: row for row in json.loads(shown.output)}
    assert set(rows) == {"ca", "broker", "c1", "ledger"}
    assert rows["broker"]["server_names"] == ["localhost", "127.0.0.1"]
    (tmp_path / "pki/c1.key").unlink()
    kept = runner.invoke(app, ["pki", "issue", "c1", "ledger", *pki])
    assert (kept.exit_code, kept.output.count("its key is not here"), "pki renew c1" in kept.output) == (0, 1, True)
    issue(tmp_path / "pki", "old", datetime.now(UTC) - DEVICES_LAST + timedelta(days=29))
    due = runner.invoke(app, ["pki", "status", *pki])
    assert due.exit_code == 1
    assert "DUE" in next(line for line in due.output.splitlines() if line.startswith("old"))


@pytest.mark.broker
def test_mosquitto_takes_the_name_from_the_certificate(tmp_path: Path) -> None:
    folder, now = tmp_path / "pki", datetime.now(UTC)
    found(folder, "garage", now)
    issue(folder, "broker", now, server_names=["127.0.0.1", "localhost"])
    issue(folder, "c1", now)
    acl = tmp_path / "acl"
    acl.write_text("pattern readwrite own/%u/#\n")
    broker = start_broker(
        "installed",
        tmp_path,
        extra_conf=f"per_listener_settings false\nacl_file {acl}\n",
        listener_conf=f"cafile {folder}/ca.pem\ncertfile {folder}/broker.pem\nkeyfile {folder}/broker.key\n"
        "require_certificate true\nuse_identity_as_username true\n",
        wait_for_login=False,
    )
    try:
        heard: list[str] = []
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        client.tls_set(str(folder / "ca.pem"), str(folder / "c1.pem"), str(folder / "c1.key"))
        client.on_message = lambda _client, _data, message: heard.append(message.topic)
        client.on_connect = lambda *_: client.subscribe("own/#", 1)
        client.on_subscribe = lambda *_: [client.publish(f"own/{who}/x", "1", 1) for who in ("c2", "c1")]
        client.connect("localhost", broker.port)
        client.loop_start()
        eventually_sync(lambda: heard, 10, "the broker knows c1")
        assert heard == ["own/c1/x"], "c1 cannot write as c2"
        client.disconnect()
        client.loop_stop()
        stranger = paho.Client(paho.CallbackAPIVersion.VERSION2)
        stranger.tls_set(str(folder / "ca.pem"))
        with pytest.raises((ssl.SSLError, OSError)):
            stranger.connect("localhost", broker.port)
            stranger.loop()
            if stranger.loop() != paho.MQTT_ERR_SUCCESS:
                raise OSError("refused")
            raise AssertionError("let in without a certificate")
    finally:
        remove_broker(broker)
    assert {each.name for each in all_issued(folder)} == {"ca", "broker", "c1"}
    assert not read(folder / "c1.pem").server
