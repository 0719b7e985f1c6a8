"""A setting of the earlier version that is not taken any more says where it stands and what is taken instead."""

from pathlib import Path
from typing import Any

import pytest

from agents.registry import load_site, settings_type
from agents.runtime.configuration.config_errors import ConfigError
from bus_schema.__main__ import main
from tests.upgrading.earlier_site import EARLIER

CHARGER = '[load_balancer.circuits.g]\nlimit_a = 63\n[load_balancer.chargers.c1]\ncircuit = "g"\n'


@pytest.mark.parametrize(
    ("agent", "table", "says"),
    [
        ("csms", "[csms.stations.wallbox]\n", ("wallbox has no password", "password_file", "without_password = true")),
        ("load_balancer", f"{CHARGER}voltage_v = 400\n", ("voltage_v", "300")),
        ("load_balancer", f"{CHARGER}voltage_v = 60\n", ("voltage_v", "100")),
    ],
)
def test_a_setting_that_is_not_taken_any_more_says_what_is(
    agent: str, table: str, says: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "site.toml"
    file.write_text((EARLIER / "systemd.toml").read_text() + table)
    with pytest.raises(ConfigError) as error:
        _settings(file, agent)
    assert all(word in str(error.value) for word in (str(file), *says)), str(error.value)


def test_a_keepalive_that_the_broker_refuses_is_refused_first(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text((EARLIER / "systemd.toml").read_text().replace("[broker]\n", "[broker]\nkeepalive_s = 600\n"))
    with pytest.raises(ConfigError, match=r"keepalive_s.*300"):
        load_site(file)


@pytest.mark.parametrize("kind", ["compose", "systemd"])
def test_what_the_earlier_version_wrote_itself_is_taken(kind: str) -> None:
    site = load_site(EARLIER / f"{kind}.toml")
    assert all(_settings(site.path, agent) is not None for agent in site.tables)


def test_the_command_for_access_lists_that_is_gone_says_what_replaces_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--acl", "garage"])
    assert end.value.code == 2
    assert "`chargebus prepare` and `chargebus pki apply` make access lists" in capsys.readouterr().err


def _settings(file: Path, agent: str) -> Any:
    return load_site(file).settings(agent, settings_type(agent))
