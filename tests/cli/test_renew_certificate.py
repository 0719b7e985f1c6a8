"""`renew-certificate`: what is in the authority's folder at every moment, whatever the charger says or does not say."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.cli.commanding import renew_certificate
from agents.cli.pki import renewal as pki_renewal
from agents.cli.pki.authority import found, issue, read, renew_same_key
from agents.cli.pki.register import signed
from agents.cli.pki.revocation import revoke, revoked_serials
from bus_schema.command import Command, RenewCertificate
from bus_schema.words import ReplyCode, ReplyStage
from firmware.boards.certificate import Certificate
from tests.cli.conftest import Outcome, Run
from tests.cli.scripted_charger import DONE, Answer, ScriptedCharger

pytestmark = pytest.mark.broker

ACCEPTED: Answer = (ReplyStage.ACCEPTED, ReplyCode.OK, "")
FAILED: Answer = (ReplyStage.FAILED, ReplyCode.BAD_CERTIFICATE, "the broker does not let the charger in with it (x)")
OCCUPIED: Answer = (ReplyStage.REJECTED, ReplyCode.OCCUPIED, "another certificate is being tried")
BAD: Answer = (ReplyStage.REJECTED, ReplyCode.BAD_CERTIFICATE, "it is for another key than this charger's")


@dataclass
class Bench:
    """An authority's folder with a certificate of c1 that ends in 20 days, and c1, which uses that."""

    pki: Path
    charger: ScriptedCharger
    run: Callable[..., Outcome]

    def __post_init__(self) -> None:
        self.now = datetime.now(UTC)
        found(self.pki, "garage", self.now - timedelta(days=1441))
        self.old = issue(self.pki, "c1", self.now - timedelta(days=1441))
        revoke(self.pki, (), self.now)
        self.pem = self.path.read_bytes()
        self.charger.has_certificate(ends_ms(self.path))

    @property
    def path(self) -> Path:
        return self.pki / "c1.pem"

    @property
    def waiting(self) -> Path:
        return self.pki / "c1.pem.new"

    def renew(self) -> Outcome:
        return self.run("renew-certificate", "c1", "--timeout", "20")

    def renew_without_answer(self, monkeypatch: pytest.MonkeyPatch) -> Outcome:
        """Type it where the charger does not say what became of it: wait a moment only."""
        with monkeypatch.context() as patched:
            patched.setattr(renew_certificate, "ANSWERED_WITHIN_S", 0.5)
            return self.run("renew-certificate", "c1", "--timeout", "1")

    def takes_it(self, command: Command) -> list[Answer]:
        """Answer as a charger does that the broker lets in with the new one."""
        assert isinstance(command, RenewCertificate)
        self.charger.takes_certificate(Certificate(command.certificate_pem).ends_ts)
        return [ACCEPTED, *DONE]

    def has_changed(self) -> bool:
        return self.path.read_bytes() != self.pem or revoked_serials(self.pki) != frozenset()

    def has_finished(self) -> bool:
        """Tell whether the new one is in its place and the old one, alone, revoked."""
        serials = {each.serial for each in signed(self.pki) if each.name == "c1"} - {read(self.path).serial}
        return not self.waiting.exists() and self.old.serial in serials and revoked_serials(self.pki) == serials


def ends_ms(path: Path) -> int:
    return round(read(path).ends.timestamp() * 1000)


@pytest.fixture
def bench(charger: ScriptedCharger, chargebus: Run, tmp_path: Path) -> Bench:
    return Bench(tmp_path / "pki", charger, chargebus)


def test_the_new_one_is_sent_then_put_in_its_place_and_only_then_the_old_one_is_revoked(bench: Bench) -> None:
    changed_before_done = []

    def answers(command: Command) -> list[Answer]:
        changed_before_done.append(bench.has_changed())
        return bench.takes_it(command)

    bench.charger.answers = answers
    done = bench.renew()
    assert done.code == 0, done.err
    assert changed_before_done == [False]
    assert bench.has_finished()
    old, new = Certificate(bench.pem.decode()), Certificate(bench.path.read_text())
    assert (old.subject, old.public_key) == (new.subject, new.public_key) and new.ends_ts > old.ends_ts
    (sent,) = bench.charger.commands
    assert isinstance(sent, RenewCertificate) and sent.certificate_pem == bench.path.read_text()
    assert (bench.path.stat().st_mode & 0o777) == 0o644
    assert "revoked 1 earlier certificate\n" in done.out
    assert "the running broker does not know that yet: give it pki/revoked.crl" in done.out


@pytest.mark.parametrize("last", [FAILED, BAD, OCCUPIED])
def test_one_that_the_charger_does_not_use_is_taken_away_and_nothing_is_revoked(bench: Bench, last: Answer) -> None:
    bench.charger.answers = lambda _command: [ACCEPTED, last]
    failed = bench.renew()
    assert failed.code == 1 and last[2] in failed.err
    assert "Nothing has changed: c1 uses pki/c1.pem, and pki/c1.pem.new was taken away" in failed.err
    assert not bench.has_changed() and not bench.waiting.exists()


