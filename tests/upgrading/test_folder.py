"""A folder that the version before issue 11 has made comes over with `prepare`, once, and keeps what it had."""

import tomllib
from pathlib import Path

import pytest
from cryptography import x509

from agents.cli.pki.authority import all_issued, read
from agents.cli.pki.register import signed
from agents.cli.pki.revocation import revoked_serials
from agents.cli.prepare.files import Kind
from agents.cli.whole_file import KEPT
from agents.registry import load_site
from tests.cli.conftest import Run
from tests.upgrading.earlier_site import EARLIER, HOST, METER, SITE, make_earlier


def prepare(bare: Run, folder: Path, kind: Kind, *more: str):
    return bare("prepare", SITE, HOST, "--folder", str(folder), "--for", kind, *more)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_folder_of_the_earlier_version_is_brought_over_once(kind: Kind, bare: Run, tmp_path: Path) -> None:
    folder = tmp_path / "garage"
    make_earlier(folder, kind, "c1")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = prepare(bare, folder, kind, "--device", "c1")
    assert done.code == 0, done.err
    changed = {str(path.relative_to(folder)) for path, data in before.items() if path.read_bytes() != data}
    assert changed == (set() if kind is Kind.SYSTEMD else {"site.toml", "secrets/steve.properties"})
    for name in changed:
        assert (folder / f"{name}{KEPT}").read_bytes() == before[folder / name], "as it was"
        assert f"{name}" in done.out
    acl = (folder / "broker/mosquitto.acl").read_text()
    assert "topic write ev/v1/garage/charger/+/command/from/technician" in acl and "pattern" not in acl
    assert "\nuser c1\n" in acl and (folder / "broker/revoked.crl").exists()
    load_site(folder / "site.toml")
    assert prepare(bare, folder, kind, "--device", "c1").out == "", "once"


def test_every_agent_gets_its_own_role_in_the_database(bare: Run, tmp_path: Path) -> None:
    """With the shared one, `roles` of compose.yaml ends with an error and no agent starts."""
    folder = tmp_path / "garage"
    make_earlier(folder, Kind.COMPOSE)
    prepare(bare, folder, Kind.COMPOSE)
    store = tomllib.loads((folder / "site.toml").read_text())["store"]
    assert store["url"] == "postgresql://{agent}@postgres/chargebus"
    assert store["password_file"] == "/run/secrets/{agent}.postgres.password"
    assert len((folder / "secrets/ledger.postgres.password").read_text()) >= 32


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("", "sessions would be lost with every restart"),
        ('url = "postgresql://me@db/x"\n', "each agent now has its own"),
    ],
)
def test_records_that_a_container_would_lose_are_not_risked(store: str, words: str, bare: Run, tmp_path: Path) -> None:
    folder = tmp_path / "garage"
    make_earlier(folder, Kind.COMPOSE)
    text = (folder / "site.toml").read_text()
    head, rest = text.split("[store]\n")
    (folder / "site.toml").write_text(f"{head}[store]\n{store}\n[log]{rest.split('[log]')[1]}")
    done = prepare(bare, folder, Kind.COMPOSE)
    assert done.code == 5
    assert words in done.err and "[store]" in done.err and "{agent}" in done.err


def test_steve_does_not_meet_lines_that_only_its_old_build_filled_in(bare: Run, tmp_path: Path) -> None:
    folder = tmp_path / "garage"
    make_earlier(folder, Kind.COMPOSE)
    prepare(bare, folder, Kind.COMPOSE)
    now = (folder / "secrets/steve.properties").read_text().splitlines()
    gone = set((EARLIER / "steve.properties").read_text().splitlines()) - set(now)
    assert {line.partition(" ")[0] for line in gone} == {"steve.version", "git.describe"}
    assert "auth.password = not-a-secret" in now


@pytest.mark.parametrize("told", [(), ("--meter", "grid")])
def test_a_grid_meter_does_not_become_a_charger(told: tuple[str, ...], bare: Run, tmp_path: Path) -> None:
    """Old certificates tell no role; as a charger's, the meter's readings would be thrown away without a word."""
    folder = tmp_path / "garage"
    make_earlier(folder, Kind.SYSTEMD, "c1", "grid")
    old = read(folder / "pki/grid.pem").serial
    if not told:
        (folder / "site.toml").write_text((folder / "site.toml").read_text() + METER)
    done = prepare(bare, folder, Kind.SYSTEMD, *told)
    assert done.code == 0, done.err
    assert "pki/grid.pem" in done.out and "stays valid" in done.out
    assert read(folder / "pki/grid.pem").role == "meter"
    acl = (folder / "broker/mosquitto.acl").read_text()
    assert "topic write ev/v1/garage/grid/grid/telemetry" in acl and "/charger/grid/" not in acl
    assert old not in revoked_serials(folder / "pki"), "the meter has it"
    assert prepare(bare, folder, Kind.SYSTEMD, *told).out == "", "once"


def test_a_certificate_that_tells_its_role_is_not_changed_in_silence(bare: Run, tmp_path: Path) -> None:
    folder = tmp_path / "garage"
    prepare(bare, folder, Kind.SYSTEMD, "--device", "c1")
    done = prepare(bare, folder, Kind.SYSTEMD, "--meter", "c1")
    assert done.code == 5
    assert "is that of a charger, not of a meter" in done.err and "chargebus pki revoke c1" in done.err


def test_what_was_signed_before_there_was_a_register_can_be_revoked_after_it_was_renewed(
    bare: Run, tmp_path: Path
) -> None:
    """A stolen charger has the old certificate; only the new one used to be known."""
    folder = tmp_path / "garage"
    make_earlier(folder, Kind.SYSTEMD, "c1")
    pki = folder / "pki"
    old = {each.name: each.serial for each in all_issued(pki)}
    assert bare("pki", "renew", "c1", "--folder", str(pki)).code in (0, 5)
    assert {each.serial for each in signed(pki)} == {*old.values(), read(pki / "c1.pem").serial} - {old["ca"]}
    prepare(bare, folder, Kind.SYSTEMD)
    assert bare("pki", "revoke", "c1", "--folder", str(pki), "--no-reload").code == 0
    assert old["c1"] in revoked_serials(pki)
    crl = x509.load_pem_x509_crl((folder / "broker/revoked.crl").read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(old["c1"]) is not None


@pytest.mark.parametrize("command", ["apply", "issue"])
def test_a_folder_that_was_not_brought_over_says_what_to_type(command: str, bare: Run, tmp_path: Path) -> None:
    folder = tmp_path / "garage"
    make_earlier(folder, Kind.SYSTEMD)
    words = ("pki", command, *(["c9"] if command == "issue" else []))
    done = bare(*words, "--folder", str(folder / "pki"), "--no-reload")
    assert done.code == 5
    assert "revoked.crl is missing" in done.err
    assert f"chargebus prepare SITE HOST… --folder {folder}" in done.err and "docs/upgrading.md" in done.err
    assert not (folder / "broker").exists(), "nothing half-made that a broker would start with"
