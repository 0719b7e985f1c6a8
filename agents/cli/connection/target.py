"""Which broker and site a command is about, and who asks."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from uuid import uuid4

from agents.cli.connection.logins import Login
from agents.runtime.mqtt.options import MqttOptions
from bus_schema import Role
from bus_schema.command import PEOPLE_SOURCE, may_speak_as

USER = str(Role.TECHNICIAN)
"""Who the command line is at the broker unless a person is named."""


@dataclass(frozen=True)
class Target:
    """Everything that is needed to reach one site."""

    site: str
    """Id of the site; checked."""
    logins: tuple[Login, ...]
    """How to connect to its broker: at least one login, each for one connection at a time."""
    config: Path | None = None
    """The ``site.toml`` that all of this was read from, or None if something was said instead."""
    person: str = USER
    """Who asks: the sender of commands and questions, and where answers go. Each login is a user of this person."""

    @classmethod
    def at(cls, host: str, port: int, site: str, password: str | None = None, person: str = USER) -> Self:
        """Return a site whose broker is reached without TLS."""
        options = MqttOptions(host, port, client_id="", username=person, password=password, clean_session=True)
        return cls(site, (Login(options),), person=person)

    def with_broker(self, host: str, port: int) -> Self:
        """Return the same site at another broker."""
        logins = tuple(replace(each, options=replace(each.options, host=host, port=port)) for each in self.logins)
        return replace(self, logins=logins, config=None)

    @property
    def options(self) -> MqttOptions:
        """The first login's way to connect: for what all of them have in common."""
        return self.logins[0].options

    @property
    def broker(self) -> str:
        """The broker in words."""
        return f"{self.options.host}:{self.options.port}"

    @property
    def source(self) -> str:
        """The source of its commands: that of all people, unless it is an agent that asks."""
        return PEOPLE_SOURCE if may_speak_as(self.person, PEOPLE_SOURCE) else self.person

    def new_client_id(self) -> str:
        """Return an id of a connection, drawn at random: a broker that does not bind ids to users must not end one
        command by another.
        """
        return f"{self.site}-{self.person}-{uuid4().hex[:8]}"