@pytest.mark.parametrize("first", [[], [ACCEPTED]])
def test_without_an_answer_both_stay_and_the_next_attempt_finds_out_which_is_used(
    bench: Bench, first: list[Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.charger.answers = lambda _command: first
    unknown = bench.renew_without_answer(monkeypatch)
    assert unknown.code == 3 and "both are valid. Type this again later" in unknown.err
    assert not bench.has_changed() and bench.waiting.exists()
    # Which is superseded is not known: the wrong one would shut the charger out.
    refused = bench.run("pki", "revoke", "c1", "--superseded")
    assert refused.code == 1 and "chargebus renew-certificate c1 asks it" in refused.err
    assert not bench.has_changed()

    bench.charger.has_certificate(ends_ms(bench.waiting))
    done = bench.renew()
    assert done.code == 0 and "an earlier attempt has succeeded" in done.out
    assert len(bench.charger.commands) == 1, "it is not sent again"
    assert bench.has_finished()


def test_the_next_attempt_sends_the_same_one_where_the_old_one_is_still_used(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.charger.answers = lambda _command: []
    assert bench.renew_without_answer(monkeypatch).code == 3
    bench.charger.answers = lambda _command: [OCCUPIED]
    busy = bench.renew()
    assert busy.code == 1 and "both are valid" in busy.err
    assert bench.waiting.exists() and not bench.has_changed(), "the charger may be trying it"
    bench.charger.answers = bench.takes_it
    assert bench.renew().code == 0
    texts = {each.certificate_pem for each in bench.charger.commands if isinstance(each, RenewCertificate)}
    assert len(texts) == 1 and len(bench.charger.commands) == 3
    assert bench.has_finished()


def test_a_refusal_that_comes_after_the_earlier_attempts_success_takes_nothing_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our question and our command the charger has begun to use it, and has no use for it a second time."""
    bench.charger.answers = lambda _command: []
    assert bench.renew_without_answer(monkeypatch).code == 3

    def answers(command: Command) -> list[Answer]:
        bench.takes_it(command)
        return [BAD]

    bench.charger.answers = answers
    assert bench.renew().code == 0
    assert bench.has_finished()


def test_one_for_a_key_that_the_charger_has_no_more_is_forgotten(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.charger.answers = lambda _command: []
    assert bench.renew_without_answer(monkeypatch).code == 3
    issue(bench.pki, "c1", bench.now - timedelta(days=1), renew=True)
    assert pki_renewal.waiting(bench.pki, "c1") is None
    assert bench.run("pki", "revoke", "c1", "--superseded").code == 0
    bench.charger.has_certificate(ends_ms(bench.path))
    bench.charger.answers = bench.takes_it
    assert bench.renew().code == 0
    assert not bench.waiting.exists()


def test_a_charger_that_says_nothing_of_a_certificate_is_left_alone(bench: Bench) -> None:
    bench.charger.has_certificate(None)
    refused = bench.renew()
    assert refused.code == 1 and "logs in with a password, or its firmware is older" in refused.err
    assert bench.charger.commands == [] and not bench.waiting.exists()
    assert len(list(signed(bench.pki))) == 1, "nothing was signed"


def test_what_cannot_be_signed_is_said_before_the_charger_hears_of_it(bench: Bench) -> None:
    revoke(bench.pki, [bench.old.serial], bench.now)
    assert "is revoked: give it a new key" in bench.renew().err
    assert "c2.pem is no certificate that can be read" in bench.run("renew-certificate", "c2", "--folder", "pki").err
    (bench.pki / "ca.key").unlink()
    assert "ca.key is missing beside ca.pem" in bench.renew().err
    assert bench.charger.commands == [] and not bench.waiting.exists()


def test_an_end_that_is_not_later_is_not_sent(bench: Bench) -> None:
    renew_same_key(bench.pki, "c1", bench.now + timedelta(days=2))
    bench.charger.has_certificate(ends_ms(bench.path))
    assert "ends as late as one that is made now" in bench.renew().err
    assert bench.charger.commands == [] and not bench.waiting.exists()


def test_status_and_doctor_name_the_command(bench: Bench) -> None:
    assert "DUE: chargebus renew-certificate c1\n" in bench.run("pki", "status").out
    issue(bench.pki, "ledger", bench.now - timedelta(days=720))
    issue(bench.pki, "c9", bench.now - timedelta(days=1470))
    lines = bench.run("pki", "status").out.splitlines()
    assert [line.split("  ")[-1] for line in lines if line.startswith(("ledger", "c9"))] == ["DUE: renew it"] * 2


def test_in_json_the_answer_alone_is_on_standard_output(bench: Bench) -> None:
    bench.charger.answers = bench.takes_it
    done = bench.run("renew-certificate", "c1", "--json")
    assert done.json["stage"] == "done" and "revoked 1" in done.err
