"""`flash`, `provision` and `device-log`: with a real MicroPython at a pseudo-terminal, and with one that fails."""

import json
import os
import pty
import shutil
import subprocess
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.cli.device import device, installing, signing
from agents.cli.device.installing import Difference, install, wanted_files
from agents.cli.exits import CliError
from bus_schema.generate.acl import reserved_users
from tests.cli.conftest import Run
from tests.firmware.app.images import key
from tests.missing import missing
from tests.waiting import eventually_sync

ROOT = Path(__file__).parents[2]


class Board:
    """A MicroPython at a serial line, with its own folder for files."""

    def __init__(self, program: str, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.marker = folder.parent / "resets"
        self._program = program
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        self._slave = slave
        self.start()

    def start(self) -> None:
        environment = os.environ | {"MICROPYPATH": f"{self.folder}/lib"}
        command = [self._program, str(Path(__file__).with_name("raw_repl.py")), str(self.marker)]
        # MicroPython speaks on the other end; pumps move the bytes, as a USB bridge does.
        self.process = subprocess.Popen(
            command, stdin=self._master, stdout=self._master, stderr=subprocess.STDOUT, env=environment, cwd="/"
        )

    @property
    def resets(self) -> int:
        return len(self.marker.read_text().splitlines()) if self.marker.exists() else 0

    def has_restarted(self, times: int) -> None:
        """Wait until it has; the command does not: the answer would be lost with the restart."""
        eventually_sync(lambda: self.resets >= times, what="the board restarts")
        assert self.resets == times

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self._slave)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    built = ROOT / "firmware/build/micropython"
    found = os.environ.get("MICROPYTHON") or shutil.which("micropython") or (str(built) if built.exists() else None)
    if found is None:
        missing("micropython (firmware/build_micropython_unix.sh makes one)")
    running = Board(found, tmp_path / "board")
    yield running
    running.stop()


IDENTITY_LINE = "--site garage --charger c1 --board olimex_esp32_poe --rated-current 16 --phases 3 --socket"
BROKER_LINE = "--broker 192.168.1.10 --password-file password"
IDENTITY, BROKER = IDENTITY_LINE.split(), BROKER_LINE.split()


