"""How to connect to an MQTT broker: a value, without a client."""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
"""Socket option of every MQTT client: with Nagle's algorithm the second of two small messages waits 40 ms."""


@dataclass(frozen=True)
class MqttOptions:
    """How to connect."""

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = None
    clean_session: bool = False
    """False keeps subscriptions and unacknowledged messages at the broker while away."""
    keepalive_s: int = 20
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def __repr__(self) -> str:
        """Leave the password out."""
        return f"MqttOptions({self.client_id!r} as {self.username!r} at {self.host}:{self.port})"

    def tls_context(self) -> ssl.SSLContext | None:
        """Return the TLS settings, or None without TLS. Raises :class:`OSError` for an unreadable file."""
        if not (self.tls or self.ca_file):
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context
