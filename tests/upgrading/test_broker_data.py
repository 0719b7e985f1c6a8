"""The sessions of the earlier version's agents do not stay in the broker, where they would take its memory."""

import subprocess
from pathlib import Path

from agents.cli.prepare.files import Kind
from agents.cli.up.earlier import set_broker_data_aside
from bus_schema.generate.mosquitto import local_conf
from tests.deploy.site import CHARGEBUS, ROOT, environment
from tests.upgrading.earlier_site import EARLIER, make_earlier


def test_up_sets_the_brokers_data_aside_once(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    database, conf = tmp_path / "broker/mosquitto.db", tmp_path / "mosquitto.conf"
    assert list(set_broker_data_aside(tmp_path)) == [], "a new folder"
    database.write_bytes(b"sessions of garage-ledger")
    conf.write_text((EARLIER / "up.conf").read_text())
    (line,) = set_broker_data_aside(tmp_path)
    kept = tmp_path / "broker/mosquitto.db.before-upgrade"
    assert str(kept) in line and kept.read_bytes() == b"sessions of garage-ledger"
    database.write_bytes(b"new")
    conf.write_text(local_conf(1883, tmp_path))
    assert list(set_broker_data_aside(tmp_path)) == []
    assert database.read_bytes() == b"new"


def test_install_brings_the_earlier_brokers_files_over_once(tmp_path: Path) -> None:
    settings, broker, data = (tmp_path / name for name in ("etc/chargebus", "etc/mosquitto", "var/lib/mosquitto"))
    make_earlier(settings, Kind.SYSTEMD, "c1")
    for folder in (broker / "conf.d", broker / "chargebus", data):
        folder.mkdir(parents=True)
    (broker / "conf.d/chargebus.conf").write_text((EARLIER / "mosquitto.conf").read_text())
    for name in ("ca.pem", "broker.pem", "broker.key"):
        (broker / "chargebus" / name).write_bytes((settings / "pki" / name).read_bytes())
    (broker / "chargebus/mosquitto.acl").write_text((EARLIER / "mosquitto.acl").read_text())
    (data / "mosquitto.db").write_bytes(b"old sessions")
    first = install(tmp_path)
    assert first.returncode == 0, first.stderr
    assert "set aside" in first.stdout
    assert (data / "mosquitto.db.before-upgrade").read_bytes() == b"old sessions"
    assert "command/from/" in (broker / "chargebus/mosquitto.acl").read_text()
    assert "use_username_as_clientid true" in (broker / "conf.d/chargebus.conf").read_text()
    (data / "mosquitto.db").write_bytes(b"new sessions")
    second = install(tmp_path)
    assert (second.returncode, second.stdout) == (0, "")
    assert (data / "mosquitto.db").read_bytes() == b"new sessions"


def install(target: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["sh", str(ROOT / "deploy/install.sh"), "garage", "broker.lan", "--device", "c1"],
        cwd="/", env=environment(DESTDIR=str(target), CHARGEBUS=CHARGEBUS[0]),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
