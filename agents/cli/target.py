"""Which broker and site a command is about."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from uuid import uuid4

from agents.runtime.mqtt_options import MqttOptions
from bus_schema import Role
from bus_schema.command import PEOPLE_SOURCE, may_speak_as

USER = str(Role.TECHNICIAN)
"""Who the command line is at the broker unless a person is named."""


@dataclass(frozen=True)
class Target:
    """Everything that is needed to reach one site."""

    site: str
    """Id of the site; checked."""
    options: MqttOptions
    """How to connect to its broker."""
    config: Path | None = None
    """The ``site.toml`` that all of this was read from, or None if something was said instead."""
    person: str = USER
    """Who asks: the sender of commands and questions, and where answers go."""

    @classmethod
    def at(cls, host: str, port: int, site: str, password: str | None = None) -> Self:
        """Return a site whose broker is reached without TLS."""
        return cls(site, MqttOptions(host, port, client_id="", username=USER, password=password, clean_session=True))

    def with_broker(self, host: str, port: int) -> Self:
        """Return the same site at another broker."""
        return replace(self, options=replace(self.options, host=host, port=port), config=None)

    @property
    def broker(self) -> str:
        """The broker in words."""
        return f"{self.options.host}:{self.options.port}"

    @property
    def source(self) -> str:
        """The source of its commands: that of all people, unless it is an agent that asks."""
        return PEOPLE_SOURCE if may_speak_as(self.person, PEOPLE_SOURCE) else self.person

    def new_client_id(self) -> str:
        """Return an id of a connection: drawn at random, so that two technicians do not end each other's."""
        return f"{self.site}-{USER}-{uuid4().hex[:8]}"
