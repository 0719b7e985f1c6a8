"""A site's folder: complete, kept as it is by a second run, and never with a charger that is called like an agent."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.access.cards_file import read_cards
from agents.cli.pki.authority import read
from agents.cli.prepare.files import (
    COMPOSE_SECRETS,
    Kind,
    PrepareError,
    agent_tables,
    site_agents,
    wanted,
)
from agents.registry import AGENTS, load_site
from bus_schema.generate.acl import reserved_users
from tests.cli.conftest import Run

SITE_AGENTS = site_agents(AGENTS)


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(params=list(Kind))
def kind(request: pytest.FixtureRequest) -> Iterator[Kind]:
    yield request.param


def test_what_is_made_is_complete_and_private(kind: Kind, bare: Run, tmp_path: Path) -> None:
    folder = tmp_path / "garage"
    done = bare("prepare", "garage", "broker.lan", "10.0.0.2", "--folder", str(folder), "--for", kind, "--device", "c1")
    assert done.code == 0, done.err
    site = load_site(folder / "site.toml")
    assert site.site == "garage"
    without = set() if kind is Kind.COMPOSE else {"influx_logger"}
    assert set(site.tables) == set(SITE_AGENTS) - without, "measurements without a database would fill the disk"
    assert all(f"[{name}]\n" in site.text for name in SITE_AGENTS)
    assert read_cards(folder / "access/cards.csv") == {}
    for user in (*SITE_AGENTS, "technician", "technician-4", "healthcheck", "c1"):
        assert not read(folder / f"pki/{user}.pem").server
        assert (folder / f"pki/{user}.key").exists()
    assert {"broker.lan", "10.0.0.2", "localhost", "broker"} <= set(read(folder / "pki/broker.pem").alternative_names)
    assert "\nuser c1\n" in (folder / "broker/mosquitto.acl").read_text()
    assert (folder / "broker/revoked.crl").read_bytes().startswith(b"-----BEGIN X509 CRL-----")
    assert folder.stat().st_mode & 0o777 == 0o700, "nobody else gets at the files inside"
    assert (folder / "pki/ca.key").stat().st_mode & 0o777 == 0o600
    ports = [table["metrics_port"] for table in site.tables.values()]
    assert len(set(ports)) == (1 if kind is Kind.COMPOSE else len(ports)), "each where it does not collide"
    if kind is Kind.COMPOSE:
        drawn = [(folder / "secrets" / name).read_text() for name in COMPOSE_SECRETS]
        assert len(set(drawn)) == len(drawn)
        assert all(len(secret) >= 32 and not secret.endswith("\n") for secret in drawn)
        assert f"db.password = {drawn[-1]}" in (folder / "secrets/steve.properties").read_text()
        assert f"CHARGEBUS_FOLDER={folder}\n" in (folder / "compose.env").read_text()
    for text in (folder / "site.toml", folder / "compose.env"):
        if text.exists() and (folder / "secrets").exists():
            assert not any(secret in text.read_text() for secret in drawn)


def test_a_second_run_changes_nothing_and_adds_chargers(kind: Kind, bare: Run, tmp_path: Path) -> None:
    folder = tmp_path / "garage"
    run = ("prepare", "garage", "broker.lan", "--folder", str(folder), "--for", kind)
    bare(*run, "--device", "c1")
    (folder / "site.toml").write_text((folder / "site.toml").read_text() + "# mine\n")
    before = files(folder)
    again = bare(*run, "--device", "c1")
    assert (again.code, again.out) == (0, "")
    assert files(folder) == before
    assert bare(*run, "--device", "c2").out == f"made {folder}/pki/c2.pem\nupdated {folder}/broker/mosquitto.acl\n"
    after = files(folder)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"broker/mosquitto.acl", "pki/issued.jsonl"}
    assert set(after) - set(before) == {"pki/c2.pem", "pki/c2.key"}


def test_containers_can_read_the_cards_whatever_mask_the_user_has(bare: Run, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        assert bare("prepare", "garage", "broker.lan", "--folder", str(tmp_path / "made")).code == 0
    finally:
        os.umask(before)
    assert (tmp_path / "made/access").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "made/broker").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "made/access/cards.csv").stat().st_mode & 0o777 == 0o644


def test_the_access_list_follows_the_contract_and_the_site(bare: Run, tmp_path: Path) -> None:
    folder = tmp_path / "garage"
    run = ("prepare", "garage", "broker.lan", "--folder", str(folder), "--meter", "m1", "--person", "anna")
    bare(*run)
    acl, site = folder / "broker/mosquitto.acl", folder / "site.toml"
    text = acl.read_text()
    assert {"user m1", "user anna", "user anna-4", "user healthcheck"} <= set(text.splitlines())
    acl.write_text("# of an older version\n")
    assert bare(*run).out == f"updated {acl}\n"
    assert acl.read_text() == text
    stations = "[csms.stations.left]\nconnectors = 2\n[csms.stations.own]\non_bus = false\n"
    site.write_text(site.read_text() + stations.replace("]\n", "]\nwithout_password = true\n"))
    assert bare("pki", "apply", "--folder", str(folder / "pki"), "--no-reload").out == f"updated {acl}\n"
    written = {
        line for line in acl.read_text().splitlines() if line.startswith("topic write ev/v1/garage/charger/left")
    }
    assert {line.split("/")[4] for line in written} == {"left-1", "left-2"}
    assert "/charger/own-1/" not in acl.read_text()


def test_an_agent_that_came_with_an_update_is_told(bare: Run, tmp_path: Path) -> None:
    folder = tmp_path / "garage"
    run = ("prepare", "garage", "broker.lan", "--folder", str(folder))
    bare(*run)
    site = folder / "site.toml"
    table = agent_tables(wanted("garage", ["broker.lan"], Kind.COMPOSE, SITE_AGENTS, []))["ledger"]
    site.write_text(site.read_text().replace(table, ""))
    out = bare(*run).out
    assert "no table [ledger]" in out and table.strip() in out
    assert "[access]" not in out


@pytest.mark.parametrize("name", sorted({*reserved_users(), "broker", "ca", "C1", "a/b", "+", ""}))
def test_a_device_with_a_name_that_is_taken_or_none_is_refused(name: str, bare: Run, tmp_path: Path) -> None:
    done = bare("prepare", "garage", "b.lan", "--folder", str(tmp_path / "x"), "--device", name)
    assert done.code == 5
    assert "may be called" in done.err or "is not valid" in done.err
    assert not (tmp_path / "x").exists(), "nothing is made by a run that is refused"


@given(st.text(max_size=40))
def test_no_host_gets_through_that_is_none(text: str) -> None:
    try:
        asked = wanted("garage", [text], Kind.COMPOSE, [], [])
    except PrepareError:
        return
    assert asked.hosts == (text,)
    assert text.isascii() and not set(text) & set(" \n\t/#\"'$\\")


def test_keys_do_not_go_into_a_repository(bare: Run, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    done = bare("prepare", "garage", "b.lan", "--folder", "deploy/garage")
    assert done.code == 5
    assert "do not belong in git" in done.err


def test_another_host_is_not_added_in_silence(bare: Run, tmp_path: Path) -> None:
    folder = str(tmp_path / "x")
    bare("prepare", "garage", "b.lan", "--folder", folder)
    done = bare("prepare", "garage", "other.lan", "--folder", folder)
    assert done.code == 5
    assert "--renew" in done.err
