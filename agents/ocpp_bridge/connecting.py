"""What a way to a backend is: where, with which credentials, and what can go wrong in words."""

from dataclasses import dataclass, field
from typing import Protocol

from agents.runtime.ocpp import Connection


@dataclass(frozen=True, slots=True)
class Target:
    """Everything that is needed to connect one charge point to one backend."""

    url: str
    """With the charge point's identity at its end."""
    subprotocol: str
    user: str = ""
    password: bytes | None = field(default=None, repr=False)
    """For HTTP basic authentication; None to send none."""
    ca_pem: tuple[str, ...] = ()
    """Root certificates beside the system's; if there are any, only they count."""
    cert_pem: str | None = None
    key_pem: str | None = field(default=None, repr=False)
    ping_interval_s: int = 20
    """0 for no pings."""


class Unreachable(Exception):
    """No connection could be made; the text says why and what to do, for an operator."""


class Connector(Protocol):
    """Makes connections."""

    async def connect(self, target: Target) -> Connection:
        """Connect once. Raises :class:`Unreachable`."""
