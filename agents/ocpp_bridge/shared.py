"""What all charge points of a bridge share."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from structlog.typing import FilteringBoundLogger

from agents.ocpp_bridge.connecting import Connector
from agents.ocpp_bridge.fetching import Fetcher
from agents.ocpp_bridge.settings import OcppBridgeSettings
from agents.ocpp_bridge.waiting import Pace, Tasks
from agents.runtime.agent import Bus, Clock
from agents.runtime.commands import CommandSender
from agents.runtime.database.store import Store
from agents.runtime.ocpp import Traffic


@dataclass(frozen=True)
class Shared:
    """Everything that a charge point is given."""

    settings: OcppBridgeSettings
    bus: Bus
    clock: Clock
    store: Store
    random: Random
    log: FilteringBoundLogger
    commands: CommandSender
    pace: Pace
    """Bounds how fast transaction messages leave."""
    tasks: Tasks
    connector: Connector
    fetcher: Fetcher
    traffic: Mapping[str, Traffic]
    """What is exchanged with each backend, by its name."""
