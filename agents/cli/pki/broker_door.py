"""Knocks at a broker's TLS port with a certificate: whether it is let in is what proves a revocation."""

import socket
import ssl
from enum import StrEnum

ANSWER_S = 3.0
"""How long the broker may take."""

_CONNECTED = b"\x20\x02\x00\x00"


class Answer(StrEnum):
    """What the broker says."""

    LET_IN = "let in"
    REFUSED = "refused"


def knock(host: str, port: int, context: ssl.SSLContext, client_id: str) -> Answer:
    """Connect, and leave again at once if let in: a connection and a session of the same client id end by that.

    Raises :class:`OSError` if the broker is not there, or its own certificate is not the site's.
    """
    with socket.create_connection((host, port), timeout=ANSWER_S) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=host) as door:
                door.sendall(_connect(client_id.encode()))
                # With TLS 1.3 the client learns only now that its certificate was refused.
                if door.recv(4) != _CONNECTED:
                    return Answer.REFUSED
                door.sendall(b"\xe0\x00")
                return Answer.LET_IN
        except ssl.SSLCertVerificationError:
            raise
        except (ssl.SSLError, ConnectionError):
            return Answer.REFUSED


def _connect(client_id: bytes) -> bytes:
    """Return a CONNECT packet of MQTT 3.1.1 with a clean session and a keepalive of 10 s."""
    body = b"\x00\x04MQTT\x04\x02\x00\x0a" + len(client_id).to_bytes(2, "big") + client_id
    return b"\x10" + bytes([len(body)]) + body
