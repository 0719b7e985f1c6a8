"""deploy/install.sh can be run twice; its services are what systemd takes and give an agent few rights."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from agents.cli.exits import ExitCode
from tests.deploy.site import CHARGEBUS, ROOT, environment
from tests.missing import missing

UNITS = ROOT / "deploy/systemd"
AGENTS_GROUP = 50000
SCRIPTS = [
    str(path.relative_to(ROOT)) for folder in ("deploy", "tests") for path in sorted((ROOT / folder).rglob("*.sh"))
]


def install(target: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(ROOT / "deploy/install.sh"), *arguments],
        cwd="/", env=environment(DESTDIR=str(target), CHARGEBUS=CHARGEBUS[0]),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_it_can_be_run_twice(tmp_path: Path) -> None:
    first = install(tmp_path, "garage", "broker.lan", "--device", "c1")
    assert first.returncode == 0, first.stderr
    settings, broker = tmp_path / "etc/chargebus", tmp_path / "etc/mosquitto"
    for name in ("ca.pem", "broker.pem", "broker.key"):
        assert (broker / "chargebus" / name).read_bytes() == (settings / "pki" / name).read_bytes()
    assert (broker / "chargebus/broker.key").stat().st_mode & 0o777 == 0o600
    assert (broker / "chargebus/mosquitto.acl").read_text() == (settings / "broker/mosquitto.acl").read_text()
    assert (broker / "conf.d/chargebus.conf").read_text() == (ROOT / "deploy/mosquitto/mosquitto.conf").read_text()
    assert (settings / "limits.nft").read_text() == (ROOT / "deploy/nftables/limits.nft").read_text()
    assert 'include "/etc/chargebus/limits.d/*.nft"' in (settings / "limits.nft").read_text()
    assert (settings / "limits.d").is_dir()
    assert (tmp_path / "opt/chargebus/agents/registry.py").exists()
    assert not list((tmp_path / "opt/chargebus").rglob("__pycache__"))
    (settings / "site.toml").write_text((settings / "site.toml").read_text() + "# mine\n")
    (broker / "conf.d/chargebus.conf").write_text("# of an older version\n")
    before = {path: path.read_bytes() for path in settings.rglob("*") if path.is_file()}
    second = install(tmp_path, "garage", "broker.lan", "--device", "c1")
    assert second.returncode == 0, second.stderr
    assert second.stdout == f"installed {broker}/conf.d/chargebus.conf\n"
    assert {path: path.read_bytes() for path in settings.rglob("*") if path.is_file()} == before
    assert not list(tmp_path.rglob("*.new"))


def as_agent(number: int, folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script with the rights of an agent's user, in the group of all agents, as the unit does."""
    return subprocess.run(
        ["sh", "-c", script], cwd=folder, user=number, group=AGENTS_GROUP, extra_groups=[], umask=0o077,
        capture_output=True, text=True, timeout=20,
    )  # fmt: skip


def test_an_agent_neither_reads_nor_removes_the_files_of_another(tmp_path: Path) -> None:
    """X6: one Unix user for all agents let each read the others' databases and keys."""
    if os.geteuid() != 0:
        missing("root, who alone can act as other users")
    unit = (UNITS / "chargebus@.service").read_text()
    assert "User=chargebus-%i\nGroup=chargebus\n" in unit and "UMask=0077\n" in unit
    assert install(tmp_path, "garage", "broker.lan").returncode == 0
    data = tmp_path / "var/lib/chargebus"
    assert data.stat().st_mode & 0o7777 == 0o3770
    with tempfile.TemporaryDirectory(prefix="chargebus-users-") as open_to_all:
        folder = Path(open_to_all)
        folder.chmod(0o755)
        shared = folder / "data"
        shared.mkdir()
        os.chown(shared, 0, AGENTS_GROUP)
        shared.chmod(data.stat().st_mode & 0o7777)
        assert as_agent(50001, shared, "echo mine >ledger.sqlite3").returncode == 0
        for attempt in ("cat ledger.sqlite3", "echo x >ledger.sqlite3", "rm -f ledger.sqlite3", "mv ledger.sqlite3 x"):
            assert as_agent(50002, shared, attempt).returncode != 0, attempt
        assert (shared / "ledger.sqlite3").read_text() == "mine\n"
        assert as_agent(50002, shared, "echo mine >csms.sqlite3 && rm csms.sqlite3").returncode == 0


def test_wrong_arguments_install_nothing(tmp_path: Path) -> None:
    assert install(tmp_path).returncode == 2
    assert install(tmp_path, "--help").returncode == 0
    assert list(tmp_path.iterdir()) == []
    refused = install(tmp_path, "garage", "broker.lan", "--device", "ledger")
    assert refused.returncode != 0 and "may be called 'ledger'" in refused.stderr
    assert not (tmp_path / "etc").exists()


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze")
    # The program is not installed where the tests run; everything else is checked as it stands.
    text = (UNITS / "chargebus@.service").read_text()
    assert "/opt/chargebus/.venv/bin/chargebus agent %i --config /etc/chargebus/site.toml" in text
    (tmp_path / "chargebus@.service").write_text(text.replace("/opt/chargebus/.venv/bin/chargebus", "/bin/true"))
    (tmp_path / "chargebus@ledger.service").symlink_to(tmp_path / "chargebus@.service")
    for name in ("chargebus.target", "chargebus-limits.service"):
        (tmp_path / name).write_text((UNITS / name).read_text())
    names = ("chargebus@ledger.service", "chargebus.target", "chargebus-limits.service")
    units = [str(tmp_path / name) for name in names]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "chargebus" in line]
    assert (done.returncode, ours) == (0, [])
    security = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", str(tmp_path / "chargebus@.service")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", security.stdout)
    assert level is not None, security.stdout + security.stderr
    assert float(level[1]) < 2.0, "systemd's own scale: 0 is nothing, 10 everything"


def test_a_wrong_configuration_is_not_tried_for_ever() -> None:
    found = re.search(r"^RestartPreventExitStatus=(\d+)$", (UNITS / "chargebus@.service").read_text(), re.MULTILINE)
    assert found is not None and int(found[1]) == ExitCode.CONFIGURATION


def test_shellcheck_finds_nothing() -> None:
    if shutil.which("shellcheck") is None:
        missing("shellcheck")
    done = subprocess.run(
        ["shellcheck", "-x", *SCRIPTS, ".ci/run"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_plain_shell_and_name_no_machine(script: str) -> None:
    subprocess.run(["sh", "-n", script], cwd=ROOT, check=True)
    text = (ROOT / script).read_text()
    for word in ("pypi.org", "debian.org", "/work/", "pythonhosted", "docker.io/"):
        assert word not in text, (script, word)
