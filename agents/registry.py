"""The one list of agents: their names, where their classes are, and where their settings are."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from agents.runtime.configuration.site_config import SiteConfig
from agents.runtime.configuration.site_config import load_site as _load_site

if TYPE_CHECKING:
    from agents.runtime.agent import Agent


@dataclass(frozen=True, slots=True)
class Entry:
    """Where an agent is, as ``module:class``.

    The settings stand beside the class, so that every agent can check all of ``site.toml`` without importing what the
    others need: a solver, web servers, OCPP.
    """

    agent: str
    """Its class."""
    settings: str
    """Its ``settings_type``."""


AGENTS: dict[str, Entry] = {
    "ledger": Entry("agents.ledger.agent:Ledger", "agents.ledger.settings:LedgerSettings"),
    "access": Entry("agents.access.agent:Access", "agents.access.settings:AccessSettings"),
    "console": Entry("agents.console.agent:Console", "agents.console.settings:ConsoleSettings"),
    "influx_logger": Entry(
        "agents.influx_logger.agent:InfluxLogger", "agents.influx_logger.settings:InfluxLoggerSettings"
    ),
    "load_balancer": Entry(
        "agents.load_balancer.agent:LoadBalancer", "agents.load_balancer.settings:LoadBalancerSettings"
    ),
    "load_balancer_shadow": Entry(
        "agents.load_balancer.shadow:ShadowBalancer", "agents.load_balancer.settings:LoadBalancerSettings"
    ),
    "ocpp_bridge": Entry("agents.ocpp_bridge.agent:OcppBridge", "agents.ocpp_bridge.settings:OcppBridgeSettings"),
    "csms": Entry("agents.csms.agent:Csms", "agents.csms.settings:CsmsSettings"),
    "grid_meter": Entry("agents.grid_meter.agent:GridMeter", "agents.grid_meter.settings:GridMeterSettings"),
}
"""Every agent by its name, which is also its table in ``site.toml`` and its broker user."""


ON_REQUEST = frozenset({"grid_meter", "load_balancer_shadow"})
"""Agents that not every site runs, because they need a meter or try something out: ``chargebus up`` leaves them out."""


class UnknownAgent(LookupError):
    """There is no agent of that name; the text lists those that there are."""


def load_agent(name: str) -> "type[Agent[Any]]":
    """Import and return the class of the agent ``name``. Raises :class:`UnknownAgent`."""
    if name not in AGENTS:
        raise UnknownAgent(f"no agent {name!r}; there are {', '.join(sorted(AGENTS))}")
    agent_type: type[Agent[Any]] = _imported(AGENTS[name].agent)
    return agent_type


def settings_type(name: str) -> type[BaseModel]:
    """Import and return the model of the table of the agent ``name``, which is in :data:`AGENTS`."""
    model: type[BaseModel] = _imported(AGENTS[name].settings)
    return model


def load_site(path: Path | str) -> SiteConfig:
    """Read ``site.toml`` and validate all of it, the tables of all agents included.

    Raises :class:`agents.runtime.configuration.site_config.ConfigError`.
    """
    config = _load_site(path, known=AGENTS)
    for name in AGENTS:
        config.settings(name, settings_type(name))
    return config


def sample_site_toml() -> str:
    """Return a ``site.toml`` that shows every setting of every agent with its default and its documentation."""
    from agents.runtime.configuration.site_sample import render_sample

    return render_sample({name: settings_type(name) for name in AGENTS})


def _imported(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)
