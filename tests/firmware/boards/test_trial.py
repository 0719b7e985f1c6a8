"""A new certificate in NVS: what each boot makes of what it finds, and what it writes before it uses anything."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from firmware.boards.file_nvs import FileNvs
from firmware.boards.login import ATTEMPTS, CertificateLogin, open_tls, read_broker
from firmware.boards.nvs import BROKER, CANDIDATE, TRIAL, Nvs
from firmware.boards.trial import BOOTS, Trial
from tests.firmware.app.fakes import MemoryStorage
from tests.firmware.boards.certificates import (
    BROKER_ENTRY,
    NEW,
    NEW_ENDS,
    NOW,
    OLD,
    OLD_ENDS,
    OTHER_KEYS,
    OTHER_NAMES,
    certificate,
    utc_ms,
)

pytestmark = pytest.mark.usefixtures("quick_boots")


class Client:
    """What is known of the connection."""

    def __init__(self) -> None:
        self.failures = 0
        self.last_error = ""


class Bench:
    """A charger's NVS, and the boots on it."""

    def __init__(self) -> None:
        self.flash = MemoryStorage()
        self.nvs = Nvs(FileNvs(self.flash))
        self.nvs.write_object(BROKER, BROKER_ENTRY)
        self.client = Client()
        self.network = True

    def boot(self) -> tuple[str, Trial]:
        """Return the certificate that this boot logs in with, and its trial."""
        entry, trial = read_broker(self.nvs)
        assert entry is not None and entry | {"cert_pem": OLD} == BROKER_ENTRY
        return entry["cert_pem"], trial

    def login(self) -> CertificateLogin:
        used, trial = self.boot()
        return CertificateLogin(trial, self.client, used, lambda: self.network)

    def staged(self) -> None:
        self.boot()[1].stage(NEW, "id-1", "technician (anna)")

    def names(self) -> set[str]:
        return set(self.flash.files)


def test_a_candidate_is_tried_by_the_next_boot_and_moved_by_the_one_after_its_proof() -> None:
    bench = Bench()
    bench.staged()
    used, trial = bench.boot()
    assert (used, trial.is_on, trial.command) == (NEW, True, ("id-1", "technician (anna)"))
    assert bench.nvs.read_object(BROKER) == BROKER_ENTRY, "it is not there until it is proven"
    trial.keep()
    assert trial.is_kept and trial.is_unmoved and not trial.is_on
    trial.tell()
    used, trial = bench.boot()
    assert (used, trial.is_on, trial.is_unmoved, trial.command) == (NEW, False, False, None)
    assert bench.nvs.read_object(BROKER) == BROKER_ENTRY | {"cert_pem": NEW}
    assert CANDIDATE not in bench.names()
    assert bench.boot()[0] == NEW


def test_what_was_not_answered_is_answered_by_the_next_boot() -> None:
    bench = Bench()
    bench.staged()
    bench.boot()[1].keep()
    _, trial = bench.boot()
    assert trial.is_kept and trial.command == ("id-1", "technician (anna)")
    assert bench.boot()[1].command is None, "once"


def test_one_that_was_given_up_is_dropped_with_the_reason() -> None:
    bench = Bench()
    bench.staged()
    bench.boot()[1].give_up("OSError: -30592 " + "ü" * 200)
    used, trial = bench.boot()
    assert (used, trial.is_on, trial.is_refused) == (OLD, False, True)
    assert trial.reason.startswith("OSError: -30592") and len(trial.reason) <= 100
    assert CANDIDATE not in bench.names()


def test_an_attempt_is_counted_before_it_is_used_and_there_are_two() -> None:
    """A boot that dies in the trial, however early, must not be repeated for ever."""
    bench = Bench()
    bench.staged()
    for boot in range(1, BOOTS + 1):
        assert bench.boot()[0] == NEW
        assert bench.flash.files[TRIAL] == b"%d" % boot
    used, trial = bench.boot()
    assert used == OLD and "restarted 2 times" in trial.reason and not trial.is_refused
    assert CANDIDATE not in bench.names()


def test_one_that_cannot_be_counted_is_not_tried() -> None:
    bench = Bench()
    bench.staged()
    bench.flash.full = True
    used, trial = bench.boot()
    assert used == OLD and not trial.is_on and "the flash refuses" in trial.reason


def test_an_old_word_never_speaks_for_a_new_candidate() -> None:
    """Were the word still there when the candidate is written, one that nobody has tried would count as proven."""
    for word in (b"proven", b"told", b"spent for another reason", b"2"):
        for writes in range(3):
            bench = Bench()
            bench.flash.files[TRIAL] = word
            trial = bench.boot()[1]
            with bench.flash.power_lost_at_write(writes):
                trial.stage(NEW, "id-1", "technician")
            used, trial = bench.boot()
            assert (used == NEW) == trial.is_on, (word, writes)
            assert bench.nvs.read_object(BROKER) == BROKER_ENTRY


@pytest.mark.parametrize("answered", [False, True])
def test_power_lost_at_every_write_of_the_move_leaves_the_new_one(answered: bool) -> None:
    for writes in range(3):
        bench = Bench()
        bench.staged()
        trial = bench.boot()[1]
        trial.keep()
        if answered:
            trial.tell()
        with bench.flash.power_lost_at_write(writes):
            bench.boot()
        used, trial = bench.boot()
        assert used == NEW and trial.is_kept == (writes < 2)
        assert bench.nvs.read_object(BROKER) == BROKER_ENTRY | {"cert_pem": NEW}
        assert CANDIDATE not in bench.names()


