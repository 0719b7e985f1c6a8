"""One certificate is one client: what it cannot take from others, and how it is shut out. On a real Mosquitto."""

import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.cli.connection.logins import free_logins
from agents.cli.connection.target_choice import choose_target
from agents.cli.exits import CliError, ExitCode
from agents.cli.pki.authority import DEVICES_LAST, issue
from tests.cli.conftest import Run
from tests.tls_broker import TlsBroker, resident_kib, tls_broker
from tests.waiting import eventually_sync

pytestmark = pytest.mark.broker

EVENT = "ev/v1/garage/charger/{}/event"
OUT_WITHIN_S = 5.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[TlsBroker]:
    with tls_broker(tmp_path) as running:
        yield running


def test_one_chargers_certificate_takes_no_agent_off_the_bus(broker: TlsBroker) -> None:
    """With a client id that could be guessed it once ended every agent's connection."""
    ledger = broker.client("ledger", "garage-ledger", clean=False)
    ledger.listen(EVENT.format("+"))
    for guess in ("garage-ledger", "ledger"):
        rogue = broker.client("c1", guess)
        rogue.say(EVENT.format("c1"), guess)
        rogue.leave()
    eventually_sync(lambda: len(ledger.heard) == 2, 10, "the ledger is still there and hears it")
    assert ledger.lost == 0


def test_what_waits_for_an_agent_that_is_away_survives_another_of_its_client_id(broker: TlsBroker) -> None:
    """A single clean connection once destroyed the queue of the ledger."""
    ledger = broker.client("ledger", "garage-ledger", clean=False)
    ledger.listen(EVENT.format("+"))
    ledger.leave()
    c2 = broker.client("c2")
    for number in range(50):
        c2.say(EVENT.format("c2"), str(number))
    for guess in ("garage-ledger", "ledger"):
        broker.client("c1", guess, clean=True).leave()
    back = broker.client("ledger", "whatever", clean=False)
    eventually_sync(lambda: len(back.heard) == 50, 10, "all that waited")
    assert back.had_session and [int(payload) for _topic, payload in back.heard] == list(range(50))


def test_a_chargers_session_is_its_own(broker: TlsBroker) -> None:
    topic = "ev/v1/garage/charger/c2/event/ack"
    charger = broker.client("c2", "garage-c2", clean=False)
    charger.listen(topic)
    charger.leave()
    broker.client("ledger").say(topic, "kept")
    broker.client("c1", "garage-c2", clean=True).leave()
    broker.client("c1", "c2", clean=True).leave()
    back = broker.client("c2", "c2", clean=False)
    eventually_sync(lambda: back.heard == [(topic, b"kept")], 10, "what waited for c2")


def test_a_person_has_several_terminals_at_once(broker: TlsBroker) -> None:
    watching = broker.client("anna")
    broker.client("anna-2")
    watching.listen(EVENT.format("c1"))
    broker.client("c1").say(EVENT.format("c1"))
    eventually_sync(lambda: watching.heard, 10, "the first terminal still hears")
    assert watching.lost == 0


