"""Backups: of a site that goes on working, whole or not there, restored into empty places only."""

import gzip
import io
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.cli.backup.archive import DamagedArchive, check
from agents.cli.main import COMMANDS
from tests.cli.conftest import Run
from tests.missing import missing
from tests.waiting import eventually_sync

SECRET = "hunter2-of-the-broker"
SITE_TOML = """\
site = "garage"
data_dir = "var"
[broker]
password_file = "secrets/{agent}.password"
[access]
cards_file = "access/cards.csv"
"""


def make_site(folder: Path, toml: str = SITE_TOML) -> Path:
    for name in ("pki", "secrets", "access", "limits.d", "var"):
        (folder / name).mkdir(parents=True)
    (folder / "site.toml").write_text(toml)
    (folder / "pki/ca.key").write_text("a key")
    (folder / "pki/ca.key").chmod(0o600)
    (folder / "secrets/ledger.password").write_text(SECRET)
    (folder / "access/cards.csv").write_text("uid\n04C4A26E5B1680\n")
    (folder / "limits.d/office.nft").write_text("# the office's router may send more\n")
    (folder / "var/notes.txt").write_text("a note")
    with closing(sqlite3.connect(folder / "var/ledger.sqlite3")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE pair (first INTEGER, second INTEGER)")
        database.commit()
    return folder / "site.toml"


def pairs(path: Path) -> list[tuple[int, int]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT first, second FROM pair").fetchall()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return make_site(tmp_path / "garage")


def test_there_and_back(site: Path, bare: Run, tmp_path: Path) -> None:
    with closing(sqlite3.connect(site.parent / "var/ledger.sqlite3")) as database:
        database.execute("INSERT INTO pair VALUES (1, 1)")
        database.commit()
        # The row is in the WAL only: nobody has closed the database yet.
        made = bare("backup", "monday.tar.gz", "--config", str(site))
        assert made.code == 0, made.err
    assert "InfluxDB" in made.out and "not in it" in made.out
    archive = tmp_path / "monday.tar.gz"
    assert archive.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    back = tmp_path / "back"
    done = bare("restore", str(archive), "--folder", str(back))
    assert done.code == 0, done.err
    assert pairs(back / "var/ledger.sqlite3") == [(1, 1)]
    kept = ("site.toml", "pki/ca.key", "secrets/ledger.password", "access/cards.csv", "limits.d/office.nft")
    for name in (*kept, "var/notes.txt"):
        assert (back / name).read_bytes() == (site.parent / name).read_bytes()
        assert (back / name).stat().st_mode == (site.parent / name).stat().st_mode
    assert not list(back.rglob("*-wal"))


def test_while_it_is_written_to_every_copy_is_of_one_moment(site: Path, bare: Run, tmp_path: Path) -> None:
    stop = threading.Event()
    database = site.parent / "var/ledger.sqlite3"

    def write() -> None:
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            number = 0
            while not stop.is_set():
                number += 1
                with connection:  # One transaction: the two rows belong together.
                    connection.execute("INSERT INTO pair VALUES (?, 0)", (number,))
                    connection.execute("INSERT INTO pair VALUES (?, 1)", (number,))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        counts = []
        for number in range(5):
            archive = tmp_path / f"{number}.tar.gz"
            assert bare("backup", str(archive), "--config", str(site)).code == 0
            back = tmp_path / str(number)
            assert bare("restore", str(archive), "--folder", str(back)).code == 0
            rows = pairs(back / "var/ledger.sqlite3")
            assert len(rows) % 2 == 0, "half a transaction"
            assert [first for first, _ in rows] == [n for n in range(1, len(rows) // 2 + 1) for _ in (0, 1)]
            counts.append(len(rows))
    finally:
        stop.set()
        writer.join()
    assert counts == sorted(counts) and counts[-1] > 0


def test_a_folder_that_holds_anything_is_refused(site: Path, bare: Run, tmp_path: Path) -> None:
    bare("backup", "a.tar.gz", "--config", str(site))
    before = sorted(path.name for path in site.parent.rglob("*"))
    done = bare("restore", "a.tar.gz", "--folder", str(site.parent))
    assert done.code == 1
    assert "is not empty: nothing was restored" in done.err
    assert sorted(path.name for path in site.parent.rglob("*")) == before
    (tmp_path / "empty").mkdir()
    assert bare("restore", "a.tar.gz", "--folder", "empty").code == 0


def test_data_elsewhere_go_back_there_or_where_one_says(bare: Run, tmp_path: Path) -> None:
    data = tmp_path / "state"
    site = make_site(tmp_path / "etc", SITE_TOML.replace('"var"', f'"{data}"'))
    (site.parent / "var").rename(data)
    assert bare("backup", "a.tar.gz", "--config", str(site)).code == 0
    occupied = bare("restore", "a.tar.gz", "--folder", "new")
    assert occupied.code == 1 and f"{data} is not empty" in occupied.err
    assert not (tmp_path / "new").exists()
    assert bare("restore", "a.tar.gz", "--folder", "new", "--data", "new-data").code == 0
    assert (tmp_path / "new-data/notes.txt").read_text() == "a note"
    data.rename(tmp_path / "old")
    assert bare("restore", "a.tar.gz", "--only", "data").code == 0
    assert (data / "notes.txt").read_text() == "a note"
    assert (tmp_path / "new/site.toml").exists()


def test_a_site_of_containers_fits_its_new_place(bare: Run, tmp_path: Path) -> None:
    toml = make_site(tmp_path / "site")
    (tmp_path / "site/compose.env").write_text(f"COMPOSE_PROJECT_NAME=garage\nCHARGEBUS_FOLDER={tmp_path}/site\n")
    assert bare("backup", str(tmp_path / "a.tar.gz"), "--config", str(toml)).code == 0
    new = tmp_path / "new"
    assert bare("restore", str(tmp_path / "a.tar.gz"), "--folder", str(new)).code == 0
    assert (new / "compose.env").read_text() == f"COMPOSE_PROJECT_NAME=garage\nCHARGEBUS_FOLDER={new}\n"
    # A container of another user is handed this folder; everything else, file by file.
    assert {path.name for path in new.iterdir() if path.is_dir() and path.stat().st_mode & 0o005} == {"access"}


def test_a_file_outside_is_named_as_missing(bare: Run, tmp_path: Path) -> None:
    (tmp_path / "cards.csv").write_text("uid\n")
    site = make_site(tmp_path / "x", SITE_TOML.replace("access/cards.csv", str(tmp_path / "cards.csv")))
    assert f"not in it: {tmp_path / 'cards.csv'}" in bare("backup", "a.tar.gz", "--config", str(site)).out


def test_a_damaged_database_is_told_and_no_archive_left(site: Path, bare: Run, tmp_path: Path) -> None:
    path = site.parent / "var/ledger.sqlite3"
    with closing(sqlite3.connect(path)) as database:
        database.executemany("INSERT INTO pair VALUES (?, ?)", [(n, n) for n in range(5000)])
        database.commit()
    content = bytearray(path.read_bytes())
    content[5000:9000] = os.urandom(4000)
    path.write_bytes(content)
    done = bare("backup", "a.tar.gz", "--config", str(site))
    assert done.code == 1
    assert "no backup was made" in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["garage"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("archive")
    site = make_site(folder / "garage")
    subprocess.run(
        [sys.executable, "-m", "agents.cli.main", "backup", str(folder / "a.tar.gz"), "--config", str(site)], check=True
    )
    return (folder / "a.tar.gz").read_bytes()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_goes_unseen(archive: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    # The gzip header's own time, flags and operating system do not matter; neither does what tar pads with.
    unpacked = bytearray(gzip.decompress(archive))
    path = tmp_path_factory.getbasetemp() / "damaged.tar.gz"
    if data.draw(st.booleans(), "cut off"):
        path.write_bytes(archive[: data.draw(st.integers(0, len(archive) - 1))])
    else:
        with tarfile.open(fileobj=io.BytesIO(unpacked)) as tar:
            inside = [entry for entry in tar if entry.size > 0]
        entry = data.draw(st.sampled_from(inside))
        position = entry.offset_data + data.draw(st.integers(0, entry.size - 1))
        if entry.name == "manifest.json" and unpacked[position : position + 1] in b" \n":
            return
        unpacked[position] ^= 0x41
        path.write_bytes(gzip.compress(bytes(unpacked), 1))
        if entry.name == "manifest.json":
            # What the manifest says of times and versions is not checked, what it says of files is.
            before = json.loads(gzip_manifest(archive))
            try:
                after = json.loads(unpacked[entry.offset_data : entry.offset_data + entry.size])
            except ValueError:
                after = None
            if after is not None and after.get("members") == before["members"] and after.get("format") == 1:
                return
    with pytest.raises(DamagedArchive):
        check(path)


@pytest.mark.parametrize("missing_bytes", [1, 4, 5, 8])
def test_the_last_bytes_count_too(missing_bytes: int, archive: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.tar.gz"
    path.write_bytes(archive[:-missing_bytes])
    with pytest.raises(DamagedArchive):
        check(path)
    path.write_bytes(archive[:-8] + bytes(byte ^ 1 for byte in archive[-8:]))
    with pytest.raises(DamagedArchive):
        check(path)


def gzip_manifest(archive: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        stream = tar.extractfile("manifest.json")
        assert stream is not None
        return stream.read()


def test_a_damaged_archive_restores_nothing(archive: bytes, bare: Run, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(archive[:-40])
    done = bare("restore", "a.tar.gz", "--folder", "back")
    assert done.code == 1
    assert "is not a whole backup" in done.err and "nothing was restored" in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz"]
    (tmp_path / "b.tar.gz").write_bytes(archive)
    assert bare("restore", "b.tar.gz", "--check").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "b.tar.gz"]


@pytest.mark.parametrize("name", ["site/../../evil", "/etc/evil", "site", "elsewhere/x", "site/./x"])
def test_no_name_leads_out_of_the_folder(name: str, archive: bytes, bare: Run, tmp_path: Path) -> None:
    manifest = json.loads(gzip_manifest(archive))
    manifest["members"] = [{"name": name, "length": 0, "sha256": "0" * 64, "mode": 0o600}]
    text = json.dumps(manifest).encode()
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as tar:
        for entry_name, content in (("manifest.json", text), (name, b"")):
            entry = tarfile.TarInfo(entry_name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    done = bare("restore", "evil.tar.gz", "--folder", "back")
    assert done.code == 1 and "out of the folder" in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.tar.gz"]


def killed(traces: Callable[[], bool], after_s: float, *arguments: str) -> bool:
    """Kill `chargebus ARGUMENTS` so long after the first traces of its work; tell whether it was still working."""
    command = [sys.executable, "-m", "agents.cli.main", *arguments]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually_sync(lambda: traces() or running.poll() is not None, 90)
    time.sleep(after_s)
    running.send_signal(signal.SIGKILL)
    return running.wait() == -signal.SIGKILL


@pytest.mark.slow
def test_killed_in_the_middle(site: Path, bare: Run, tmp_path: Path) -> None:
    # Enough to be in the middle of something whenever the kill comes.
    for number in range(25):
        (site.parent / f"var/{number}.bin").write_bytes(os.urandom(1_000_000))
    archive, back = tmp_path / "a.tar.gz", tmp_path / "back"
    assert bare("backup", str(archive), "--config", str(site)).code == 0
    whole = archive.read_bytes()
    draw = random.Random(6)
    hits = 0
    for _ in range(6):
        working = ("backup", str(archive), "--config", str(site))
        hits += killed(lambda: any(tmp_path.glob(".a.tar.gz.*")), draw.uniform(0, 0.6), *working)
        check(archive)  # The old one or the new one, but whole.
    for _ in range(6):
        working = ("restore", str(archive), "--folder", str(back))
        hits += killed(lambda: any(tmp_path.glob(".back.*")) or back.exists(), draw.uniform(0, 0.3), *working)
        if back.exists():
            assert sorted(p.name for p in (back / "var").iterdir()) == sorted(
                p.name for p in (site.parent / "var").iterdir() if not p.name.endswith(("-wal", "-shm"))
            ), "the folder appears with everything in it"
            back.rename(tmp_path / f"done-{draw.random()}")
    assert hits >= 4, "the kills came too late to mean anything"
    assert archive.stat().st_size == pytest.approx(len(whole), rel=0.01)
    assert bare("backup", str(archive), "--config", str(site)).code == 0
    assert bare("restore", str(archive), "--folder", str(back)).code == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == [], "and cleans up after them"


@pytest.mark.postgresql
def test_postgresql_goes_there_and_back(
    bare: Run, tmp_path: Path, postgresql_server: object, postgresql_url: str
) -> None:
    import shutil

    import psycopg

    if shutil.which("pg_dump") is None:
        missing("pg_dump")
    site = make_site(tmp_path / "garage", f'{SITE_TOML}[store]\nurl = "{postgresql_url}"\n')
    with psycopg.connect(postgresql_url) as connection:
        connection.execute("CREATE TABLE session_of_test (id int PRIMARY KEY, energy_wh bigint)")
        connection.execute("INSERT INTO session_of_test VALUES (1, 12345)")
    made = bare("backup", "a.tar.gz", "--config", str(site))
    assert made.code == 0, made.err
    assert "1 of them of PostgreSQL" in made.out
    occupied = bare("restore", "a.tar.gz", "--folder", "back")
    assert occupied.code == 1 and "is not empty" in occupied.err
    assert not (tmp_path / "back").exists(), "all of it or nothing"
    with psycopg.connect(postgresql_url) as connection:
        connection.execute("DROP TABLE session_of_test")
    done = bare("restore", "a.tar.gz", "--folder", "back")
    assert done.code == 0, done.err
    with psycopg.connect(postgresql_url) as connection:
        assert connection.execute("SELECT * FROM session_of_test").fetchall() == [(1, 12345)]


def test_both_are_commands() -> None:
    assert {"backup", "restore"} <= set(COMMANDS)
