"""What one agent is to have in a PostgreSQL server."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AgentRole:
    """What one agent is to have; role and schema bear one name."""

    agent: str
    name: str
    password: str
    tables: str
    """Regular expression that fits the agent's own tables."""
