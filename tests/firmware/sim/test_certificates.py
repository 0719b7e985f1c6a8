"""Virtual chargers with certificates of their own."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents.cli.pki.authority import found, issue
from firmware.sim.__main__ import main
from firmware.sim.broker_login import BrokerLogin, LoginError


def test_each_has_its_own_and_a_missing_one_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pki = tmp_path / "pki"
    found(pki, "garage", datetime.now(UTC))
    issue(pki, "c1", datetime.now(UTC))
    login = BrokerLogin("localhost", 8883, pki=pki)
    context = login.context("c1")
    assert context is not None and context.check_hostname
    assert len(context.get_ca_certs()) == 1, "no authority but the site's"
    with pytest.raises(LoginError, match="certificates of c2"):
        login.context("c2")
    options = ["--site", "garage", "--data", str(tmp_path / "data"), "--pki", str(pki)]
    assert main([*options, "--chargers", "2"]) == 2
    assert "certificates of c2" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
