"""The one list of agents: their names and where their classes are."""

import importlib
from pathlib import Path
from typing import Any

from agents.runtime.agent import Agent
from agents.runtime.site_config import SiteConfig
from agents.runtime.site_config import load_site as _load_site
from agents.runtime.site_sample import render_sample

AGENTS: dict[str, str] = {
    "ledger": "agents.ledger:Ledger",
    "access": "agents.access:Access",
    "console": "agents.console:Console",
    "influx_logger": "agents.influx_logger:InfluxLogger",
    "load_balancer": "agents.load_balancer:LoadBalancer",
    "load_balancer_shadow": "agents.load_balancer:ShadowBalancer",
    "ocpp_bridge": "agents.ocpp_bridge:OcppBridge",
    "csms": "agents.csms:Csms",
}
"""Name of each agent → ``module:class``. A name is also its table in ``site.toml`` and its broker user."""


ON_REQUEST = frozenset({"load_balancer_shadow"})
"""Agents that not every site runs, because they try something out: ``chargebus up`` leaves them out."""


class UnknownAgent(LookupError):
    """There is no agent of that name; the text lists those that there are."""


def load_agent(name: str) -> type[Agent[Any]]:
    """Import and return the class of the agent ``name``. Raises :class:`UnknownAgent`."""
    if name not in AGENTS:
        raise UnknownAgent(f"no agent {name!r}; there are {', '.join(sorted(AGENTS))}")
    module, _, attribute = AGENTS[name].partition(":")
    agent_type: type[Agent[Any]] = getattr(importlib.import_module(module), attribute)
    return agent_type


def load_site(path: Path | str) -> SiteConfig:
    """Read ``site.toml`` and validate all of it, the tables of all agents included.

    Raises :class:`agents.runtime.site_config.ConfigError`.
    """
    config = _load_site(path, known=AGENTS)
    for name in AGENTS:
        config.settings(name, load_agent(name).settings_type)
    return config


def sample_site_toml() -> str:
    """Return a ``site.toml`` that shows every setting of every agent with its default and its documentation."""
    return render_sample({name: load_agent(name).settings_type for name in AGENTS})
