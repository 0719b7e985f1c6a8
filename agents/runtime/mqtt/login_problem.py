"""Why the broker did not let a client in: what the client library could not say.

With TLS 1.3 the broker looks at the client's certificate when the client takes the connection for made; the library
then only sees that no answer comes. The reason is in the alert that ends the connection, so it is asked for again.
"""

import asyncio
import socket
import ssl
from datetime import UTC, datetime

from agents.runtime.mqtt.certificate import UnusableCertificate, check_identity, read_validity
from agents.runtime.mqtt.connect_errors import explain
from agents.runtime.mqtt.options import MqttOptions

ALERT_WITHIN_S = 2.0
"""How long the broker may take to refuse a certificate; it says nothing to one that it takes."""


async def login_problem(error: Exception, options: MqttOptions, now_ms: int) -> str:
    """Return in words why a connection failed with ``error``. ``now_ms`` is UTC by this computer's clock."""
    problem = _of_certificate(options, datetime.fromtimestamp(now_ms / 1000, UTC))
    if problem is not None:
        return problem
    if (options.tls or options.ca_file) and _says_nothing(error):
        alert = await asyncio.to_thread(tls_alert, options)
        if alert is not None:
            return explain(alert, options.username)
    return explain(error, options.username)


def _says_nothing(error: Exception) -> bool:
    text = str(error).lower()
    return not text or any(words in text for words in ("timed out", "unspecified", "connection lost"))


def _of_certificate(options: MqttOptions, now: datetime) -> str | None:
    if options.cert_file is None:
        return None
    try:
        check_identity(options)
        return read_validity(options.cert_file).problem(now)
    except UnusableCertificate as error:
        return str(error)


def tls_alert(options: MqttOptions) -> Exception | None:
    """Make a TLS connection and return the alert that ends it, None if none comes within :data:`ALERT_WITHIN_S`.

    No CONNECT is sent, so no session is touched. It blocks.
    """
    try:
        context = options.tls_context()
        if context is None:
            return None
        with (
            socket.create_connection((options.host, options.port), ALERT_WITHIN_S) as plain,
            context.wrap_socket(plain, server_hostname=options.host) as door,
        ):
            door.recv(1)
    except TimeoutError:
        return None
    except (ssl.SSLError, OSError) as error:
        return error
    return None
