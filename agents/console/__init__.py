"""The operators' page: what every charger of the site does now, and why."""

from agents.console.agent import Console
from agents.console.settings import ConsoleSettings

__all__ = ["Console", "ConsoleSettings"]
