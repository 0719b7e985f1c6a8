"""The console's section of ``site.toml``."""

from typing import Annotated

from pydantic import Field

from agents.runtime.configuration.site_config import AgentSettings


class ConsoleSettings(AgentSettings):
    """``[console]``."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address to listen on. The page has no login yet: ``0.0.0.0`` shows it to everybody on the network."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """TCP port of the page; 0 lets the system choose one, which the log then names."""
    title: Annotated[str, Field(max_length=60)] = ""
    """Name of the site on the page; empty for its id."""
