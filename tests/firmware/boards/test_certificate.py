"""What the firmware reads of a certificate."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.cli.pki.authority import found, issue, renew_same_key
from firmware.boards.certificate import Certificate
from tests.firmware.boards.certificates import NOW, OLD, certificate


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


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.binary().map(lambda data: data.decode("latin-1"))), st.integers(0, len(OLD)))
def test_any_other_text_is_refused_in_words(text: str, at: int) -> None:
    for broken in (text, OLD[:at] + text + OLD[at + 1 :], OLD[: at - 1]):
        try:
            Certificate(broken)
        except ValueError:
            continue
        assert "BEGIN CERTIFICATE" in broken
