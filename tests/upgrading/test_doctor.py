"""What an earlier version has left, the doctor names, with what to type."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from agents.cli.doctor import edge as doctor_edge
from agents.cli.doctor.broker_settings import read_settings
from agents.cli.doctor.examination import diagnose, examine
from agents.cli.doctor.folder import with_folder
from agents.cli.doctor.snapshot import Finding
from agents.cli.prepare.files import Kind
from agents.runtime.mqtt.options import MqttOptions
from bus_schema import topics
from bus_schema.words import Severity
from tests.bus_schema.mosquitto import mosquitto
from tests.cli.conftest import Run
from tests.cli.doctor_bus import example, healthy, said
from tests.upgrading.earlier_site import EARLIER, HOST, METER, SITE, make_earlier


def found_in(folder: Path, **changes: object) -> list[Finding]:
    return diagnose(with_folder(healthy(**changes), folder / "site.toml", {}))


@pytest.mark.broker
@pytest.mark.parametrize("logins", [1, 2])
async def test_agents_behind_the_earlier_access_list_are_not_called_healthy(
    logins: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker acknowledges what it throws away: no agent sees that its commands reach nobody."""
    monkeypatch.setattr(doctor_edge, "ANSWER_S", 0.5)
    users = ["technician", "technician-2"]
    with mosquitto(tmp_path, acl=(EARLIER / "mosquitto.acl").read_text(), users=users) as broker:
        options = [
            MqttOptions("127.0.0.1", broker.port, client_id="", username=name, password=name) for name in users[:logins]
        ]
        found = await examine(options, SITE, 0.2)
    (lost,) = [finding for finding in found if finding.where == "charger/+/command/from/+"]
    assert lost.severity is Severity.CRITICAL and "does not come through" in lost.what
    assert "chargebus prepare" in lost.remedy and "docs/upgrading.md" in lost.remedy


def test_each_setting_of_the_earlier_broker_that_opens_a_door_is_named() -> None:
    found = {finding.where for finding in diagnose(healthy(settings=read_settings(EARLIER / "mosquitto.conf")))}
    assert found == {"use_username_as_clientid", "crlfile", "max_packet_size", "max_connections"}


def test_a_folder_that_was_not_brought_over_is_named(tmp_path: Path, bare: Run) -> None:
    folder = tmp_path / "garage"
    make_earlier(folder, Kind.SYSTEMD, "c1")
    (finding,) = found_in(folder)
    assert (finding.severity, finding.check, finding.where) == (Severity.CRITICAL, "upgrade", str(folder))
    assert f"chargebus prepare SITE HOST… --folder {folder}" in finding.remedy
    bare("prepare", SITE, HOST, "--folder", str(folder), "--for", "systemd", "--device", "c1")
    assert found_in(folder) == []


@pytest.mark.parametrize("where", ["the bus", "site.toml"])
def test_a_charger_whose_certificate_is_elsewhere_is_named(where: str, tmp_path: Path, bare: Run) -> None:
    """The earlier list had a rule for every charger; now each needs a certificate in the folder to have rights."""
    folder = tmp_path / "garage"
    make_earlier(folder, Kind.SYSTEMD)
    text = METER.replace('meter = "grid"\n', "") + '[load_balancer.chargers.c1]\ncircuit = "garage"\n'
    if where == "site.toml":
        (folder / "site.toml").write_text((folder / "site.toml").read_text() + text)
    bare("prepare", SITE, HOST, "--folder", str(folder), "--for", "systemd")
    away = {} if where == "the bus" else {"live": (), "kept": healthy().kept[-1:]}
    (finding,) = [each for each in found_in(folder, **away) if each.where == "c1"]
    assert finding.severity is Severity.CRITICAL and "chargebus pki issue c1" in finding.remedy
    assert bare("pki", "issue", "c1", "--folder", str(folder / "pki"), "--no-reload").code == 0
    assert [each for each in found_in(folder, **away) if each.where == "c1"] == []


def test_a_meter_with_the_certificate_of_a_charger_is_named(tmp_path: Path, bare: Run) -> None:
    folder = tmp_path / "garage"
    prepare = ("prepare", SITE, HOST, "--folder", str(folder), "--for", "systemd", "--device", "c1")
    bare(*prepare, "--device", "grid")
    (folder / "site.toml").write_text((folder / "site.toml").read_text() + METER)
    (finding,) = [each for each in found_in(folder) if each.check == "acl"]
    assert finding.where == "grid" and "its readings are thrown away" in finding.what


def test_firmware_that_does_not_hear_commands_is_named() -> None:
    meta = example(topics.CHARGER_META, schema_version="1.0")
    bus = healthy()
    old = re.compile("/meta$")
    others = [heard for heard in bus.kept if not old.search(heard.topic)]
    (finding,) = diagnose(replace(bus, live=(), kept=(*others, said(topics.CHARGER_META, meta, kept=True))))
    assert (finding.severity, finding.check, finding.where) == (Severity.CRITICAL, "version", "c1")
    assert "does not hear commands" in finding.what and "chargebus flash" in finding.remedy


@pytest.mark.parametrize(("waiting", "named"), [(None, 0), (0, 0), (7, 1)])
def test_sessions_of_the_earlier_agents_that_fill_the_broker_are_named(waiting: int | None, named: int) -> None:
    found = diagnose(healthy(waiting_sessions=waiting))
    assert len(found) == named
    assert all("7 clients" in each.what and "docs/upgrading.md" in each.remedy for each in found)


def test_a_charger_that_is_away_is_no_session_of_an_earlier_version() -> None:
    bus = healthy(waiting_sessions=1)
    gone = said(topics.CHARGER_ONLINE, example(topics.CHARGER_ONLINE, online=False), kept=True, charger="c7")
    assert not [each for each in diagnose(replace(bus, kept=(*bus.kept, gone))) if "clients" in each.where]
