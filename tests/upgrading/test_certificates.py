"""Certificates of the earlier version open the new broker's door, with its list of revoked ones, until revoked."""

import ssl
from pathlib import Path

import pytest

from agents.cli.pki.broker_door import Answer, knock
from agents.cli.prepare.files import Kind
from bus_schema.generate.mosquitto import BROKER_FOLDER
from tests.brokers import ProcessBroker, free_port, mosquitto
from tests.cli.conftest import Run
from tests.deploy.site import ROOT
from tests.missing import missing
from tests.upgrading.earlier_site import HOST, SITE, make_earlier


@pytest.mark.broker
def test_the_chargers_and_agents_of_the_earlier_version_are_let_in(bare: Run, tmp_path: Path) -> None:
    program = mosquitto()
    if program is None:
        missing("mosquitto")
    folder, port = tmp_path / "garage", free_port()
    make_earlier(folder, Kind.SYSTEMD, "c1", "c2")
    assert bare("prepare", SITE, HOST, "--folder", str(folder), "--for", "systemd").code == 0
    text = (ROOT / "deploy/mosquitto/mosquitto.conf").read_text().replace(BROKER_FOLDER, str(folder / "broker"))
    conf = tmp_path / "mosquitto.conf"
    text = text.replace("listener 8883", f"listener {port} 127.0.0.1")
    conf.write_text(f"{text}user root\npersistence_location {tmp_path}/\npid_file {folder}/broker.pid\n")
    broker = ProcessBroker("installed", [program, "-c", str(conf)], tmp_path, port, wait_for_login=False)
    try:
        assert [door(folder, name, port) for name in ("c1", "ledger", "technician")] == [Answer.LET_IN] * 3
        done = bare("pki", "revoke", "c1", "--folder", str(folder / "pki"), "--broker", f"127.0.0.1:{port}")
        assert done.code == 0, done.err
        assert "c1 is out: the broker refuses it" in done.out
        assert door(folder, "c2", port) is Answer.LET_IN
    finally:
        broker.stop()


def door(folder: Path, name: str, port: int) -> Answer:
    context = ssl.create_default_context(cafile=str(folder / "pki/ca.pem"))
    context.load_cert_chain(folder / f"pki/{name}.pem", folder / f"pki/{name}.key")
    return knock("127.0.0.1", port, context, name)
