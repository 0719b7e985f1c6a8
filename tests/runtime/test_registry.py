"""The list of agents: every one can be loaded, and the sample configuration shows them all."""

from pathlib import Path

import pytest

from agents.registry import AGENTS, UnknownAgent, load_agent, load_site, sample_site_toml, settings_type
from agents.runtime.agent import Agent
from agents.runtime.bus import role_of
from agents.runtime.configuration.site_config import AgentSettings, ConfigError


@pytest.mark.parametrize("name", AGENTS)
def test_every_agent_loads_under_its_name(name: str) -> None:
    agent_type = load_agent(name)
    assert issubclass(agent_type, Agent)
    assert agent_type.name == name
    assert role_of(name) is not None, "the broker's access list knows it"
    assert issubclass(agent_type.settings_type, AgentSettings)
    assert settings_type(name) is agent_type.settings_type


def test_unknown_agent_is_told_which_there_are() -> None:
    with pytest.raises(UnknownAgent, match=r"no agent 'leger'; there are access, console, .*ledger"):
        load_agent("leger")


def test_sample_site_is_valid_and_shows_all_agents(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(sample_site_toml())
    load_site(path)
    for name in AGENTS:
        assert f"[{name}]" in path.read_text()


def test_mistake_in_any_agents_table_is_found(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text('site = "g"\n\n[console]\nmetrics_prot = 1\n')
    with pytest.raises(ConfigError, match=r'site\.toml:4: console\.metrics_prot: .*did you mean "metrics_port"'):
        load_site(path)