def refused(broker: TlsBroker, context: ssl.SSLContext) -> bool:
    """Tell whether the broker ends a connection with this certificate before it says anything."""
    try:
        with (
            socket.create_connection(("127.0.0.1", broker.port), 5) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as door,
        ):
            door.sendall(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x0a\x00\x02xx")
            return door.recv(4) == b""
    except (ssl.SSLError, ConnectionError):
        return True


def test_a_revoked_charger_is_out_within_five_seconds(broker: TlsBroker, bare: Run) -> None:
    """The connection that is open ends, a new one is refused, nobody else is disturbed, a replacement gets in."""
    stolen = broker.context("c1")
    thief, other, ledger = broker.client("c1", clean=False), broker.client("c2"), broker.client("ledger")
    thief.listen("ev/v1/garage/charger/c1/event/ack")
    ledger.listen(EVENT.format("+"))
    began_s = time.monotonic()
    done = bare("pki", "revoke", "c1", "--folder", str(broker.pki))
    took_s = time.monotonic() - began_s
    assert done.code == 0, done.err
    assert "c1 is out: the broker refuses it, and its connection has ended" in done.out
    assert took_s < OUT_WITHIN_S
    eventually_sync(lambda: thief.lost == 1, 1, "the thief's connection has ended")
    assert refused(broker, stolen)
    other.say(EVENT.format("c2"))
    eventually_sync(lambda: ledger.heard == [(EVENT.format("c2"), b"x")], 5, "the others go on")
    assert (other.lost, ledger.lost) == (0, 0)
    assert not (broker.pki / "c1.key").exists() and (broker.pki / "revoked/c1.pem").exists()
    replaced = bare("pki", "issue", "c1", "--folder", str(broker.pki))
    assert replaced.code == 0, replaced.err
    broker.client("c1").say(EVENT.format("c1"), "new")
    eventually_sync(lambda: ledger.heard[-1][1] == b"new", 5, "the replacement works")
    assert refused(broker, stolen), "the old certificate of the same name does not"


def test_every_login_of_a_person_is_revoked_and_renewed_certificates_too(broker: TlsBroker, bare: Run) -> None:
    before = broker.context("anna")
    assert bare("pki", "renew", "anna", "--folder", str(broker.pki)).code == 0
    renewed = [broker.context(name) for name in ("anna", "anna-4")]
    assert not refused(broker, before), "the old one is valid until it ends"
    done = bare("pki", "revoke", "anna", "--folder", str(broker.pki))
    assert done.code == 0, done.err
    assert done.out.startswith("revoked 8 certificates of anna, anna-2, anna-3, anna-4\n")
    assert all(refused(broker, context) for context in (before, *renewed))
    assert "user anna" not in (broker.folder / "broker/mosquitto.acl").read_text()


def test_the_old_certificate_is_valid_until_the_new_one_is_and_the_superseded_one_is_out(
    broker: TlsBroker, bare: Run
) -> None:
    before, key = broker.context("c1"), (broker.pki / "c1.key").read_bytes()
    assert bare("pki", "renew", "c1", "--same-key", "--folder", str(broker.pki)).code == 0
    renewed = broker.context("c1")
    assert (broker.pki / "c1.key").read_bytes() == key
    assert not refused(broker, before) and not refused(broker, renewed)
    done = bare("pki", "revoke", "c1", "--superseded", "--folder", str(broker.pki))
    assert done.code == 0, done.err
    assert done.out.startswith("revoked 1 earlier certificate of c1\n")
    assert refused(broker, before) and not refused(broker, renewed)
    assert "user c1" in (broker.folder / "broker/mosquitto.acl").read_text()
    again = bare("pki", "revoke", "c1", "--superseded", "--folder", str(broker.pki))
    assert again.code == 0 and again.out.startswith("revoked 0 earlier certificates of c1\n")
    assert not refused(broker, renewed)


def test_rights_end_at_once_even_where_the_connection_could_not_be_ended(broker: TlsBroker, bare: Run) -> None:
    thief, ledger = broker.client("c1"), broker.client("ledger")
    thief.listen("ev/v1/garage/charger/c1/event/ack")
    ledger.listen(EVENT.format("+"))
    assert bare("pki", "revoke", "c1", "--folder", str(broker.pki), "--no-reload").code == 0
    os.kill(broker.pid, signal.SIGHUP)
    # The order of one connection tells that the broker has read the list: what it is denied is not kept.
    eventually_sync(lambda: not _is_heard(ledger, thief), 5, "the thief's events are not taken any more")
    ledger.say("ev/v1/garage/charger/c1/event/ack")
    broker.client("c2").say(EVENT.format("c2"))
    assert thief.lost == 0 and thief.heard == []


def _is_heard(ledger: object, thief: object) -> bool:
    count = len(ledger.heard)  # type: ignore[attr-defined]
    thief.say(EVENT.format("c1"))  # type: ignore[attr-defined]
    deadline_s = time.monotonic() + 0.3
    while time.monotonic() < deadline_s:
        if len(ledger.heard) > count:  # type: ignore[attr-defined]
            return True
    return False


def test_a_name_without_a_certificate_cannot_be_revoked(broker: TlsBroker, bare: Run) -> None:
    done = bare("pki", "revoke", "c7", "--folder", str(broker.pki))
    assert done.code == 1
    assert "no certificate of 'c7'" in done.err and "c1, c2" in done.err


def test_a_broker_that_does_not_run_is_told_apart_from_one_that_refuses(tmp_path: Path, bare: Run) -> None:
    with tls_broker(tmp_path) as broker:
        broker.process.kill()
        done = bare("pki", "revoke", "c1", "--folder", str(broker.pki))
    assert done.code == 4, done.err
    assert "revoked 1 certificate of c1" in done.out
    assert "does not run" in done.err


def test_six_connections_that_announce_huge_packets_take_no_memory(broker: TlsBroker) -> None:
    """Before ``max_packet_size`` they took the broker from 20 to 561 MB."""
    idle_kib = resident_kib(broker.pid)
    for first in (b"\x10", b"\x30"):  # CONNECT before it is let in, PUBLISH after.
        doors = []
        for number in range(6):
            plain = socket.create_connection(("127.0.0.1", broker.port), 5)
            door = broker.context(("c1", "c2", "anna", "anna-2", "access", "csms")[number]).wrap_socket(
                plain, server_hostname="127.0.0.1"
            )
            doors.append(door)
            try:
                if first == b"\x30":
                    door.sendall(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x0a\x00\x02xx")
                    assert door.recv(4) == b"\x20\x02\x00\x00"
                door.sendall(first + b"\xff\xff\xff\x7f")
                for _ in range(64):
                    door.sendall(b"x" * 65536)
            except (ssl.SSLError, OSError):
                pass  # Closed at once: just as well.
        used_kib = resident_kib(broker.pid)
        for door in doors:
            door.close()
        assert used_kib <= 2 * idle_kib, (first, idle_kib, used_kib)


def doctor(broker: TlsBroker, bare: Run) -> set[tuple[str, str]]:
    """Run the doctor as a technician with the site's own files and return what it finds."""
    conf, config = str(broker.folder.parent / "mosquitto.conf"), str(broker.folder / "site.toml")
    done = bare("doctor", "--for", "1s", "--json", "--as", "anna", "--mosquitto-conf", conf, CHARGEBUS_CONFIG=config)
    assert done.code in (0, 1), done.err
    # No charger is there, which it says too.
    return {(finding["check"], finding["where"]) for finding in done.json} - {("chargers", "garage")}


def test_the_doctor_finds_nothing_wrong_with_the_configuration_of_deploy(broker: TlsBroker, bare: Run) -> None:
    assert doctor(broker, bare) == set()


def test_the_doctor_finds_a_broker_that_does_not_bind_client_ids_to_users(tmp_path: Path, bare: Run) -> None:
    with tls_broker(tmp_path, without=("use_username_as_clientid",)) as broker:
        assert ("identity", "client id") in doctor(broker, bare)


def test_the_doctor_finds_stale_rights_and_a_certificate_that_ends(broker: TlsBroker, bare: Run) -> None:
    issue(broker.pki, "c9", datetime.now(UTC) - DEVICES_LAST + timedelta(days=20), role="charger")
    assert doctor(broker, bare) == {("acl", "acl_file"), ("certificate", "c9")}
    assert bare("pki", "apply", "--folder", str(broker.pki)).code == 0
    assert doctor(broker, bare) == {("certificate", "c9")}


def test_a_person_has_as_many_commands_at_once_as_logins(broker: TlsBroker) -> None:
    target = choose_target(None, None, broker.folder / "site.toml", broker.folder, "anna")
    assert [login.options.username for login in target.logins] == ["anna", "anna-2", "anna-3", "anna-4"]
    with free_logins(target.logins) as (first,), free_logins(target.logins, 2) as two:
        assert [each.username for each in (first, *two)] == ["anna", "anna-2", "anna-3"]
        with (
            free_logins(target.logins),
            pytest.raises(CliError, match="end one of them") as caught,
            free_logins(target.logins),
        ):
            pass
    assert caught.value.code is ExitCode.FAILED
    with free_logins(target.logins) as (again,):
        assert again.username == "anna"
