"""Connects to backends by WebSocket, with the credentials of OCPP's security profiles."""

import base64
import ssl
import tempfile
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException

from agents.ocpp_bridge.connecting import Target, Unreachable
from agents.runtime.ocpp import MAX_FRAME_BYTES, Connection
from agents.runtime.ocpp.websocket import WebSocketConnection

OPEN_TIMEOUT_S = 20.0
"""How long TCP, TLS and WebSocket handshakes may take together."""

_STATUS = {
    401: "refuses the password (401): compare the charge point's password here and there",
    403: "refuses this charge point (403): it may be blocked there, or its address may not be allowed",
    404: "does not know this charge point (404): add it there, or correct the url",
    400: "refuses the handshake (400): does it speak OCPP 1.6 at this url?",
    426: "wants another protocol (426)",
    429: "is overloaded (429)",
    503: "is not ready (503)",
}


class WebSocketConnector:
    """The ``websockets`` package as a connector."""

    async def connect(self, target: Target) -> Connection:
        """Connect once. Raises :class:`Unreachable`."""
        headers: dict[str, str] = {}
        if target.password is not None:
            login = base64.b64encode(target.user.encode() + b":" + target.password).decode()
            headers["Authorization"] = f"Basic {login}"
        try:
            context = _tls(target)
            # One attempt: `async for … in connect()` would take a 404 for the end of all hope.
            socket = await connect(
                target.url,
                subprotocols=[target.subprotocol],  # type: ignore[list-item]
                additional_headers=headers,
                ssl=context,
                open_timeout=OPEN_TIMEOUT_S,
                ping_interval=target.ping_interval_s or None,
                ping_timeout=max(20, target.ping_interval_s),
                close_timeout=5,
                max_size=MAX_FRAME_BYTES,
                compression=None,
                user_agent_header="chargebus",
            )
        except InvalidStatus as error:
            status = error.response.status_code
            raise Unreachable(f"the backend {_STATUS.get(status, f'answers with HTTP status {status}')}") from None
        except InvalidURI:
            raise Unreachable("the url is no WebSocket URL") from None
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(f"the backend's certificate is not valid: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise Unreachable(f"TLS fails: {error.reason or 'the handshake was refused'}") from None
        except (InvalidHandshake, WebSocketException) as error:
            raise Unreachable(f"the WebSocket handshake fails: {type(error).__name__}: {str(error)[:100]}") from None
        except TimeoutError:
            raise Unreachable(f"the backend does not answer within {OPEN_TIMEOUT_S:g} s") from None
        except (OSError, EOFError) as error:
            raise Unreachable(f"no connection: {getattr(error, 'strerror', None) or str(error) or 'closed'}") from None
        if socket.subprotocol != target.subprotocol:
            await socket.close(1002, f"{target.subprotocol} is needed")
            raise Unreachable(f"the backend does not speak {target.subprotocol} at this url: it chose no subprotocol")
        return WebSocketConnection(socket)


def _tls(target: Target) -> ssl.SSLContext | None:
    """Return how to check the backend and who we are; None without TLS. Raises :class:`Unreachable`."""
    if not target.url.startswith("wss:"):
        return None
    try:
        context = ssl.create_default_context(cadata="\n".join(target.ca_pem) or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if target.cert_pem is not None and target.key_pem is not None:
            _load_own_certificate(context, target.cert_pem, target.key_pem)
    except (ssl.SSLError, ValueError) as error:
        raise Unreachable(f"the certificates here cannot be used: {error}") from None
    return context


def _load_own_certificate(context: ssl.SSLContext, cert_pem: str, key_pem: str) -> None:
    # OpenSSL's Python binding reads certificates of its own from files only; the folder is readable by nobody else.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.pem"
        path.touch(mode=0o600)
        path.write_text(f"{cert_pem}\n{key_pem}\n", encoding="ascii")
        context.load_cert_chain(path)