def test_power_lost_at_every_write_on_the_way_leaves_one_of_both() -> None:
    story: tuple[Callable[[Trial], None], ...] = (
        lambda trial: trial.stage(NEW, "id-1", "technician"),
        lambda trial: trial.keep(),
        lambda trial: None,
    )
    for writes in range(8):
        bench = Bench()
        kept = False
        with bench.flash.power_lost_at_write(writes):
            for step in story:
                trial = bench.boot()[1]
                step(trial)
                kept = kept or trial.is_kept
        used, trial = bench.boot()
        assert used == NEW if kept else used == (NEW if trial.is_on else OLD), writes
        if trial.is_on:
            # Nothing was proven: it ends, and with the old one.
            bench.boot()
            bench.boot()
            assert bench.boot()[0] == OLD


def test_a_flash_that_refuses_the_move_uses_the_proven_one_all_the_same() -> None:
    bench = Bench()
    bench.staged()
    bench.boot()[1].keep()
    bench.flash.full = True
    used, trial = bench.boot()
    assert used == NEW and trial.is_unmoved
    bench.flash.full = False
    used, trial = bench.boot()
    assert used == NEW and not trial.is_unmoved and CANDIDATE not in bench.names()


LATER = certificate(NEW_ENDS + timedelta(days=1))
OTHER_KEYS_OLD = certificate(OLD_ENDS, ec.generate_private_key(ec.SECP256R1()))
OTHER_NAMES_OLD = certificate(OLD_ENDS, name="c2")


@pytest.mark.parametrize("provisioned", [LATER, NEW, OTHER_KEYS_OLD, OTHER_NAMES_OLD, "nonsense", None])
@pytest.mark.parametrize("word", [b"", b"1", b"proven", b"told", b"spent by it"])
def test_what_was_provisioned_meanwhile_is_not_replaced(provisioned: str | None, word: bytes) -> None:
    bench = Bench()
    bench.staged()
    bench.nvs.write(TRIAL, word)
    values: dict[str, Any] = BROKER_ENTRY | {"cert_pem": provisioned}
    entry = {name: value for name, value in values.items() if value is not None}
    bench.nvs.write_object(BROKER, entry)
    assert read_broker(bench.nvs)[0] == entry
    assert bench.nvs.read_object(BROKER) == entry and CANDIDATE not in bench.names()


@pytest.mark.parametrize(
    "damaged", [b"{", b"[]", b"{}", b'{"cert_pem":"x","command":1}', b"\xff", b'{"command":["a"]}']
)
def test_a_damaged_candidate_is_dropped(damaged: bytes) -> None:
    bench = Bench()
    bench.nvs.write(CANDIDATE, damaged)
    assert bench.boot()[0] == OLD and CANDIDATE not in bench.names()


def test_a_damaged_word_keeps_nobody_from_logging_in() -> None:
    for word in (b"spent \xff", b"\xff\xff", b"1x", b"-1"):
        bench = Bench()
        bench.staged()
        bench.nvs.write(TRIAL, word)
        for _ in range(BOOTS + 1):
            used = bench.boot()[0]
        assert used == OLD


def test_a_candidate_that_tls_does_not_take_is_dropped_in_the_same_boot() -> None:
    bench = Bench()
    bench.staged()

    def make(ca_pem: str, cert_pem: str | None, key_pem: str | None) -> Any:
        if cert_pem == NEW:
            raise ValueError("invalid cert")
        return (ca_pem, cert_pem, key_pem)

    entry, trial = read_broker(bench.nvs)
    assert entry is not None
    assert open_tls(make, entry, trial) == ("ca", OLD, "key")
    assert entry["cert_pem"] == OLD and not trial.is_on and trial.is_refused and "invalid cert" in trial.reason
    assert CANDIDATE not in bench.names()


def test_a_broken_certificate_of_the_entry_itself_is_told() -> None:
    def make(*_texts: str | None) -> Any:
        raise ValueError("invalid cert")

    entry, trial = read_broker(Bench().nvs)
    assert entry is not None
    with pytest.raises(ValueError, match="invalid cert"):
        open_tls(make, entry, trial)


# --- what the application sees ----------------------------------------------------------------------------------------


def test_its_end_is_the_old_ones_until_the_new_one_is_proven() -> None:
    bench = Bench()
    bench.staged()
    login = bench.login()
    assert login.ends_ts == utc_ms(OLD_ENDS)
    login.trial.keep()
    assert login.ends_ts == utc_ms(NEW_ENDS) == bench.login().ends_ts


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        (OTHER_KEYS, "for another key"),
        (OTHER_NAMES, "for another name"),
        (NEW + OLD, "not one certificate"),
        ("-----BEGIN PRIVATE KEY-----", "not one certificate"),
        (OLD, "does not end later"),
        (certificate(NOW - timedelta(days=1)), "does not end later"),
    ],
)
def test_what_cannot_take_its_place_is_refused_before_anything_is_written(pem: str, words: str) -> None:
    bench = Bench()
    with pytest.raises(ValueError, match=words):
        bench.login().check(pem)
    assert bench.names() == {BROKER}


def test_the_broker_is_taken_at_its_word_after_several_attempts() -> None:
    bench = Bench()
    login = bench.login()
    bench.client.last_error = "OSError: -30592"
    for bench.client.failures in range(ATTEMPTS):
        assert login.refusal is None
    bench.client.failures += 1
    assert login.refusal == "OSError: -30592"


def test_attempts_without_a_network_say_nothing_about_the_certificate() -> None:
    bench = Bench()
    login = bench.login()
    bench.network = False
    bench.client.failures, bench.client.last_error = 10, "OSError: 118"
    assert login.refusal is None
    bench.network = True
    assert login.refusal is None
    bench.client.failures += ATTEMPTS
    assert login.refusal is not None