@pytest.mark.micropython
def test_flash_and_provision_a_board(board: Board, bare: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One test for the whole life of a board: writing all files over the raw REPL takes its time."""
    # A copy, so that nobody edits what is compared.
    source = tmp_path / "source"
    shutil.copytree(ROOT / "firmware", source, ignore=shutil.ignore_patterns("build", "cp_pwm", "sim", "__pycache__"))
    monkeypatch.setattr(installing, "_source", lambda: source)
    where = [board.port, "--root", str(board.folder)]
    _app_is_flashed_and_verified(board, bare, where)
    _what_differs_is_told_and_mended(board, bare, where)
    _identity_and_credentials_are_written_once(board, bare, where, tmp_path)
    _one_part_changes_alone(bare, where, tmp_path)
    _certificate_and_key_go_together(board, bare, where)
    _wrong_values_are_refused(board, bare, where)
    _its_log_is_read(board, bare, where)


def _app_is_flashed_and_verified(board: Board, bare: Run, where: list[str]) -> None:
    empty = bare("provision", *where, *IDENTITY)
    assert (empty.code, "chargebus flash" in empty.err) == (1, True), empty.err

    first = bare("flash", *where)
    assert first.code == 0, first.err
    assert "verified; restarting" in first.out
    board.has_restarted(1)
    for path, data in wanted_files(str(board.folder)).items():
        assert Path(path).read_bytes() == data
    assert not (board.folder / "lib/firmware/app/seam.py").exists()

    again = bare("flash", *where)
    assert (again.code, "nothing to do" in again.out, board.resets) == (0, True, 1)


def _what_differs_is_told_and_mended(board: Board, bare: Run, where: list[str]) -> None:
    """Somebody changes a file, removes one and leaves one of an older version."""
    app = board.folder / "lib/firmware/app"
    (app / "leases.py").write_bytes(b"spoilt")
    (app / "limits.py").unlink()
    (app / "old.py").write_bytes(b"")
    check = bare("flash", *where, "--check", "--json")
    assert check.code == 1
    assert json.loads(check.out) == {
        "changed": [str(app / "leases.py")],
        "missing": [str(app / "limits.py")],
        "stale": [str(app / "old.py")],
    }
    assert bare("flash", *where).out.splitlines()[-1].startswith("2 of ")
    board.has_restarted(2)
    assert bare("flash", *where, "--check").code == 0


def _identity_and_credentials_are_written_once(board: Board, bare: Run, where: list[str], folder: Path) -> None:
    (folder / "password").write_text("topsecret\n")
    (folder / "maker.pub").write_text(signing.public_line(key()))
    incomplete = bare("provision", *where, "--site", "garage", "--charger", "c1")
    assert (incomplete.code, "missing" in incomplete.err) == (1, True), incomplete.err
    done = bare("provision", *where, *IDENTITY, *BROKER, "--firmware-key", "maker.pub")
    assert done.code == 0, done.err
    assert "charger c1 of site garage, olimex_esp32_poe: identity, broker written" in done.out
    board.has_restarted(3)
    same = bare("provision", *where, *IDENTITY, *BROKER, "--firmware-key", "maker.pub", "--json")
    assert same.json["changed"] == []
    assert board.resets == 3
    assert "topsecret" not in same.out + done.out
    kept = {path.name: json.loads(path.read_text()) for path in (board.folder / "nvs").iterdir()}
    assert kept["broker"]["password"] == "topsecret"
    assert int(kept["identity"]["firmware_keys"][0], 16) == key().public_key().public_numbers().n


def _one_part_changes_alone(bare: Run, where: list[str], folder: Path) -> None:
    part = bare("provision", *where, "--phases", "1", "--address", "10.0.0.5/255.255.255.0/10.0.0.1", "--json")
    assert part.json["changed"] == ["identity", "network"]
    assert part.json["values"]["identity"]["charger"] == "c1"
    assert bare("provision", *where, "--address", "dhcp", "--json").json["values"]["network"] == {}
    key = folder / "radio-key"
    key.write_text("radio key\n")
    radio = ("--network", "wlan:yard", "--wlan-key-file", str(key))
    joined = {"interface": "wlan", "ssid": "yard", "key": "***"}
    assert bare("provision", *where, *radio, "--json").json["values"]["network"] == joined
    assert bare("provision", *where, "--network", "lan", "--json").json["values"]["network"] == {"interface": "lan"}
    made_of = ("--driver", "meter=pulse", "--driver", "lock=motor", "--option", "pulses_per_kwh=500", "--no-mirror")
    values = bare("provision", *where, *made_of, "--json").json["values"]["identity"]
    assert (values["drivers"], values["options"]) == ({"meter": "pulse", "lock": "motor"}, {"pulses_per_kwh": 500})
    assert values["has_mirror"] is False


def _certificate_and_key_go_together(board: Board, bare: Run, where: list[str]) -> None:
    own = board.folder / "own.key"
    own.write_text("a private key")
    half = bare("provision", *where, "--key-file", str(own))
    assert (half.code, "cert_pem and key_pem belong together" in half.err) == (1, True), half.err
    both = bare("provision", *where, "--ca-file", str(own), "--cert-file", str(own), "--key-file", str(own), "--json")
    assert both.json["values"]["broker"]["key_pem"] == "***"
    assert json.loads((board.folder / "nvs/broker").read_text())["key_pem"] == "a private key"
    renewed = board.folder / "renewed.pem"
    renewed.write_text("a renewed certificate")
    bare("provision", *where, "--cert-file", str(renewed), "--json")
    stored = json.loads((board.folder / "nvs/broker").read_text())
    assert (stored["cert_pem"], stored["key_pem"]) == ("a renewed certificate", "a private key"), "the key stays"


def _wrong_values_are_refused(board: Board, bare: Run, where: list[str]) -> None:
    for line, words in (
        ("--board nothing", "board 'nothing' is not known"),
        ("--broker broker.example", "IPv4 address"),
        ("--rated-current 100", "rated_current_a is 6 to 80"),
        ("--phase-rotation L1,L1,L2", "phase_rotation"),
        ("--driver meter=sdm360", "there are: dc_charger, pulse, pzem004t, sdm120, sdm630"),
        ("--option meter_address=300", "meter_address is 1 to 248"),
    ):
        refused = bare("provision", *where, *line.split())
        assert (refused.code, words in refused.err) == (1, True), refused.err
    assert json.loads((board.folder / "nvs/identity").read_text())["board"] == "olimex_esp32_poe"


def _its_log_is_read(board: Board, bare: Run, where: list[str]) -> None:
    (board.folder / "chargebus").mkdir()
    (board.folder / "chargebus/log-0").write_bytes(b"#1\n1800000000000 5 it was here\n- 7 and here")
    log = bare("device-log", *where)
    assert log.out.splitlines() == ["2027-01-15T08:00:00.000Z +0.005s it was here", "date unknown +0.007s and here"]


@pytest.mark.micropython
def test_a_frozen_app_is_not_hidden_by_files(board: Board, bare: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        installing, "_RUNS_FROM", "import json\nprint(json.dumps(['firmware/app/version.py', '0.3.0']))"
    )
    outcome = bare("flash", board.port, "--root", str(board.folder))
    assert outcome.code == 1
    assert "frozen in (version 0.3.0)" in outcome.err
    assert not (board.folder / "lib").exists()


def test_ports_that_are_none(bare: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "ANSWER_S", 0.3)
    monkeypatch.setattr(device, "READ_S", 0.1)
    nowhere = bare("flash", str(tmp_path / "ttyUSB9"))
    assert (nowhere.code, "cannot open" in nowhere.err) == (4, True)
    master, slave = pty.openpty()
    tty.setraw(slave)
    try:
        silent = bare("flash", os.ttyname(slave))
        assert (silent.code, "answers as MicroPython does" in silent.err) == (4, True), silent.err
        assert silent.out == ""
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("name", sorted(reserved_users()))
def test_no_charger_is_called_like_an_agent(name: str, bare: Run) -> None:
    outcome = bare("provision", "/dev/null", "--charger", name)
    assert (outcome.code, "reserved" in outcome.err) == (2, True)


@pytest.mark.parametrize(
    "line",
    [
        "--charger Garage",
        "--charger a/b",
        "--charger +",
        "--site #",
        "--phases 4",
        "--broker host:port",
        "--address 10.0.0.1",
        "--network wifi",
        "--network wlan:",
        "--password-file nothing",
        "--password-file two",
        "--firmware-key two",
        "--ca-file nothing",
        "--cert-file nothing",
        "--key-file nothing",
        "--rated-current nan",
        "--driver pulse",
        "--option pulses_per_kwh=many",
    ],
)
def test_bad_values_are_refused_before_anything_is_opened(line: str, bare: Run, tmp_path: Path) -> None:
    (tmp_path / "two").write_text("one\ntwo\n")
    outcome = bare("provision", "/dev/null", *line.split())
    assert outcome.code == 2, outcome.err
    assert "cannot open" not in outcome.err


# --- a device that fails ---


class FakeDevice:
    """Files in memory; ``fails_after`` writes the cable is pulled, ``rots`` names what it keeps wrongly."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.fails_after: int | None = None
        self.rots = ""
        self.written: list[str] = []

    def run(self, script: str) -> Any:
        import hashlib

        if script.startswith("import os\nos.remove"):
            del self.files[script.split("(")[1].strip(")'\"")]
            return None
        return {path: hashlib.sha256(data).hexdigest() for path, data in self.files.items()}

    def write(self, path: str, data: bytes) -> None:
        if self.fails_after is not None and len(self.written) >= self.fails_after:
            raise CliError(device.ExitCode.UNREACHABLE, "the device is gone: pulled")
        self.written.append(path)
        self.files[path] = b"rotten" if path == self.rots else data

    def reset(self) -> None: ...


WANTED = {"/lib/firmware/a.py": b"a", "/lib/firmware/b.py": b"b", "/main.py": b"m"}


def nothing(_path: str) -> None: ...


def test_main_comes_last_and_a_pulled_cable_is_made_up_for() -> None:
    for after in range(3):
        board = FakeDevice()
        board.fails_after = after
        with pytest.raises(CliError, match="pulled"):
            install(board, WANTED, "", nothing)
        assert "/main.py" not in board.files
        board.fails_after = None
        board.written = []
        install(board, WANTED, "", nothing)
        assert board.files == WANTED
        assert len(board.written) == 3 - after
        assert not install(board, WANTED, "", nothing)


def test_what_the_device_does_not_hold_is_told() -> None:
    board = FakeDevice()
    board.rots = "/lib/firmware/b.py"
    with pytest.raises(CliError, match=r"does not hold what was written: /lib/firmware/b.py: changed"):
        install(board, WANTED, "", nothing)


def test_stale_files_are_removed() -> None:
    board = FakeDevice()
    board.files = WANTED | {"/lib/firmware/old.py": b"", "/main.py": b"other"}
    before = install(board, WANTED, "", nothing)
    assert before == Difference((), ("/main.py",), ("/lib/firmware/old.py",))
    assert board.files == WANTED


def test_what_is_installed_is_what_the_app_imports() -> None:
    files = wanted_files("")
    assert "/lib/firmware/app/charger.py" in files
    assert "/lib/firmware/boards/drivers/sdm.py" in files
    assert b"esp32_host" in files["/main.py"]
    assert not [path for path in files if "/sim/" in path or "cp_pwm" in path or path.endswith("seam.py")]
